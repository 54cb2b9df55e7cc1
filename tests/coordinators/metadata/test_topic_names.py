from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.coordinators.metadata.topic_names import collision_key, is_internal, is_valid, problem_with


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "x" * 249, "...", "__consumer_offsets", "-", "a.b_c"])
def test_names_that_kafka_takes_are_taken(name: str) -> None:
    assert problem_with(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "the empty string is not allowed"),
        (".", "'.' is not allowed"),
        ("..", "'..' is not allowed"),
        ("x" * 250, f"the length of '{'x' * 250}' is longer than the max allowed length 249"),
        ("a/b", "'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("a\n", "'a\n' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("ä", "'ä' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    ],
)
def test_names_that_kafka_refuses_are_refused_in_its_words(name: str, reason: str) -> None:
    assert problem_with(name) == f"Topic name is invalid: {reason}"


@given(st.text(max_size=300))
def test_a_valid_name_is_safe_as_a_file_name(name: str) -> None:
    if is_valid(name):
        assert name.isascii()
        assert "/" not in name
        assert name not in (".", "..")
        assert 0 < len(name) <= 249


def test_only_names_with_dots_or_underscores_can_collide() -> None:
    assert collision_key("a.b_c") == collision_key("a_b.c") == "a_b_c"
    assert collision_key("abc-d") is None


def test_the_broker_knows_its_own_topics() -> None:
    assert is_internal("__consumer_offsets")
    assert is_internal("__transaction_state")
    assert not is_internal("__mine")
