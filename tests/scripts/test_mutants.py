"""scripts/mutants: what it says of a defect that is caught at once, at a later try, and never."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import shutil
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "scripts" / "mutants"))
    spec = importlib.util.spec_from_loader("mutants", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of one function, with tests that see a defect of it always, at the second try, or never: that
    one draws, and looks at nothing.
    """
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "tries.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    (tmp_path / "lib.py").write_text("def twice(x: int) -> int:\n    return 2 * x\n")
    (tmp_path / "tests" / "test_lib.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from hypothesis import given, settings, strategies\n"
        "from lib import twice\n\n"
        "def test_always():\n    assert twice(3) == 6\n\n"
        "def test_second():\n    assert os.environ['KWIRE_TEST_TRY'] != '2' or twice(3) == 6\n\n"
        "def test_later():\n    assert os.environ['KWIRE_TEST_TRY'] == '1'\n\n"
        "@settings(max_examples=5)\n"
        "@given(strategies.integers(0, 2**60))\n"
        "def test_search(drawn):\n"
        "    with Path('drawn.txt').open('a') as file:\n"
        "        print(os.environ['KWIRE_TEST_TRY'], drawn, file=file)\n"
    )
    return tmp_path


def defect(test: str, **changed: str) -> dict[str, str]:
    return {
        "name": "x ** 2",
        "file": "lib.py",
        "old": "2 * x",
        "new": "x ** 2",
        "tests": f"tests/test_lib.py::{test}",
        **changed,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "line"),
    [
        ("test_always", "caught: x ** 2"),
        ("test_second", "caught at try 2: x ** 2"),
        (
            "test_later",
            "NOT CAUGHT: x ** 2: tests/test_lib.py::test_later fail at try 2 without any defect",
        ),
    ],
)
def test_what_is_not_caught_is_tried_again_and_the_line_says_so(
    mutants: ModuleType, tree: Path, test: str, line: str
) -> None:
    problem, told = mutants._caught_or_again(tree, defect(test))
    assert told == line
    assert (problem is None) == told.startswith("caught")
    assert (tree / "lib.py").read_text().endswith("return 2 * x\n")


@pytest.mark.slow
def test_each_try_draws_something_else_and_the_same_when_it_is_made_again(
    mutants: ModuleType, tree: Path
) -> None:
    assert mutants._caught_or_again(tree, defect("test_search")) == (
        "tests/test_lib.py::test_search still pass",
        "NOT CAUGHT: x ** 2: tests/test_lib.py::test_search still pass",
    )
    mutants._caught(tree, defect("test_search"), 2)
    lines = [line.split() for line in (tree / "drawn.txt").read_text().splitlines()]
    first, second, third = ([drawn for number, drawn in lines if number == one] for one in "123")
    assert len({frozenset(first), frozenset(second), frozenset(third)}) == 3
    assert second[: len(second) // 2] == second[len(second) // 2 :]


@pytest.mark.slow
def test_many_tries_tell_what_is_caught_only_sometimes(mutants: ModuleType, tree: Path) -> None:
    problem, told = mutants._sometimes(2, tree, defect("test_second"))
    assert problem == "tests/test_lib.py::test_second caught it at 1 of 2 tries"
    assert told == f"SOMETIMES: x ** 2: {problem}"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"old": "3 * x"}, "its text is 0 times in lib.py; it must be there once"),
        ({"tests": "tests/test_lib.py::test_gone"}, "its tests did not run: "),
    ],
)
def test_a_defect_that_cant_be_tried_is_not_tried_again(
    mutants: ModuleType, tree: Path, changed: dict[str, str], problem: str
) -> None:
    found, told = mutants._caught_or_again(tree, defect("test_always", **changed))
    assert found is not None
    assert found.startswith(problem)
    assert told.startswith(f"NOT CAUGHT: x ** 2: {problem}")


def test_every_row_of_the_table_names_one_place_and_tests_that_are_there() -> None:
    rows = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text())["mutant"]
    read = functools.cache(Path.read_text)
    wrong = [
        f"{row['name']}: its text is {count} times in {row['file']}"
        for row in rows
        if (count := read(ROOT / row["file"]).count(row["old"])) != 1
    ]
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))  # some tests are inherited
    for row in rows:
        for file, *names in (node.split("[")[0].split("::") for node in row["tests"].split()):
            if not (ROOT / file).exists() or any(f" {name}" not in tests for name in names):
                wrong.append(f"{row['name']}: there is no {'::'.join([file, *names])}")
    assert wrong == []
    names = Counter(row["name"] for row in rows)
    assert [name for name, count in names.items() if count > 1] == []
