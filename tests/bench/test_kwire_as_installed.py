"""kwire is measured as its users have it: compiled, and told nothing that our own shell tells Python."""

from pathlib import Path

import pytest

from bench.brokers import BrokerError
from bench.brokers.python import PACKAGES, Kwire


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree of the same shape, with a module a package."""
    for package in PACKAGES:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "module.py").write_text("ANSWER = 42\n")
    return tmp_path


def test_building_compiles_every_package_whatever_our_shell_says(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Kwire(tree=tree).build()
    assert {file.parents[1].relative_to(tree).as_posix() for file in tree.rglob("*.pyc")} == set(PACKAGES)


def test_a_tree_that_does_not_compile_is_told(tree: Path) -> None:
    (tree / "kwire" / "broken.py").write_text("def\n")
    with pytest.raises(BrokerError, match=r"broken\.py"):
        Kwire(tree=tree).build()


def test_the_broker_is_handed_nothing_that_is_said_to_python_or_kwire(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KWIRE_ANYTHING", "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    given = Kwire(tree=tree).environment()
    assert {name for name in given if name.startswith(("PYTHON", "KWIRE_"))} == {"PYTHONPATH"}
    assert given["LANG"] == "C.UTF-8"
