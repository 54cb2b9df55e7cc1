"""A broker starts without what it never uses; who asks for that gets it all the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kwire.cli.postponed import UNUSED

ABSENT = (
    *UNUSED,
    "_ssl",
    "_hashlib",
    "asyncio",
    "email",
    "http",
    "importlib.metadata",
    "multiprocessing",
    "unittest",
)
DEADLINE_SECONDS = 60


def said(code: str) -> str:
    """What Python prints that has `code` to run."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """All that a broker imports from its start until it has become ready and is stopped."""
    return imports_of(tmp_path_factory.mktemp("start"), "--memory")


@pytest.fixture(scope="module")
def imported_with_data(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The same of one with a data directory."""
    directory = tmp_path_factory.mktemp("start")
    return imports_of(directory, "--data", str(directory / "data"))


def imports_of(directory: Path, *options: str) -> set[str]:
    told = directory / "told"
    command = [sys.executable, "-X", "importtime", "-m", "kwire", "serve", *options, "--port", "0"]
    with (
        told.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as broker,
    ):
        assert broker.stdout is not None
        assert broker.stdout.readline().startswith("kwire ready: ")
        broker.terminate()
    return set(re.findall(r"^import time:.*\| +(\S+)$", told.read_text(), re.MULTILINE))


def test_a_broker_imports_trio_and_its_own_parts(imported: set[str]) -> None:
    assert {"trio._ssl", "kwire.server.launch"} <= imported


@pytest.mark.parametrize("name", ABSENT)
def test_a_broker_does_not_import_what_it_never_uses(imported: set[str], name: str) -> None:
    assert name not in imported


@pytest.mark.parametrize(
    "room", ["kwire_storage.cleaner", "kwire_storage.memory", "kwire_storage.inspection"]
)
def test_a_broker_with_a_data_directory_imports_no_other_engine_and_no_cleaning(
    imported_with_data: set[str], room: str
) -> None:
    assert "kwire_storage.directories.log_dirs" in imported_with_data
    assert [name for name in imported_with_data if name.startswith(room)] == []


def test_what_is_put_off_comes_when_it_is_asked_for() -> None:
    code = (
        "from kwire.cli.postponed import import_trio; import_trio(); import sys, ssl\n"
        "assert '_ssl' not in sys.modules\n"
        "context = ssl.create_default_context()\n"
        "assert sys.modules['ssl'].SSLContext is ssl.SSLContext is type(context)\n"
        "import subprocess\n"
        "print(subprocess.run([sys.executable, '--version']).returncode)"
    )
    assert said(code).splitlines()[-1] == "0"


def test_a_module_that_is_there_already_stays_what_it_is() -> None:
    code = (
        "import hmac as before, sys; from kwire.cli.postponed import import_trio; import_trio()\n"
        "print(sys.modules['hmac'] is before)"
    )
    assert said(code) == "True"


def test_a_module_that_cannot_be_imported_says_so_when_it_is_asked_for() -> None:
    code = (
        "from kwire.cli.postponed import postpone; postpone('no_such_module'); import no_such_module\n"
        "try: no_such_module.anything\n"
        "except ModuleNotFoundError as error: print(error.name)"
    )
    assert said(code) == "no_such_module"


def test_importing_trio_starts_no_process_and_libraries_are_looked_for_as_before() -> None:
    code = (
        "import ctypes.util, sys\n"
        "looks_for = ctypes.util.find_library\n"
        "sys.addaudithook(lambda event, _: print(event) if event == 'subprocess.Popen' else None)\n"
        "from kwire.cli.postponed import import_trio; import_trio()\n"
        "print(ctypes.util.find_library is looks_for)"
    )
    assert said(code) == "True"
