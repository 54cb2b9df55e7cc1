"""`--true-ports` and `--kafkajs` run also what is left out otherwise; README.md says why."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--true-ports", action="store_true", help="also listen on 9092, 29092 and 39092")
    parser.addoption("--kafkajs", action="store_true", help="also kafkajs, which gets stuck (FINDINGS.md)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "true_ports: listens on 9092, 29092 and 39092 (--true-ports)")
    config.addinivalue_line("markers", "kafkajs: a scenario of kafkajs (--kafkajs)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--write-allow"):
        return
    for option, mark in (("--true-ports", "true_ports"), ("--kafkajs", "kafkajs")):
        if not config.getoption(option):
            left_out = [item for item in items if item.get_closest_marker(mark)]
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]
