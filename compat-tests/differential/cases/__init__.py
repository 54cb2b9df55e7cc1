"""All cases, from one table a subject."""

from ..case import Case, Trial
from . import (
    cluster,
    configs,
    fetch,
    group_admin,
    group_offsets,
    groups,
    log_offsets,
    malformed,
    metadata,
    produce,
    producers,
    replication,
    topics,
)

TABLES = [
    cluster.CASES,
    configs.CASES,
    fetch.CASES,
    group_admin.CASES,
    group_offsets.CASES,
    groups.CASES,
    log_offsets.CASES,
    malformed.CASES,
    metadata.CASES,
    produce.CASES,
    producers.CASES,
    replication.CASES,
    topics.CASES,
]
CASES: list[Case] = [case for table in TABLES for case in table]
TRIALS: list[Trial] = [trial for case in CASES for trial in case.trials()]
