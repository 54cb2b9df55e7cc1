"""`kwire log` on a directory of a real Kafka that was killed: nothing is found but what is in motion.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped where it lacks.
Directories of Kafkas that stopped cleanly are in tests/directories.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kwire_storage.files import Files
from kwire_storage.inspection import dump
from kwire_storage.inspection.decoders import decoder_for
from kwire_storage.inspection.directory_check import DirectoryCheck

from tests.directories.life import BROKER, lead

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with")


@pytest.mark.parametrize("version", ["4.4.0", "3.9.2"])
def test_beside_a_running_kafka_and_after_its_kill_nothing_is_found(tmp_path: Path, version: str) -> None:
    from oracle import Kafka, OracleError

    data = tmp_path / "data"
    try:
        with Kafka(version, dict(BROKER), data=data, warm=False) as kafka:
            lead(kafka.bootstrap)
            [directory] = [found.parent for found in data.rglob("meta.properties")]
            assert faults(directory) == []
            kafka.kill()
    except OracleError as error:
        pytest.skip(f"Kafka {version} can't be had: {error}")
    assert not (directory / ".kafka_cleanshutdown").exists()
    assert faults(directory) == []
    for folder in sorted(directory.glob("*-*/")):
        for path in sorted(folder.glob("*.log")):
            for row in dump.rows(str(path), Files(), records=True, decoder=decoder_for(folder.name)):
                assert "not_decoded" not in row


def faults(directory: Path) -> list[str]:
    found = DirectoryCheck(Files(), records=True).run([str(directory)])
    return [str(finding) for finding in found if not finding.is_note]
