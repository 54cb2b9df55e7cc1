"""What cases are written in: plain values with placeholders, filled in for one broker at a time.

A string `"{name}"` becomes the variable itself, whatever its type; within a longer string it becomes text.
Objects with a `build` method (record batches) are built from the same variables. So one line of a table gives
both brokers the same request, but for the ids that each of them made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

Fields = dict[str, Any]
Variables = Mapping[str, Any]

_WHOLE = re.compile(r"\{(\w+)\}")


@runtime_checkable
class Built(Protocol):
    """A value that is made from variables, late."""

    def build(self, variables: Variables) -> bytes: ...


def resolve(value: Any, variables: Variables) -> Any:
    """`value` with every placeholder in it filled in; a name nobody has set is a KeyError."""
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        return variables[whole[1]] if whole else _WHOLE.sub(lambda found: str(variables[found[1]]), value)
    if isinstance(value, dict):
        return {key: resolve(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, variables) for item in value]
    if isinstance(value, Built):
        return value.build(variables)
    return value
