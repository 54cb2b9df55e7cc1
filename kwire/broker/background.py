"""What a cluster does by itself while it runs: the tasks that nobody asks for, and the settings of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from kwire.broker.leader_balancing import LeaderBalancing
from kwire.broker.snapshotting import Snapshotting
from kwire.broker.unclean_elections import run_unclean_elections

if TYPE_CHECKING:
    from kwire.broker.cluster import Cluster


def start_tasks(cluster: Cluster, nursery: trio.Nursery) -> None:
    """Starts them in `nursery`, which ends them."""
    nursery.start_soon(cluster.clock.run)
    nursery.start_soon(cluster.fetch_deadlines.run)
    flush_ms = cluster.config.integer("log.flush.offset.checkpoint.interval.ms")
    nursery.start_soon(cluster.housekeeping.run_checkpoints, flush_ms)
    if cluster.config.boolean("auto.leader.rebalance.enable"):
        balancing_ms = cluster.config.integer("leader.imbalance.check.interval.seconds") * 1000
        nursery.start_soon(LeaderBalancing(cluster.clock, cluster.controller, balancing_ms).run)
    unclean_ms = cluster.config.integer("unclean.leader.election.interval.ms")
    nursery.start_soon(
        run_unclean_elections,
        cluster.clock,
        cluster.controller,
        lambda topic: cluster.topic_config(topic).unclean_leader_election_enable,
        unclean_ms,
    )
    snapshotting = Snapshotting(
        cluster.clock,
        cluster.controller,
        cluster.config.integer("metadata.log.max.record.bytes.between.snapshots"),
        cluster.config.integer("metadata.log.max.snapshot.interval.ms"),
    )
    nursery.start_soon(snapshotting.run)
    retention_ms = cluster.config.integer("log.retention.check.interval.ms")
    nursery.start_soon(cluster.housekeeping.run_retention, retention_ms)
    if cluster.config.boolean("log.cleaner.enable"):
        nursery.start_soon(cluster.cleaner.run)
    nursery.start_soon(cluster.housekeeping.run_sweeps)
    flushes_ms = cluster.config.integer("log.flush.scheduler.interval.ms")
    nursery.start_soon(cluster.housekeeping.run_flushes, flushes_ms)
