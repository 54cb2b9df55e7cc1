"""One process makes the brokers of all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failpoints.brokers import Brokers
from tests.failpoints.lives import Folder


@pytest.fixture(scope="session")
def brokers() -> Iterator[Brokers]:
    """Where brokers are made."""
    with Brokers() as made:
        yield made


@pytest.fixture
def folder(brokers: Brokers, tmp_path: Path) -> Folder:
    """A folder without data."""
    return Folder(brokers, tmp_path)
