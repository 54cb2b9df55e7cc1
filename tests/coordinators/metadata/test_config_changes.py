from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode

from kwire.config import BROKER_SETTINGS, BrokerConfig
from kwire.config_def import Kind, Update
from kwire.coordinators.metadata.config_changes import (
    Change,
    Op,
    alter_incrementally,
    alter_legacy,
    topic_config_problem,
)
from kwire.coordinators.metadata.image import ClusterImage, ResourceKey, ResourceType
from kwire.coordinators.metadata.topic_settings import TOPIC_SETTINGS
from kwire.coordinators.metadata.topics import NewTopic

from .images import applied, cluster, with_topics

TOPIC: ResourceKey = (ResourceType.TOPIC, "t")
BROKER: ResourceKey = (ResourceType.BROKER, "1")
ALL_BROKERS: ResourceKey = (ResourceType.BROKER, "")


def image_with(**configs: str) -> ClusterImage:
    named = {name.replace("_", "."): value for name, value in configs.items()}
    return with_topics(cluster(), NewTopic("t", 1, 1, configs=named), "u")


def altered(
    image: ClusterImage, key: ResourceKey, *changes: Change, validate_only: bool = False
) -> tuple[ErrorCode, str | None, ClusterImage]:
    outcome = alter_incrementally(
        image, [(key, changes)], config=BrokerConfig(), node_id=1, validate_only=validate_only
    )
    assert isinstance(outcome.response, list)
    [(answered, error)] = outcome.response
    assert answered == key
    return error.error_code, error.message, applied(image, outcome)


def put(name: str, value: str | None) -> Change:
    return Change(name, Op.SET, value)


def test_setting_and_deleting_a_topic_config() -> None:
    code, _, image = altered(image_with(), TOPIC, put("retention.ms", "5"))
    assert code is ErrorCode.NONE
    assert image.config(*TOPIC) == {"retention.ms": "5"}
    _, _, image = altered(image, TOPIC, Change("retention.ms", Op.DELETE, None))
    assert image.config(*TOPIC) == {}
    assert image.configs == {}


def test_appending_and_subtracting_entries_of_a_list() -> None:
    append = Change("cleanup.policy", Op.APPEND, "compact")
    _, _, image = altered(image_with(), TOPIC, append)
    assert image.config(*TOPIC) == {"cleanup.policy": "delete,compact"}
    _, _, again = altered(image, TOPIC, append)
    assert again.configs is image.configs
    _, _, image = altered(image, TOPIC, Change("cleanup.policy", Op.SUBTRACT, "delete"))
    assert image.config(*TOPIC) == {"cleanup.policy": "compact"}


def test_validate_only_changes_nothing() -> None:
    code, _, image = altered(image_with(), TOPIC, put("retention.ms", "5"), validate_only=True)
    assert code is ErrorCode.NONE
    assert image.configs == {}


def test_a_topic_value_that_stays_makes_no_record_but_a_brokers_does() -> None:
    image = image_with(retention_ms="5")
    same = alter_incrementally(image, [(TOPIC, [put("retention.ms", "5")])], config=BrokerConfig(), node_id=1)
    assert list(same.records) == []
    _, _, image = altered(image, BROKER, put("log.retention.ms", "5"))
    again = alter_incrementally(
        image, [(BROKER, [put("log.retention.ms", "5")])], config=BrokerConfig(), node_id=1
    )
    assert len(again.records) == 1


