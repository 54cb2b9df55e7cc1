"""What a setting is: name, kind, default, limits and one line about it; and how its text is read and shown.

Rules:
- A value travels as text (server.properties, requests, config records) and is read by `Setting.parse`, which
  raises `InvalidValue` with Kafka's wording and nothing else (Kafka: ConfigDef, ConfigException).
- `Setting.show` gives the text that DescribeConfigs answers: trimmed, numbers as Java prints them.
- The tables are broker_settings.py and coordinators/metadata/topic_settings.py. There are no other defaults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import NamedTuple

Value = bool | int | float | str | list[str] | None


class InvalidValue(Exception):
    """A text that its setting does not allow; the message names the setting and the limit."""


class Kind(IntEnum):
    """The type of a setting, by the number that DescribeConfigs carries (Kafka: ConfigType)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class Update(Enum):
    """Whether a broker setting can be changed while the broker runs, and for whom (KIP-226)."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


Check = Callable[[str, Value], str | None]
"""(setting name, value) -> what is wrong with it, or None."""


class Setting(NamedTuple):
    """One row of a table. `default` is text, None where there is none (shown as null)."""

    name: str
    kind: Kind
    default: str | None
    doc: str
    check: Check | None = None
    update: Update = Update.READ_ONLY
    internal: bool = False

    @property
    def sensitive(self) -> bool:
        """Whether its value is never shown."""
        return self.kind is Kind.PASSWORD

    def parse(self, text: str) -> Value:
        """Read a value.

        :raises InvalidValue: the text is not of this kind, or out of limits.
        """
        value = _READERS[self.kind](self.name, text)
        if self.check is not None:
            problem = self.check(self.name, value)
            if problem is not None:
                shown = f"[{', '.join(value)}]" if isinstance(value, list) else show(value)
                raise InvalidValue(
                    problem if problem.startswith("Invalid value") else _invalid(self.name, shown, problem)
                )
        return value

    def default_value(self) -> Value:
        """The default, read."""
        return None if self.default is None else self.parse(self.default)

    def show(self, text: str | None) -> str | None:
        """The text of a value as DescribeConfigs shows it."""
        return None if text is None else show(self.parse(text))


def show(value: Value) -> str:
    """A value as text (Kafka: ConfigDef.convertToString)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _java_double(value)
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)


def _java_double(value: float) -> str:
    """A double as Java's Double.toString prints it: plain between 1e-3 and 1e7, else with an E."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value) if "e" not in repr(value) else f"{value:f}".rstrip("0")
    mantissa, _, exponent = (
        f"{value!r}".partition("e") if "e" in repr(value) else f"{value:.16e}".partition("e")
    )
    if "." in mantissa:
        mantissa = mantissa.rstrip("0")
        mantissa += "0" if mantissa.endswith(".") else ""
    else:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


def _invalid(name: str, shown: str, problem: str) -> str:
    return f"Invalid value {shown} for configuration {name}: {problem}"


_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?[dDfF]?|[+-]?(NaN|Infinity)")
_COMMA = re.compile(r"\s*,\s*")


def _read_boolean(name: str, text: str) -> Value:
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise InvalidValue(_invalid(name, text, "Expected value to be either true or false"))
    return lowered == "true"


def _integer_reader(kind: str, bits: int) -> Callable[[str, str], Value]:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def read(name: str, text: str) -> Value:
        trimmed = text.strip()
        value = int(trimmed) if _INTEGER.fullmatch(trimmed) else None
        if value is None or not low <= value <= high:
            raise InvalidValue(_invalid(name, text, f"Not a number of type {kind}"))
        return value

    return read


def _read_double(name: str, text: str) -> Value:
    trimmed = text.strip()
    if not _DOUBLE.fullmatch(trimmed):
        raise InvalidValue(_invalid(name, text, "Not a number of type DOUBLE"))
    return float(trimmed if trimmed.endswith(("NaN", "Infinity")) else trimmed.rstrip("dDfF"))


def _read_list(_name: str, text: str) -> Value:
    trimmed = text.strip()
    # A value named twice counts once (KIP-1161).
    return list(dict.fromkeys(_COMMA.split(trimmed))) if trimmed else []


_READERS: dict[Kind, Callable[[str, str], Value]] = {
    Kind.BOOLEAN: _read_boolean,
    Kind.STRING: lambda _name, text: text.strip(),
    Kind.INT: _integer_reader("INT", 32),
    Kind.SHORT: _integer_reader("SHORT", 16),
    Kind.LONG: _integer_reader("LONG", 64),
    Kind.DOUBLE: _read_double,
    Kind.LIST: _read_list,
    Kind.CLASS: lambda _name, text: text.strip(),
    Kind.PASSWORD: lambda _name, text: text,
}


def at_least(low: float) -> Check:
    """A number with a lower limit."""

    def check(_name: str, value: Value) -> str | None:
        assert isinstance(value, (int, float))
        return f"Value must be at least {low}" if value < low else None

    return check


def between(low: float, high: float) -> Check:
    """A number with two limits, both allowed."""

    def check(_name: str, value: Value) -> str | None:
        assert isinstance(value, (int, float))
        if value < low:
            return f"Value must be at least {low}"
        return f"Value must be no more than {high}" if value > high else None

    return check


def one_of(*allowed: str) -> Check:
    """A string out of a few."""

    def check(_name: str, value: Value) -> str | None:
        return None if value in allowed else f"String must be one of: {', '.join(allowed)}"

    return check


def one_of_ignoring_case(*allowed: str) -> Check:
    """A string out of a few, in any case."""
    upper = {word.upper() for word in allowed}

    def check(_name: str, value: Value) -> str | None:
        assert isinstance(value, str)
        return (
            None
            if value.upper() in upper
            else f"String must be one of (case insensitive): {', '.join(allowed)}"
        )

    return check


def all_of(*allowed: str) -> Check:
    """A list whose every entry is out of a few; the first that isn't is named."""

    def check(name: str, value: Value) -> str | None:
        assert isinstance(value, list)
        wrong = next((entry for entry in value if entry not in allowed), None)
        return (
            None if wrong is None else _invalid(name, wrong, f"String must be one of: {', '.join(allowed)}")
        )

    return check


def gzip_level(_name: str, value: Value) -> str | None:
    """A level of gzip, or -1 for the library's own."""
    assert isinstance(value, int)
    return None if value == -1 or 1 <= value <= 9 else "Value must be between 1 and 9 or equal to -1"


_THROTTLED = re.compile(r"[0-9]+:[0-9]+")


def throttled_replicas(name: str, value: Value) -> str | None:
    """`*`, or a list of partition:broker."""
    assert isinstance(value, list)
    if value == ["*"] or all(_THROTTLED.fullmatch(entry) for entry in value):
        return None
    return (
        f"{name} must be the literal '*' or a list of replicas in the following format: "
        "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
    )
