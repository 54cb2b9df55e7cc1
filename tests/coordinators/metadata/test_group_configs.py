"""Settings of groups: changed, limited, described, and what they come to."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.config_changes import Change, Op, alter_incrementally
from kwire.coordinators.metadata.describe_configs import ShownConfig, describe
from kwire.coordinators.metadata.group_configs import GROUP_SETTINGS, consumer_group_settings
from kwire.coordinators.metadata.image import ClusterImage, ResourceType

GROUP = int(ResourceType.GROUP)


def image_with(group: str = "g", **configs: str) -> ClusterImage:
    named = {name.replace("_", "."): value for name, value in configs.items()}
    return ClusterImage(configs={(GROUP, group): named})


def altered(name: str, value: str | None, op: int = Op.SET, group: str = "g") -> tuple[ErrorCode, str | None]:
    outcome = alter_incrementally(
        ClusterImage(), [((GROUP, group), [Change(name, op, value)])], config=BrokerConfig(), node_id=1
    )
    [(_, error)] = outcome.response  # type: ignore[misc]  # there at once
    assert bool(outcome.records) == (error.error_code is ErrorCode.NONE and op == Op.SET)
    return error.error_code, error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consumer.session.timeout.ms", "50000"),
        ("consumer.heartbeat.interval.ms", "15000"),
        ("consumer.assignment.interval.ms", "0"),
        ("share.isolation.level", "read_committed"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
        ("streams.num.standby.replicas", "2"),
    ],
)
def test_what_lies_within_the_brokers_limits_is_taken(name: str, value: str) -> None:
    assert altered(name, value) == (ErrorCode.NONE, None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "consumer.session.timeout.ms",
            "44999",
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
        ),
        (
            "consumer.session.timeout.ms",
            "60001",
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
        ),
        (
            "consumer.heartbeat.interval.ms",
            "4999",
            "consumer.heartbeat.interval.ms must be in the range 5000 to 15000 inclusive.",
        ),
        (
            "consumer.assignment.interval.ms",
            "15001",
            "consumer.assignment.interval.ms must be in the range 0 to 15000 inclusive.",
        ),
        (
            "streams.num.standby.replicas",
            "3",
            "streams.num.standby.replicas must be less than or equal to 2",
        ),
        (
            "streams.task.offset.interval.ms",
            "14999",
            "streams.task.offset.interval.ms must be greater than or equal to 15000",
        ),
        ("no.such.thing", "1", "Unknown group config name: no.such.thing"),
        (
            "errors.deadletterqueue.topic.name",
            "__dead",
            "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'",
        ),
        (
            "consumer.session.timeout.ms",
            "0",
            "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1",
        ),
        (
            "share.auto.offset.reset",
            "never",
            "Invalid value never for configuration share.auto.offset.reset: Invalid value `never` for "
            "configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the "
            "format 'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ],
)
def test_what_lies_outside_is_refused(name: str, value: str, message: str) -> None:
    assert altered(name, value) == (ErrorCode.INVALID_CONFIG, message)


def test_a_setting_that_is_no_list_is_not_appended_to() -> None:
    assert altered("consumer.session.timeout.ms", "1", Op.APPEND) == (
        ErrorCode.INVALID_CONFIG,
        "Can't APPEND to key consumer.session.timeout.ms because its type is not LIST.",
    )


def test_what_follows_the_broker_may_be_outside_its_limits() -> None:
    outside = BrokerConfig(
        {
            "group.consumer.session.timeout.ms": "5000",
            "group.consumer.heartbeat.interval.ms": "5000",
            "group.share.max.session.timeout.ms": "46000",
            "group.share.session.timeout.ms": "50000",
        }
    )
    changes = [Change("streams.num.standby.replicas", Op.SET, "1")]
    outcome = alter_incrementally(ClusterImage(), [((GROUP, "g"), changes)], config=outside, node_id=1)
    [(_, error)] = outcome.response  # type: ignore[misc]  # there at once
    assert error.error_code is ErrorCode.NONE


def test_there_are_no_settings_for_all_groups() -> None:
    assert altered("consumer.session.timeout.ms", "50000", group="") == (
        ErrorCode.INVALID_REQUEST,
        "Default group resources are not allowed.",
    )


def test_sessions_must_be_longer_than_heartbeats() -> None:
    config = BrokerConfig(
        {"group.consumer.max.heartbeat.interval.ms": "60000", "group.consumer.min.session.timeout.ms": "1000"}
    )
    changes = [Change("consumer.heartbeat.interval.ms", Op.SET, "45000")]
    outcome = alter_incrementally(ClusterImage(), [((GROUP, "g"), changes)], config=config, node_id=1)
    [(_, error)] = outcome.response  # type: ignore[misc]  # there at once
    assert error.message == (
        "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
    )


def shown(image: ClusterImage, config: BrokerConfig | None = None) -> dict[str, ShownConfig]:
    found = describe(image, config or BrokerConfig(), 1, GROUP, "g")
    assert not isinstance(found, tuple)
    return {one.name: one for one in found}


def test_a_group_is_described_with_everything_and_where_it_comes_from() -> None:
    config = BrokerConfig({"group.consumer.heartbeat.interval.ms": "6000"})
    found = shown(image_with(consumer_session_timeout_ms="50000"), config)
    assert found.keys() == {name for name, setting in GROUP_SETTINGS.items() if not setting.internal}
    assert found["streams.assignor.name"].value == "sticky"
    session = found["consumer.session.timeout.ms"]
    assert (session.value, session.source) == ("50000", 8)
    assert [(one.name, one.value, one.number) for one in session.synonyms] == [
        ("consumer.session.timeout.ms", "50000", 8),
        ("group.consumer.session.timeout.ms", "45000", 5),
    ]
    heartbeat = found["consumer.heartbeat.interval.ms"]
    assert (heartbeat.value, heartbeat.source) == ("6000", 4)
    level = found["share.isolation.level"]
    assert (level.value, level.source) == ("read_uncommitted", 5)


def test_an_internal_setting_is_shown_where_somebody_has_set_it() -> None:
    config = BrokerConfig({"group.consumer.assignor.offload.enable": "false"})
    found = shown(ClusterImage(), config)
    assert found["consumer.assignor.offload.enable"].value == "false"
    assert "share.assignor.offload.enable" not in found
    assert "share.assignor.offload.enable" in shown(image_with(share_assignor_offload_enable="true"))


def test_a_group_without_a_name_is_not_described() -> None:
    assert describe(ClusterImage(), BrokerConfig(), 1, GROUP, "") == (
        ErrorCode.INVALID_REQUEST,
        "Group name must not be empty",
    )


def test_what_a_consumer_group_goes_by() -> None:
    config = BrokerConfig({"group.consumer.heartbeat.interval.ms": "6000"})
    image = image_with(consumer_session_timeout_ms="50000", consumer_assignment_interval_ms="7")
    mine = consumer_group_settings(image, config, "g")
    assert (mine.session_timeout_ms, mine.heartbeat_interval_ms, mine.assignment_interval_ms) == (
        50_000,
        6_000,
        7,
    )
    others = consumer_group_settings(image, config, "other")
    assert (others.session_timeout_ms, others.assignment_interval_ms) == (45_000, 1_000)
    assert consumer_group_settings(image, config, "g") is mine, "it is asked for by every heartbeat"


def test_what_was_set_before_the_limits_were_narrowed_is_moved_to_them() -> None:
    config = BrokerConfig({"group.consumer.max.session.timeout.ms": "46000"})
    image = image_with(consumer_session_timeout_ms="50000")
    assert consumer_group_settings(image, config, "g").session_timeout_ms == 46_000
