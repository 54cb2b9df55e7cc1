"""Subscriptions by regular expression: RE2's syntax, as Kafka's brokers take it, matched against topic names.

Kafka uses re2j; here it is the RE2 library itself, which takes linear time for any expression and any name
(package google-re2, loaded when the first expression comes). Where the two differ in what they accept, this
module follows re2j, and it tells what is wrong in re2j's words, which clients get to see. But re2j has no
bounds; refused here are expressions whose program would be larger than a megabyte, nested repetitions of more
than 1,000 in all, and what RE2 would read for a tenth of a second and more (`TOO_LARGE`).

Topic names are ASCII, so an expression of ASCII is compiled for single bytes: its program is smaller by far.
Everything here is pure but for `ExpressionCache`, and may run in a thread: 10,000 names take some 25 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

MAX_PROGRAM_BYTES: Final = 1 << 20
"""The memory of one compiled expression with its cache of states. RE2's own default is eight times that."""

TOO_LARGE: Final = "expression too large"

_INVALID_ESCAPE = "invalid escape sequence"
_INVALID_NAMED_CAPTURE = "invalid named capture"
_DUPLICATE_NAME = "duplicate capture group name"
_NESTED = "invalid nested repetition operator"

_IN_RE2J_WORDS: Final = {
    "invalid escape sequence": _INVALID_ESCAPE,
    "invalid character class": "invalid character class range",
    "invalid character class range": "invalid character class range",
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "unexpected )": "regexp/syntax: internal error",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "pattern too large - compile failed": TOO_LARGE,
}
_COUNTS: Final = re.compile(r"\{(?:0|[1-9][0-9]*)(?:,(?:0|[1-9][0-9]*)?)?\}")
_ANY_CASE: Final = re.compile(r"\(\?[imsU-]*i")
_TOKEN: Final = re.compile(
    r"(?P<atom>\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]?)"
    r"|(?P<counts>\{(?:0|[1-9][0-9]*)(?:,(?:0|[1-9][0-9]*)?)?\})"
    r"|(?P<open>\((?:\?P?<(?:[^>]{0,64}>)?|\?[imsU-]*:|(?!\?)))"
    r"|(?P<close>\))"
    r"|[*+?|^$(]"
    r"|(?P<other>.)",
    re.DOTALL,
)
_MOST_ATOMS: Final = MAX_PROGRAM_BYTES * 2 // 3 // 16
"""RE2 gives two thirds of the memory to a program, whose instructions have 16 bytes."""
_MOST_CLASSES: Final = 10
_MOST_NAMES: Final = 500
_MISSING_ENDS: Final = ("missing )", "missing ]")
_CAPTURE_NAME: Final = re.compile(r"[A-Za-z0-9_]+>")

Matches = Callable[[str], bool]
"""Whether an expression matches a whole name."""


class RegularExpressionsUnavailable(Exception):
    """The library that regular expressions need is not installed."""


def problem_with(expression: str) -> str | None:
    """What is wrong with an expression (INVALID_REGULAR_EXPRESSION), or None.

    Raises RegularExpressionsUnavailable.
    """
    compiled = _compile(expression)
    return compiled if isinstance(compiled, str) else None


def resolve(expressions: Iterable[str], names: Collection[str]) -> dict[str, frozenset[str]]:
    """Expression -> the names that it matches as a whole; none for an invalid one.

    Kafka: TopicRegexResolver, without what the asking member may not describe.
    """
    result = {}
    for expression in expressions:
        compiled = _compile(expression)
        result[expression] = frozenset() if isinstance(compiled, str) else frozenset(filter(compiled, names))
    return result


class ExpressionCache:
    """The latest results of some expressions, so that only new names are matched when topics come and go.

    To be used by one thread at a time. It forgets the expressions that were asked for longest ago.
    """

    __slots__ = ("_capacity", "_known")

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._known: dict[str, tuple[AbstractSet[str], frozenset[str]]] = {}
        """Expression -> the names that it was matched against, and those that it matches."""

    def resolve(self, expressions: Iterable[str], names: frozenset[str]) -> dict[str, frozenset[str]]:
        """As `resolve` does."""
        result = {}
        for expression in expressions:
            seen, matched = self._known.pop(expression, (frozenset[str](), frozenset[str]()))
            if seen != names:
                matched = (matched & names) | resolve([expression], names - seen)[expression]
            self._known[expression] = (names, matched)
            result[expression] = matched
        while len(self._known) > self._capacity:
            del self._known[next(iter(self._known))]
        return result


def _compile(expression: str) -> Matches | str:
    """What matches an expression's names, or what is wrong with it."""
    re2 = _library()
    if _takes_long(expression):
        return TOO_LARGE
    refused, rewritten = _as_re2_reads_it(expression)
    data = rewritten.encode("utf-8", "surrogatepass")
    options = re2.Options()
    # It would write them to the process's standard error.
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    options.never_capture = True
    if data.isascii():
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        fullmatch = re2.compile(data, options).fullmatch
    except re2.error as error:
        problem = error.args[0].decode("utf-8", "replace")
        if refused is not None and problem.startswith(_MISSING_ENDS):
            return refused
        return _in_re2j_words(problem)
    if refused is not None:
        return refused
    return lambda name: fullmatch(name.encode()) is not None


