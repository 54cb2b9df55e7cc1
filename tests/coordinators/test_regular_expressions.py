"""Regular expressions of consumer groups: what is accepted, what is said of the rest, and what they match."""

from __future__ import annotations

import sys
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwire.coordinators.regular_expressions import (
    TOO_LARGE,
    ExpressionCache,
    RegularExpressionsUnavailable,
    problem_with,
    resolve,
)

TOPICS = frozenset(["orders", "orders-1", "Orders.eu", "payments", "a", "aa", "_hidden", "x.y"])

# As re2j 1.8 answers; compat-tests/assignors asks it.
REFUSED = {
    "(a": "missing closing )",
    "a)": "regexp/syntax: internal error",
    "[a": "missing closing ]",
    "[]": "missing closing ]",
    "*a": "missing argument to repetition operator",
    "a|*": "missing argument to repetition operator",
    "a**": "invalid nested repetition operator",
    "a{2}{3}": "invalid nested repetition operator",
    "a{*": "invalid nested repetition operator",
    "{{2}": "invalid nested repetition operator",
    "a{1001}": "invalid repeat count",
    "a{2,1}": "invalid repeat count",
    "[z-a]": "invalid character class range",
    "[[:foo:]]": "invalid character class range",
    r"\p{Foo}": "invalid character class range",
    "a\\": "trailing backslash at end of expression",
    r"\1": "invalid escape sequence",
    r"\Z": "invalid escape sequence",
    r"\C": "invalid escape sequence",
    "(?=a)": "invalid or unsupported Perl syntax",
    "(?<=a)b": "invalid named capture",
    "(?P<n": "invalid named capture",
    "(?P<": "invalid named capture",
    "(?<": "invalid named capture",
    "(?P<n>a": "missing closing )",
    "(?P<ü>a)": "invalid named capture",
    "(?P<n>a)(?P<n>b)": "duplicate capture group name",
}

ACCEPTED = {
    "orders": {"orders"},
    "orders.*": {"orders", "orders-1"},
    "(?i)orders.*": {"orders", "orders-1", "Orders.eu"},
    "a": {"a"},
    "a|aa": {"a", "aa"},
    "a{1,2}": {"a", "aa"},
    "a{,2}": set(),
    "[{*]|a": {"a"},
    "^payments$": {"payments"},
    r"\Qx.y\E": {"x.y"},
    r"x\.y": {"x.y"},
    r"\pL+": {"orders", "payments", "a", "aa"},
    r"\_hidden": {"_hidden"},
    "[[:alpha:]]+": {"orders", "payments", "a", "aa"},
    "(?P<one>a)(?<two>a)": {"aa"},
    "[(?P<n>]|[(?P<n>]": set(),
    r"\Q\C\E|a": {"a"},
    r"\ü|a": {"a"},
    r"[\üa]": {"a"},
    "ordersß?": {"orders"},
    "": set(),
    ".*": TOPICS,
}


@pytest.mark.parametrize(("expression", "problem"), REFUSED.items())
def test_what_kafka_refuses_is_refused_in_its_words(expression: str, problem: str) -> None:
    assert problem_with(expression) == problem


@pytest.mark.parametrize(("expression", "names"), ACCEPTED.items())
def test_an_expression_matches_whole_names(expression: str, names: set[str]) -> None:
    assert problem_with(expression) is None
    assert resolve([expression], TOPICS) == {expression: names}


def test_an_invalid_expression_matches_nothing() -> None:
    assert resolve(["(", "a"], TOPICS) == {"(": frozenset(), "a": {"a"}}


EXPLODING = {
    "((a*)*)*b": None,
    "(a|aa)+b": None,
    "(a?){500}a{500}": None,
    "(a|b)*a(a|b){300}": None,
    r"\pL{1000}": None,
    "((a{1000}){1000}){1000}": "invalid repeat count",
    ".{1000}" * 4000: TOO_LARGE,
    "(" * 10_000 + "a" + ")" * 10_000: None,
    "[" * 30_000: "missing closing ]",
    "(?P<" * 8_000: "invalid named capture",
    "[[:" * 10_000: TOO_LARGE,
    "(?P<" * 8_000 + "a{2}": "invalid named capture",
    r"\pL" * 10_000: TOO_LARGE,
    "(?i)" + r"\pL" * 200: TOO_LARGE,
    "a{1000}" * 40: None,
    "a{1000}" * 44: TOO_LARGE,
    "(((a{10}){10}){10}){10}" * 1000: "invalid repeat count",
    "((ab{3}){30}c){10}" * 100: TOO_LARGE,
    "[a{1000}]" * 3_000: None,
    r"\Qa{1000}\E" * 2_500: None,
    "\\Q" * 15_000: None,
}


@pytest.mark.parametrize("expression", EXPLODING, ids=lambda expression: expression[:20])
def test_an_expression_that_would_explode_is_refused_or_takes_linear_time(expression: str) -> None:
    """One that did not would run into the test's own time limit."""
    problem = problem_with(expression)
    assert problem == EXPLODING[expression]
    names = ["ab" * 120, "a" * 249, "a" * 248 + "b"]
    assert resolve([expression], names)[expression] <= set(names)


def test_nothing_is_written_to_the_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    for expression in [*REFUSED, *EXPLODING]:
        problem_with(expression)
        resolve([expression], ["ab" * 120])
    assert capfd.readouterr().err == ""


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(RegularExpressionsUnavailable, match="pip install google-re2"):
        problem_with("a")


@given(st.text("ab.*+?|()[]{}^$\\dQECP<>:,1-iü", max_size=12))
def test_any_text_is_an_expression_or_a_problem(expression: str) -> None:
    problem = problem_with(expression)
    matched = resolve([expression], TOPICS)[expression]
    assert problem is None or not matched


NAMES = st.frozensets(st.text("ab", min_size=1, max_size=3), max_size=8)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["a+", "b.", "(a|b)", "[ab]{2}"]), NAMES), max_size=12))
def test_a_cache_answers_as_if_every_name_was_matched_anew(asked: list[tuple[str, frozenset[str]]]) -> None:
    cache = ExpressionCache(capacity=2)
    for expression, names in asked:
        assert cache.resolve([expression], names) == resolve([expression], names)


class Watched(str):
    """A name that tells when it is looked at."""

    looked_at: ClassVar[list[str]] = []

    def encode(self, *arguments: str) -> bytes:
        self.looked_at.append(str(self))
        return super().encode(*arguments)


def test_a_cache_looks_only_at_new_names() -> None:
    cache = ExpressionCache()
    cache.resolve(["a.*"], frozenset(map(Watched, ["a", "b"])))
    Watched.looked_at.clear()
    assert cache.resolve(["a.*"], frozenset(map(Watched, ["b", "ab"]))) == {"a.*": {"ab"}}
    assert Watched.looked_at == ["ab"]
