"""The static configuration of a broker: what was written down, over the defaults of broker_settings.py.

Rules:
- `BrokerConfig` never changes. What is changed at run time lives in the cluster image; the effective value of
  a broker's setting is `coordinators.metadata.broker_configs`'.
- Reading a value that breaks its setting's limits raises `InvalidValue` when the configuration is made, never
  later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from .broker_settings import BROKER_SETTINGS
from .config_def import InvalidValue, Setting, Value

__all__ = [
    "BROKER_SETTINGS",
    "BrokerConfig",
    "base_name",
    "load_properties",
    "node_setting",
    "setting_named",
    "unknown_settings",
]

# Settings that Kafka takes for one listener alone: listener.name.internal.ssl.keystore.location
NODE_SETTINGS: Final = ("listeners", "advertised.listeners", "broker.rack")
"""What each node of a process may have for itself: node.2.broker.rack=b"""
_NODE_PREFIX: Final = re.compile(rf"node\.(0|[1-9]\d{{0,9}})\.({'|'.join(map(re.escape, NODE_SETTINGS))})")
_LISTENER_PREFIX: Final = re.compile(r"listener\.name\.[^.]+\.(?:[a-z0-9-]+\.(?=sasl\.))?(.+)")


def node_setting(name: str) -> tuple[int, str] | None:
    """The node that a setting is narrowed to, and its name without it; None where it is no such setting."""
    found = _NODE_PREFIX.fullmatch(name)
    return (int(found[1]), found[2]) if found else None


def base_name(name: str) -> str:
    """The name of a setting without the node or listener (and SASL mechanism) that it is narrowed to."""
    node = node_setting(name)
    if node is not None:
        return node[1]
    found = _LISTENER_PREFIX.fullmatch(name)
    return found[1] if found else name


def setting_named(name: str) -> Setting | None:
    """The setting of that name, which may be narrowed to a listener; None where there is none."""
    return BROKER_SETTINGS.get(base_name(name))


def unknown_settings(names: Iterable[str]) -> dict[str, str | None]:
    """Names that are no settings, each with the nearest one that is, if any is near."""
    from difflib import get_close_matches

    unknown: dict[str, str | None] = {}
    for name in names:
        if setting_named(name) is None:
            near = get_close_matches(name, BROKER_SETTINGS, n=1)
            unknown[name] = near[0] if near else None
    return unknown


class BrokerConfig:
    """What a broker was started with. Immutable; values are read and checked when it is made.

    Names that are no settings are kept and shown by DescribeConfigs; the command line refuses them.
    """

    __slots__ = ("_values", "originals")

    def __init__(self, originals: Mapping[str, str] | None = None) -> None:
        """Take properties as they were written.

        :raises InvalidValue: a value is not of its setting's kind, or out of its limits.
        """
        self.originals: Mapping[str, str] = dict(originals or {})
        self._values: dict[str, Value] = {}
        for name, text in self.originals.items():
            setting = setting_named(name)
            if setting is not None:
                self._values[name] = setting.parse(text)

    def with_values(self, changes: Mapping[str, str]) -> BrokerConfig:
        """A copy with some properties set otherwise (a node's own id and listeners)."""
        return BrokerConfig({**self.originals, **changes})

    def is_set(self, name: str) -> bool:
        """Whether the property was written down, rather than left at its default."""
        return name in self.originals

    def is_set_for_node(self, node_id: int, name: str) -> bool:
        """Whether the property was written down for that node alone."""
        return f"node.{node_id}.{name}" in self.originals

    def _for_node(self, node_id: int, name: str) -> str:
        own = f"node.{node_id}.{name}"
        return own if own in self.originals else name

    def text_of_node(self, node_id: int, name: str) -> str:
        """`text` of the node's own setting, or of the one that all nodes share."""
        return self.text(self._for_node(node_id, name))

    def written_of_node(self, node_id: int, name: str) -> str:
        """The node's own setting, or the one that all nodes share, as it was written down; "" if neither was.

        What is written twice in a list is there twice, unlike in `strings`.
        """
        return self.originals.get(self._for_node(node_id, name), "")

    def strings_of_node(self, node_id: int, name: str) -> list[str]:
        """`strings` of the node's own setting, or of the one that all nodes share."""
        return self.strings(self._for_node(node_id, name))

    def value(self, name: str) -> Value:
        """The value of a setting, or its default.

        :raises KeyError: there is no such setting.
        """
        if name in self._values:
            return self._values[name]
        value = BROKER_SETTINGS[name].default_value()
        self._values[name] = value
        return value

    def integer(self, name: str) -> int:
        """The value of an INT, SHORT or LONG that has a default."""
        value = self.value(name)
        assert isinstance(value, int), name
        return value

    def optional_integer(self, name: str) -> int | None:
        """The value of an INT, SHORT or LONG that may be unset."""
        value = self.value(name)
        assert value is None or isinstance(value, int), name
        return value

    def number(self, name: str) -> float:
        """The value of a DOUBLE."""
        value = self.value(name)
        assert isinstance(value, float), name
        return value

    def boolean(self, name: str) -> bool:
        """The value of a BOOLEAN."""
        value = self.value(name)
        assert isinstance(value, bool), name
        return value

    def text(self, name: str) -> str:
        """The value of a STRING, CLASS or PASSWORD; empty where it is unset."""
        value = self.value(name)
        assert value is None or isinstance(value, str), name
        return value or ""

    def strings(self, name: str) -> list[str]:
        """The value of a LIST; empty where it is unset."""
        value = self.value(name)
        assert value is None or isinstance(value, list), name
        return value or []


_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def load_properties(text: str) -> dict[str, str]:
    """Read the text of a server.properties file (Java's Properties format).

    :raises InvalidValue: a `\\u` escape without four hexadecimal digits.
    """
    properties: dict[str, str] = {}
    lines = re.split(r"\r\n|\r|\n", text)
    lines.reverse()
    while lines:
        line = lines.pop().lstrip(" \t\f")
        # A continued line of which there is nothing yet is none, and the next one may be a comment; at the
        # very end, it is an empty name.
        at_end = not lines or (lines == [""] and not text.endswith("\r\n"))
        if not line or line[0] in "#!" or (line == "\\" and not at_end):
            continue
        while (len(line) - len(line.rstrip("\\"))) % 2:
            line = line[:-1] + (lines.pop().lstrip(" \t\f") if lines else "")
        found = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*", line, re.DOTALL)
        assert found is not None
        properties[_unescape(found[1])] = _unescape(line[found.end() :])
    return properties


def _unescape(text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\\u(?![0-9a-fA-F]{4})", text):
        raise InvalidValue(f"\\u needs four hexadecimal digits: {text}")
    return _ESCAPE.sub(
        lambda found: chr(int(found[1][1:], 16)) if len(found[1]) == 5 else _ESCAPED.get(found[1], found[1]),
        text,
    )
