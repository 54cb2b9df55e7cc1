"""ListGroups, DescribeGroups and DeleteGroups."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import describe_groups, list_groups, offset_fetch

G = "{group}"
GONE = [("DescribeGroups", 5, describe_groups(G)), ("OffsetFetch", 7, offset_fetch(G, "{topic}"))]

CASES = [
    Case("ListGroups", "0-5", "stable group", "member", list_groups()),
    Case("ListGroups", "0-5", "empty group", "topic committed(5)", list_groups()),
    Case("ListGroups", "0-5", "group whose members left", "member left", list_groups()),
    Case("ListGroups", "0-5", "group that was only looked for", "ready", list_groups()),
    Case("ListGroups", "0-5", "group with a pending member", "ready pending", list_groups()),
    Case("ListGroups", "4-5", "filter by state", "member", list_groups(["Stable"])),
    Case("ListGroups", "4-5", "filter by state in other letters", "member", list_groups(["sTaBlE"])),
    Case("ListGroups", "4-5", "filter by another state", "member", list_groups(["Empty"])),
    Case("ListGroups", "4-5", "filter by two states", "member", list_groups(["Empty", "Stable"])),
    Case("ListGroups", "4-5", "filter by no such state", "member", list_groups(["Upside-down"])),
    Case("ListGroups", "4-5", "joined and not synced", "joined", list_groups()),
    Case("ListGroups", "4-5", "rebalancing", "member rebalancing", list_groups()),
    Case("ListGroups", "5", "filter by type", "member", list_groups(types=["classic"])),
    Case("ListGroups", "5", "filter by type in other letters", "member", list_groups(types=["ClAsSiC"])),
    Case("ListGroups", "5", "filter by another type", "member", list_groups(types=["consumer"])),
    Case("ListGroups", "5", "filter by no such type", "member", list_groups(types=["odd"])),
    #
    Case("DescribeGroups", "0-6", "stable group", "member", describe_groups(G)),
    Case("DescribeGroups", "0-6", "group that has not synced", "joined", describe_groups(G)),
    Case("DescribeGroups", "0-6", "rebalancing group", "member rebalancing", describe_groups(G)),
    Case("DescribeGroups", "0-6", "empty group", "member left", describe_groups(G)),
    Case("DescribeGroups", "0-6", "group of offsets only", "topic committed(5)", describe_groups(G)),
    Case("DescribeGroups", "0-6", "two members", "two", describe_groups(G)),
    Case("DescribeGroups", "4-6", "static member", "static", describe_groups(G)),
    Case("DescribeGroups", "0-6", "consumers", "topic subscribed", describe_groups(G)),
    Case("DescribeGroups", "0-6", "same group twice", "member", describe_groups(G, G)),
    Case("DescribeGroups", "0-6", "pending member", "ready pending", describe_groups(G)),
    Case("DescribeGroups", "0-6", "after a static member was replaced", "static replaced", describe_groups(G)),
    Case("DescribeGroups", "3-6", "operations", "member", describe_groups(G, operations=True)),
    Case("DescribeGroups", "0-6", "no group", "", describe_groups()),
    Case("DescribeGroups", "0-5", "unknown group", "ready", describe_groups("{missing_group}")),
    Case("DescribeGroups", "6", "unknown group", "ready", describe_groups("{missing_group}"), "GROUP_ID_NOT_FOUND"),
    Case("DescribeGroups", "0-5", "one known and one unknown", "member", describe_groups(G, "{missing_group}")),
    Case("DescribeGroups", "0-5", "empty group id", "", describe_groups("")),
    Case("DescribeGroups", "6", "empty group id", "", describe_groups(""), "GROUP_ID_NOT_FOUND"),
    #
    Case("DeleteGroups", "0-2", "empty group", "topic committed(5)", {"groups_names": [G]}, then=GONE),
    Case("DeleteGroups", "3", "empty group", "topic committed(5)", {"groups_names": [G]}, then=GONE),
    Case("DeleteGroups", "0-3", "group whose members left", "topic member left", {"groups_names": [G]}, then=GONE),
    Case("DeleteGroups", "0-3", "deleted twice", "topic committed(5) erased", {"groups_names": [G]}, "GROUP_ID_NOT_FOUND"),
    Case("DeleteGroups", "0-3", "group with a pending member", "ready pending", {"groups_names": [G]}),
    Case("DeleteGroups", "0-3", "no group", "", {"groups_names": []}),
    Case("DeleteGroups", "0-3", "group with members", "topic member", {"groups_names": [G]}, "NON_EMPTY_GROUP", then=GONE),
    Case("DeleteGroups", "0-3", "unknown group", "ready", {"groups_names": ["{missing_group}"]}, "GROUP_ID_NOT_FOUND"),
    Case("DeleteGroups", "0-3", "one with members and one unknown", "topic member", {"groups_names": [G, "{missing_group}"]}, "GROUP_ID_NOT_FOUND NON_EMPTY_GROUP"),
    Case("DeleteGroups", "0-3", "same group twice", "topic committed(5)", {"groups_names": [G, G]}),
    Case("DeleteGroups", "0-3", "empty group id", "", {"groups_names": [""]}, "GROUP_ID_NOT_FOUND"),
]