def _takes_long(expression: str) -> bool:
    """Whether RE2 would take long to find out that an expression is too large, or even to read it.

    A tenth of a second and more: a million copies of an atom, hundreds of Unicode classes (tens where case
    does not count), or thousands of names of classes that nothing ends.
    """
    classes = expression.count("\\p") + expression.count("\\P")
    if classes > _MOST_CLASSES and (classes > 10 * _MOST_CLASSES or _ANY_CASE.search(expression)):
        return True
    if expression.count("[:") > _MOST_NAMES and ":]" not in expression:
        return True
    return bool(_COUNTS.search(expression)) and _has_too_many_copies(expression)


def _has_too_many_copies(expression: str) -> bool:
    """Whether its counted repetitions come to more atoms than a program may have instructions.

    Counts of more than 1,000, each or one in another, RE2 refuses as soon as it reads them.
    """
    # Of every open group: its atoms, and the most copies that one of them comes to.
    atoms = most = 0
    outer: list[tuple[int, int]] = []
    # The same of the part that a repetition would be of.
    size = copies = 0
    for found in _TOKEN.finditer(expression):
        match found.lastgroup:
            case "counts":
                numbers = [int(each) if len(each) < 5 else 1001 for each in found[0][1:-1].split(",") if each]
                times = max(numbers)
                copies *= times
                if copies > 1000 or times > 1000:
                    return False
                atoms, size, most = atoms + size * max(times - 1, 0), size * times, max(most, copies)
            case "open":
                outer.append((atoms, most))
                atoms = most = size = copies = 0
            case "close" if outer:
                size, copies = atoms, most
                atoms, most = outer[-1][0] + size, max(outer.pop()[1], copies)
            case "atom" | "other":
                size = copies = 1
                atoms, most = atoms + 1, max(most, 1)
        if atoms > _MOST_ATOMS:
            return True
    return False


def _as_re2_reads_it(expression: str) -> tuple[str | None, str]:
    r"""What only re2j refuses, and the expression up to there; put as RE2 reads it what only re2j takes.

    re2j takes a backslash before anything but ASCII's letters and digits; RE2 not before what is not ASCII.
    RE2 takes `\C` (one byte), letters of any script in a group's name, a name twice, and a repetition of a
    `{` that stands for itself.
    """
    if expression.isascii() and not any(odd in expression for odd in ("\\C", "(?", "{")):
        return None, expression
    names: set[str] = set()
    pieces: list[str] = []
    in_class = False
    last_name = expression.rfind(":]")
    at = 0
    while at < len(expression):
        start, character, following = at, expression[at], expression[at + 1 : at + 2]
        at += 1
        if character == "\\":
            at += 1
            if following == "Q" and not in_class:
                at = _behind("\\E", expression, at)
            elif following == "C":
                return _INVALID_ESCAPE, "".join(pieces)
            elif not following.isascii():
                start += 1
        elif in_class:
            # What comes first in a class has been passed over already.
            if character == "[" and following == ":" and at <= last_name:
                at = _behind(":]", expression, at)
            in_class = character != "]"
        elif character == "[":
            in_class = True
            at += following == "^"
            at += expression[at : at + 1] == "]"
        elif expression.startswith(("(?P<", "(?<"), start):
            at = _behind(">", expression, at)
            name = expression[start:at].partition("<")[2]
            if not _CAPTURE_NAME.fullmatch(name):
                return _INVALID_NAMED_CAPTURE, "".join(pieces)
            if name in names:
                return _DUPLICATE_NAME, "".join(pieces)
            names.add(name)
        elif character == "{":
            if counted := _COUNTS.match(expression, start):
                at = counted.end()
            elif following in ("*", "+", "?"):
                return _NESTED, "".join(pieces)
            elif counted := _COUNTS.match(expression, at):
                return _nested_or_bad(counted[0]), "".join(pieces)
        pieces.append(expression[start:at])
    return None, "".join(pieces)


def _in_re2j_words(problem: str) -> str:
    reason, _, argument = problem.partition(": ")
    if reason == "bad repetition operator":
        return _nested_or_bad(argument)
    return _IN_RE2J_WORDS.get(reason, reason)


def _nested_or_bad(repetition: str) -> str:
    """What is wrong with a repetition of a repetition: of its counts, if those are wrong too."""
    counts = repetition.rpartition("{")[2]
    if counts == repetition or not counts.endswith(("}", "}?")):
        return _NESTED
    least, _, most = counts.removesuffix("?").removesuffix("}").partition(",")
    in_range = len(least) < 5 and len(most) < 5 and int(least) <= int(most or least) <= 1000
    return _NESTED if in_range else _IN_RE2J_WORDS["invalid repetition size"]


def _behind(end: str, expression: str, at: int) -> int:
    """The position behind the next `end`, or behind the expression."""
    found = expression.find(end, at)
    return len(expression) if found < 0 else found + len(end)


def _library() -> Any:
    """The re2 module, which is typed nowhere."""
    try:
        import re2
    except ImportError as error:
        raise RegularExpressionsUnavailable(
            "subscriptions by regular expressions need the package google-re2: pip install google-re2"
        ) from error
    return re2
