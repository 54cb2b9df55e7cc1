"""Server-side assignors of consumer groups (KIP-848): who shall own which partitions.

`ASSIGNORS[name](spec, topics)` is a pure function of values that nothing changes meanwhile: it may run in a
thread. Each gives Kafka's very result, whose ties are broken by the order in which Java walks its hash tables
(`java_hash`); so members, topics and partitions of the input have an order, and those of the result too.
Racks do not count: Kafka's assignors have not looked at them since 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from kwire.coordinators.groups.assignors import range_assignor, uniform
from kwire.coordinators.groups.assignors.group_spec import GroupAssignment, GroupSpec, TopicDescriber

Assignor: TypeAlias = Callable[[GroupSpec, TopicDescriber], GroupAssignment]

UNIFORM: Final = "uniform"
RANGE: Final = "range"

ASSIGNORS: Final[Mapping[str, Assignor]] = {UNIFORM: uniform.assign, RANGE: range_assignor.assign}
"""Every assignor by the name under which a member or the configuration asks for it."""
