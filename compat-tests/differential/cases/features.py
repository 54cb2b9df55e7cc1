"""UpdateFeatures, and what the levels of group.version and transaction.version turn on.

The levels are the whole cluster's, so these cases have brokers of their own, and each begins with the levels
that it needs.
"""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from dataclasses import replace

from ..case import Case, Then
from ..consumer_requests import describe_consumer_groups, joining
from ..requests import join, update_features
from ..transaction_requests import (
    add_offsets,
    add_partitions,
    commit_offsets,
    describe_producers,
    describe_transactions,
    end,
    init,
    produce_in_transaction,
)

GV, TV, MV = "group.version", "transaction.version", "metadata.version"
WRONG = "INVALID_UPDATE_VERSION"
OLD_TV = "feature(transaction.version,0)"
ONE_TV = "feature(transaction.version,1)"
SAFE, UNSAFE = 2, 3
STATE: list[Then] = [("DescribeTransactions", 0, describe_transactions()), ("DescribeProducers", 0, describe_producers())]
DONE: list[Then] = ["completed", *STATE]

CASES = [replace(case, broker="other features") for case in [
    Case("UpdateFeatures", "0-2", "raised", "feature(group.version,0)", update_features((GV, 1)), then=["shows(group.version,1)"]),
    Case("UpdateFeatures", "0-2", "raised by one", OLD_TV, update_features((TV, 1)), then=["shows(transaction.version,1)"]),
    Case("UpdateFeatures", "0-2", "raised by two", OLD_TV, update_features((TV, 2)), then=["shows(transaction.version,2)"]),
    Case("UpdateFeatures", "0-2", "two at once", "feature(group.version,0) feature(transaction.version,0)", update_features((TV, 1), (GV, 1)), then=["shows(transaction.version,1)", "shows(group.version,1)"]),
    Case("UpdateFeatures", "0-2", "the level that it has", "feature(group.version,1)", update_features((GV, 1)), then=["shows(group.version,1)"]),
    Case("UpdateFeatures", "0-2", "off, and off it was", "feature(group.version,0)", update_features((GV, 0)), then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "1-2", "the level that it has as a downgrade", "feature(group.version,1)", update_features((GV, 1), kind=SAFE), then=["shows(group.version,1)"]),
    Case("UpdateFeatures", "0-2", "nothing", "", update_features()),
    Case("UpdateFeatures", "0-2", "same feature twice", "feature(transaction.version,2)", update_features((TV, 2), (TV, 2)), then=["shows(transaction.version,2)"]),
    Case("UpdateFeatures", "1-2", "lowered", "feature(transaction.version,2)", update_features((TV, 1), kind=SAFE), then=["shows(transaction.version,1)"]),
    Case("UpdateFeatures", "1-2", "lowered the unsafe way", "feature(transaction.version,2)", update_features((TV, 1), kind=UNSAFE), then=["shows(transaction.version,1)"]),
    Case("UpdateFeatures", "1-2", "turned off", "feature(group.version,1)", update_features((GV, 0), kind=SAFE), then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "0", "lowered in version 0", "feature(transaction.version,2)", update_features((TV, 1), kind=SAFE), WRONG, then=["shows(transaction.version,2)"]),
    Case("UpdateFeatures", "0-2", "lowered as an upgrade", "feature(transaction.version,2)", update_features((TV, 1)), WRONG, then=["shows(transaction.version,2)"]),
    Case("UpdateFeatures", "1-2", "raised as a downgrade", ONE_TV, update_features((TV, 2), kind=SAFE), WRONG, then=["shows(transaction.version,1)"]),
    Case("UpdateFeatures", "1-2", "raised as an unsafe downgrade", ONE_TV, update_features((TV, 2), kind=UNSAFE), WRONG),
    Case("UpdateFeatures", "0-2", "higher than brokers have it", "feature(transaction.version,2)", update_features((TV, 3)), WRONG, then=["shows(transaction.version,2)"]),
    Case("UpdateFeatures", "0-2", "negative level", "feature(transaction.version,2)", update_features((TV, -1)), WRONG),
    Case("UpdateFeatures", "1-2", "negative level as a downgrade", "feature(transaction.version,2)", update_features((TV, -1), kind=SAFE), WRONG),
    Case("UpdateFeatures", "0-2", "no such feature", "", update_features(("no.version", 1)), WRONG),
    Case("UpdateFeatures", "0-2", "no such feature turned off", "", update_features(("no.version", 0)), WRONG),
    Case("UpdateFeatures", "0-2", "feature without a name", "", update_features(("", 1)), WRONG),
    Case("UpdateFeatures", "0-2", "feature in capitals", "", update_features(("Group.Version", 1)), WRONG),
    Case("UpdateFeatures", "1-2", "type zero", "feature(group.version,0)", update_features((GV, 1), kind=0), WRONG, then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "1-2", "no such type", "feature(group.version,0)", update_features((GV, 1), kind=4), WRONG, then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "1-2", "negative type", "feature(group.version,0)", update_features((GV, 1), kind=-1), WRONG),
    Case("UpdateFeatures", "1-2", "only tried", "feature(group.version,0)", update_features((GV, 1), validate_only=True), then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "1-2", "only tried, and wrong", "feature(group.version,0)", update_features((GV, 9), validate_only=True), WRONG),
    Case("UpdateFeatures", "0-2", "one of two is wrong", "feature(group.version,0)", update_features((GV, 1), (TV, 9)), WRONG, then=["shows(group.version,0)"]),
    Case("UpdateFeatures", "0-2", "negative time-out", "feature(group.version,0)", update_features((GV, 1), timeout_ms=-1), then=["shows(group.version,1)"]),
    Case("UpdateFeatures", "0-2", "metadata.version as it is", "", update_features((MV, 33))),
    Case("UpdateFeatures", "0-2", "metadata.version of a later release", "", update_features((MV, 34)), WRONG),
    Case("UpdateFeatures", "0-2", "metadata.version lowered as an upgrade", "", update_features((MV, 32)), WRONG),
    Case("UpdateFeatures", "1-2", "metadata.version of two levels before", "", update_features((MV, 31), kind=SAFE, validate_only=True), WRONG),
    Case("UpdateFeatures", "1-2", "metadata.version with fewer records", "", update_features((MV, 32), kind=SAFE, validate_only=True), WRONG),
    Case("UpdateFeatures", "1-2", "metadata.version with fewer records, the unsafe way", "", update_features((MV, 29), kind=UNSAFE), WRONG),
    Case("UpdateFeatures", "1-2", "lowest metadata.version", "", update_features((MV, 7), kind=SAFE), WRONG),
    Case("UpdateFeatures", "1-2", "metadata.version below the lowest", "", update_features((MV, 6), kind=SAFE), WRONG),
    Case("UpdateFeatures", "1-2", "metadata.version zero", "", update_features((MV, 0), kind=SAFE), WRONG),
    #
    Case("ConsumerGroupHeartbeat", "0-1", "feature is off", "feature(group.version,0) ready topic", joining("{group}-m"), "UNSUPPORTED_VERSION"),
    Case("ConsumerGroupHeartbeat", "0-1", "feature was turned on", "feature(group.version,0) feature(group.version,1) ready topic", joining("{group}-m")),
    Case("ConsumerGroupDescribe", "0-1", "feature is off", "feature(group.version,0) ready topic", describe_consumer_groups("{group}"), "UNSUPPORTED_VERSION"),
    Case("JoinGroup", "0-9", "consumer groups are off", "feature(group.version,0) ready", join("{group}", "a-member"), "UNKNOWN_MEMBER_ID"),
    #
    Case("InitProducerId", "0-5", "open transaction before version 1", f"{OLD_TV} topic ongoing", init(), "CONCURRENT_TRANSACTIONS", then=DONE),
    Case("InitProducerId", "0-5", "open transaction in version 1", f"{ONE_TV} topic ongoing", init(), "CONCURRENT_TRANSACTIONS", then=DONE),
    Case("InitProducerId", "0-5", "after a commit before version 1", f"{OLD_TV} topic ongoing commit", init(), then=STATE),
    Case("InitProducerId", "3-5", "own id and epoch before version 1", f"{OLD_TV} topic ongoing", init(producer="{producer}", epoch="{epoch}"), "CONCURRENT_TRANSACTIONS", then=[*DONE, ("InitProducerId", 4, init(producer="{producer}", epoch="{epoch}")), *STATE]),
    Case("EndTxn", "0-4", "commit before version 1", f"{OLD_TV} topic ongoing", end(), then=DONE),
    Case("EndTxn", "0-4", "abort before version 1", f"{OLD_TV} topic ongoing", end(commit=False), then=DONE),
    Case("EndTxn", "5", "commit before version 1", f"{OLD_TV} topic ongoing", end(), "UNSUPPORTED_VERSION", then=STATE),
    Case("EndTxn", "5", "abort before version 1", f"{OLD_TV} topic ongoing", end(commit=False), "UNSUPPORTED_VERSION", then=STATE),
    Case("EndTxn", "5", "epoch from the future before version 1", f"{OLD_TV} topic ongoing", end(epoch=9), "PRODUCER_FENCED", then=STATE),
    Case("EndTxn", "5", "commit of nothing before version 1", f"{OLD_TV} topic initialised", end(), "INVALID_TXN_STATE", then=STATE),
    Case("EndTxn", "0-5", "commit in version 1", f"{ONE_TV} topic ongoing", end(), then=DONE),
    Case("EndTxn", "0-4", "commit twice before version 1", f"{OLD_TV} topic ongoing commit", end(), then=STATE),
    Case("EndTxn", "0-5", "version 2 was turned on meanwhile", f"{OLD_TV} topic ongoing feature(transaction.version,2)", end(), then=DONE),
    Case("EndTxn", "0-4", "version 2 was turned off meanwhile", f"feature(transaction.version,2) topic ongoing {OLD_TV}", end(), then=DONE),
    Case("EndTxn", "5", "version 2 was turned off meanwhile", f"feature(transaction.version,2) topic ongoing {OLD_TV}", end(), "UNSUPPORTED_VERSION", then=STATE),
    Case("AddPartitionsToTxn", "0-3", "before version 1", f"{OLD_TV} topic initialised", add_partitions(), then=STATE[:1]),
    Case("Produce", "3-11", "added, before version 1", f"{OLD_TV} topic initialised added", produce_in_transaction(), then=STATE),
    Case("Produce", "12-13", "not added, before version 1", f"{OLD_TV} topic initialised", produce_in_transaction(), "UNSUPPORTED_VERSION", then=STATE),
    Case("Produce", "12-13", "added, before version 1", f"{OLD_TV} topic initialised added", produce_in_transaction(), then=STATE),
    Case("Produce", "12-13", "not added, in version 1", f"{ONE_TV} topic initialised", produce_in_transaction(), then=STATE),
    Case("TxnOffsetCommit", "5-6", "not added, before version 1", f"{OLD_TV} topic ready initialised", commit_offsets(), "UNSUPPORTED_VERSION", then=STATE[:1]),
    Case("TxnOffsetCommit", "5-6", "not added, in version 1", f"{ONE_TV} topic ready initialised", commit_offsets(), then=STATE[:1]),
    Case("AddPartitionsToTxn", "4-5", "before version 1", f"{OLD_TV} topic initialised", add_partitions(), "UNSUPPORTED_VERSION", then=STATE[:1]),
    Case("AddOffsetsToTxn", "0-4", "before version 1", f"{OLD_TV} topic ready initialised", add_offsets(), then=STATE[:1]),
]]