@pytest.mark.parametrize(
    ("key", "changes", "code", "message"),
    [
        (TOPIC, [put("nope", "1")], ErrorCode.INVALID_CONFIG, "Unknown topic config name: nope"),
        (
            TOPIC,
            [put("retention.ms", "x")],
            ErrorCode.INVALID_CONFIG,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (
            TOPIC,
            [put("min.compaction.lag.ms", "9"), put("max.compaction.lag.ms", "8")],
            ErrorCode.INVALID_CONFIG,
            "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)",
        ),
        (
            TOPIC,
            [Change("retention.ms", Op.APPEND, "5")],
            ErrorCode.INVALID_CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            TOPIC,
            [put("retention.ms", "1"), put("retention.ms", "2")],
            ErrorCode.INVALID_REQUEST,
            "Error due to duplicate config keys",
        ),
        (
            TOPIC,
            [put("retention.ms", None)],
            ErrorCode.INVALID_REQUEST,
            "Null value not supported for : retention.ms",
        ),
        (TOPIC, [Change("retention.ms", 9, "1")], ErrorCode.INVALID_REQUEST, "Unknown operations type 9"),
        (
            (ResourceType.TOPIC, "nowhere"),
            [put("retention.ms", "1")],
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "The topic 'nowhere' does not exist.",
        ),
        (
            (ResourceType.TOPIC, ""),
            [put("retention.ms", "1")],
            ErrorCode.INVALID_REQUEST,
            "Default topic resources are not allowed.",
        ),
        (
            (ResourceType.TOPIC, "a/b"),
            [put("retention.ms", "1")],
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'",
        ),
        (
            BROKER,
            [put("broker.rack", "x")],
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs dynamically: [broker.rack]",
        ),
        (
            BROKER,
            [put("log.segment.bytes", "7")],
            ErrorCode.INVALID_REQUEST,
            "Invalid value 7 for configuration log.segment.bytes: Value must be at least 1048576",
        ),
        (
            ALL_BROKERS,
            [put("listeners", "PLAINTEXT://:1")],
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
        ),
        (
            BROKER,
            [Change("log.retention.ms", Op.SUBTRACT, "1")],
            ErrorCode.INVALID_CONFIG,
            "Config value subtract is not allowed for config key: log.retention.ms",
        ),
        (
            (ResourceType.BROKER, "2"),
            [put("log.retention.ms", "1")],
            ErrorCode.INVALID_REQUEST,
            "Unexpected broker id, expected 1, but received 2",
        ),
        (
            (ResourceType.BROKER, "one"),
            [put("log.retention.ms", "1")],
            ErrorCode.INVALID_REQUEST,
            "Node id must be an integer, but it is: one",
        ),
        ((99, "x"), [put("a", "1")], ErrorCode.INVALID_REQUEST, "Unknown resource type 99"),
    ],
)
def test_a_change_that_cannot_be_is_refused_as_a_whole(
    key: ResourceKey, changes: Sequence[Change], code: ErrorCode, message: str
) -> None:
    before = image_with()
    fine = put("flush.ms", "1") if key[0] == ResourceType.TOPIC else put("log.retention.bytes", "1")
    answered = altered(before, key, fine, *changes)
    assert answered[:2] == (code, message)
    assert answered[2].configs is before.configs


def test_a_list_cannot_grow_beyond_what_a_record_holds() -> None:
    image = image_with()
    key = "leader.replication.throttled.replicas"
    code = ErrorCode.NONE
    for step in range(9):
        entries = ",".join(f"{number}:1" for number in range(step * 1000, step * 1000 + 1000))
        code, _, image = altered(image, TOPIC, Change(key, Op.APPEND, entries))
        assert len(image.config(*TOPIC)[key]) <= 32_767
    assert code is ErrorCode.INVALID_CONFIG


def test_a_request_for_absurdly_many_changes_is_refused_as_a_whole() -> None:
    image = image_with()
    many = [put(f"plugin.{number}", "x") for number in range(10_000)]
    code, message, after = altered(image, BROKER, *many)
    assert (code, message) == (
        ErrorCode.POLICY_VIOLATION,
        "Unable to perform excessively large batch operation.",
    )
    assert after.configs is image.configs
    _, _, after = altered(image, BROKER, *many[:-1])
    assert len(after.config(*BROKER)) == 9_999


def test_one_resource_fails_and_the_other_changes() -> None:
    image = image_with()
    outcome = alter_incrementally(
        image,
        [(TOPIC, [put("nope", "1")]), ((ResourceType.TOPIC, "u"), [put("retention.ms", "1")])],
        config=BrokerConfig(),
        node_id=1,
    )
    assert isinstance(outcome.response, list)
    assert [error.error_code for _, error in outcome.response] == [ErrorCode.INVALID_CONFIG, ErrorCode.NONE]
    assert applied(image, outcome).configs == {(ResourceType.TOPIC, "u"): {"retention.ms": "1"}}


def test_a_resource_that_is_named_twice_is_refused_both_times() -> None:
    outcome = alter_incrementally(
        image_with(),
        [(TOPIC, [put("retention.ms", "1")]), (TOPIC, [put("retention.ms", "2")])],
        config=BrokerConfig(),
        node_id=1,
    )
    assert isinstance(outcome.response, list)
    assert [error.error_code for _, error in outcome.response] == [ErrorCode.INVALID_REQUEST] * 2
    assert list(outcome.records) == []


def test_the_old_alter_configs_replaces_everything() -> None:
    image = image_with(retention_ms="5", flush_ms="6")
    outcome = alter_legacy(image, [(TOPIC, [("flush.ms", "7")])], config=BrokerConfig(), node_id=1)
    assert applied(image, outcome).config(*TOPIC) == {"flush.ms": "7"}


def test_a_broker_takes_a_config_that_kafka_has_never_heard_of() -> None:
    code, _, image = altered(image_with(), BROKER, put("some.plugin.key", "x"))
    assert code is ErrorCode.NONE
    assert image.config(*BROKER) == {"some.plugin.key": "x"}


def test_only_dynamic_settings_of_a_broker_can_be_altered() -> None:
    image = cluster()
    plausible = {Kind.INT: "5", Kind.LONG: "5"}
    for name, setting in BROKER_SETTINGS.items():
        value = plausible.get(setting.kind, "x") if setting.default is None else setting.default
        code, _, _ = altered(image, BROKER, put(name, value))
        assert (code is ErrorCode.NONE) == (setting.update is not Update.READ_ONLY), name


@given(st.dictionaries(st.sampled_from(sorted(TOPIC_SETTINGS)), st.text(max_size=8), max_size=4))
def test_any_text_is_a_valid_config_or_refused_in_words(configs: dict[str, str]) -> None:
    problem = topic_config_problem(cluster(), BrokerConfig(), configs)
    assert problem is None or problem
