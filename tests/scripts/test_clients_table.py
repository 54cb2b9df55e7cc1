"""docs/clients.md says what the results in the tree say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_clients_is_what_its_generator_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "clients-table"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
