"""All cases, from one table a subject."""

from ..case import Case, Trial
from . import (
    cluster,
    config_resources,
    configs,
    consumer_groups,
    cordoned,
    directories,
    features,
    fetch,
    group_admin,
    group_configs,
    group_offsets,
    group_types,
    groups,
    log_offsets,
    malformed,
    metadata,
    produce,
    producers,
    replication,
    topics,
    transaction_log,
    transaction_offsets,
    transactions,
)

TABLES = [
    cluster.CASES,
    config_resources.CASES,
    configs.CASES,
    consumer_groups.CASES,
    cordoned.CASES,
    directories.CASES,
    features.CASES,
    fetch.CASES,
    group_admin.CASES,
    group_configs.CASES,
    group_offsets.CASES,
    group_types.CASES,
    groups.CASES,
    log_offsets.CASES,
    malformed.CASES,
    metadata.CASES,
    produce.CASES,
    producers.CASES,
    replication.CASES,
    topics.CASES,
    transaction_log.CASES,
    transaction_offsets.CASES,
    transactions.CASES,
]
CASES: list[Case] = [case for table in TABLES for case in table]
TRIALS: list[Trial] = sorted(
    (trial for case in CASES for trial in case.trials()),
    key=lambda trial: (trial.case.broker, trial.case.broker and trial.oracle),
)
"""In the order of the tables; those that want other brokers come last, one kind after the other."""
