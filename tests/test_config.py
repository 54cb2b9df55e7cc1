from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.config import BROKER_SETTINGS, BrokerConfig, load_properties, setting_named, unknown_settings
from kwire.config_def import Check, InvalidValue, Kind, Setting, all_of, at_least, between, gzip_level, show
from kwire.coordinators.metadata.topic_settings import SYNONYMS, TOPIC_SETTINGS

READ = [
    (Kind.BOOLEAN, "TRUE", True, "true"),
    (Kind.BOOLEAN, " false ", False, "false"),
    (Kind.INT, " +5 ", 5, "5"),
    (Kind.INT, "-2147483648", -(2**31), "-2147483648"),
    (Kind.LONG, "9223372036854775807", 2**63 - 1, "9223372036854775807"),
    (Kind.DOUBLE, "1e-1", 0.1, "0.1"),
    (Kind.DOUBLE, "1.7976931348623157E308", 1.7976931348623157e308, "1.7976931348623157E308"),
    (Kind.DOUBLE, "10000000", 1e7, "1.0E7"),
    (Kind.DOUBLE, "0.0001", 0.0001, "1.0E-4"),
    (Kind.DOUBLE, "2", 2.0, "2.0"),
    (Kind.LIST, "a , b,a", ["a", "b"], "a,b"),
    (Kind.LIST, "", [], ""),
    (Kind.STRING, " x ", "x", "x"),
    (Kind.PASSWORD, " x ", " x ", " x "),
]


@pytest.mark.parametrize(("kind", "text", "value", "shown"), READ)
def test_a_value_is_read_and_shown_as_kafka_does(kind: Kind, text: str, value: object, shown: str) -> None:
    setting = Setting("a", kind, None, "")
    assert setting.parse(text) == value
    assert show(setting.parse(text)) == shown


@pytest.mark.parametrize(
    ("kind", "check", "text", "problem"),
    [
        (Kind.INT, None, "2147483648", "2147483648: Not a number of type INT"),
        (Kind.INT, None, "1_0", "1_0: Not a number of type INT"),
        (Kind.INT, None, "٣", "٣: Not a number of type INT"),
        (Kind.SHORT, None, "40000", "40000: Not a number of type SHORT"),
        (Kind.DOUBLE, None, "x", "x: Not a number of type DOUBLE"),
        (Kind.BOOLEAN, None, "yes", "yes: Expected value to be either true or false"),
        (Kind.INT, at_least(1), "0", "0: Value must be at least 1"),
        (Kind.DOUBLE, between(0, 1), "2", "2.0: Value must be no more than 1"),
        (Kind.INT, gzip_level, "0", "0: Value must be between 1 and 9 or equal to -1"),
        (Kind.LIST, all_of("a", "b"), "a,c", "c: String must be one of: a, b"),
    ],
)
def test_a_value_out_of_limits_is_refused_in_kafkas_words(
    kind: Kind, check: Check | None, text: str, problem: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        Setting("name", kind, None, "", check).parse(text)
    value, _, reason = problem.partition(": ")
    assert str(refused.value) == f"Invalid value {value} for configuration name: {reason}"


def test_every_default_passes_its_own_limits_and_every_setting_has_a_line() -> None:
    for setting in (*BROKER_SETTINGS.values(), *TOPIC_SETTINGS.values()):
        setting.default_value()
        assert setting.doc.endswith("."), setting.name
        assert "\n" not in setting.doc


def test_topic_and_broker_defaults_agree() -> None:
    for name, synonyms in SYNONYMS.items():
        values = [(BROKER_SETTINGS[synonym].default_value(), factor) for synonym, factor in synonyms]
        given_value, factor = next(found for found in values if found[0] is not None)
        expected = given_value * factor if isinstance(given_value, int) and factor != 1 else given_value
        assert TOPIC_SETTINGS[name].default_value() == expected, name


def test_a_new_group_does_not_wait_unless_it_is_told_to() -> None:
    assert BrokerConfig().integer("group.initial.rebalance.delay.ms") == 0


def test_written_values_count_over_defaults_and_are_checked_at_once() -> None:
    config = BrokerConfig({"num.partitions": "3", "plugin.key": "x"})
    assert config.integer("num.partitions") == 3
    assert config.is_set("num.partitions")
    assert config.strings("log.cleanup.policy") == ["delete"]
    assert config.text("broker.rack") == ""
    assert config.optional_integer("log.retention.ms") is None
    assert config.number("log.cleaner.min.cleanable.ratio") == 0.5
    assert config.with_values({"num.partitions": "4"}).integer("num.partitions") == 4
    with pytest.raises(InvalidValue):
        BrokerConfig({"num.partitions": "0"})
    with pytest.raises(KeyError):
        config.value("no.such.setting")


def test_a_setting_may_be_narrowed_to_a_listener() -> None:
    found = setting_named("listener.name.internal.ssl.keystore.location")
    assert found is not None
    assert found.name == "ssl.keystore.location"
    mechanism = setting_named("listener.name.internal.scram-sha-256.sasl.jaas.config")
    assert mechanism is not None
    assert mechanism.name == "sasl.jaas.config"


def test_the_nearest_name_is_offered_for_one_that_is_wrong() -> None:
    assert unknown_settings(["num.partition", "num.partitions", "q"]) == {
        "num.partition": "num.partitions",
        "q": None,
    }


def test_properties_are_read_as_java_reads_them() -> None:
    text = "# no\n! no\na=1\n b : 2 \nc 3\nd\\:e\\ f = \\u0041\\tx\\\\\ng = one \\\n    two\n\nempty=\nh=a=b"
    assert load_properties(text) == {
        "a": "1",
        "b": "2 ",
        "c": "3",
        "d:e f": "A\tx\\",
        "g": "one two",
        "empty": "",
        "h": "a=b",
    }
    with pytest.raises(InvalidValue):
        load_properties("a=\\u12")


@given(st.text(max_size=60))
def test_any_text_is_properties_or_refused(text: str) -> None:
    try:
        load_properties(text)
    except InvalidValue:
        return


@given(st.sampled_from(sorted(BROKER_SETTINGS)), st.text(max_size=12))
def test_any_text_is_a_value_or_refused_and_what_is_shown_reads_as_the_same(name: str, text: str) -> None:
    setting = BROKER_SETTINGS[name]
    try:
        value = setting.parse(text)
    except InvalidValue:
        return
    assert show(setting.parse(show(value))) == show(value)
