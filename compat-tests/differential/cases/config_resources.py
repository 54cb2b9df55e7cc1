"""ListConfigResources: what has settings."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..consumer_requests import GROUP
from ..requests import list_config_resources

TOPIC, BROKER, LOGGER, METRICS = 2, 4, 8, 16
GIVEN = "topic group_set(consumer.session.timeout.ms=50000)"

CASES = [
    Case("ListConfigResources", "0", "subscriptions to metrics only", "topic", list_config_resources()),
    Case("ListConfigResources", "1", "everything", GIVEN, list_config_resources()),
    Case("ListConfigResources", "1", "topics", GIVEN, list_config_resources(TOPIC)),
    Case("ListConfigResources", "1", "brokers and their loggers", GIVEN, list_config_resources(BROKER, LOGGER)),
    Case("ListConfigResources", "1", "groups with settings", GIVEN, list_config_resources(GROUP)),
    Case("ListConfigResources", "1", "a group whose setting was taken back", "topic group_set(consumer.session.timeout.ms=50000) group_unset(consumer.session.timeout.ms)", list_config_resources(GROUP)),
    Case("ListConfigResources", "1", "a group without settings", "topic member", list_config_resources(GROUP)),
    Case("ListConfigResources", "1", "subscriptions to metrics", GIVEN, list_config_resources(METRICS)),
    Case("ListConfigResources", "1", "a type twice", GIVEN, list_config_resources(TOPIC, GROUP, TOPIC)),
    Case("ListConfigResources", "1", "no such type", GIVEN, list_config_resources(7), "UNSUPPORTED_VERSION"),
    Case("ListConfigResources", "1", "an unknown type beside others", GIVEN, list_config_resources(TOPIC, 0), "UNSUPPORTED_VERSION"),
    Case("ListConfigResources", "1", "a negative type", GIVEN, list_config_resources(-1), "UNSUPPORTED_VERSION"),
]
