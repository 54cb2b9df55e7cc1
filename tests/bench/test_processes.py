"""Children are asked, looked at and stopped; client programs are believed only when they end well."""

from pathlib import Path

import pytest

from bench.brokers import BrokerError, Child, Given
from bench.figures import Lacking, Turn

CAT = ["cat"]


def shell(script: str) -> Turn:
    """A turn whose client program is a shell script, against a broker that is given by its address."""
    return Turn(Given("given", "127.0.0.1:1"), lambda client: ["sh", "-c", script], timeout_s=0.2)


def test_a_child_is_asked_and_answers_line_by_line(tmp_path: Path) -> None:
    with Child(CAT, tmp_path / "log") as child:
        child.ask("one")
        child.ask("two")
        assert [child.read_line(5), child.read_line(5)] == ["one", "two"]


def test_a_child_that_runs_has_memory_and_cpu_seconds(tmp_path: Path) -> None:
    with Child(CAT, tmp_path / "log") as child:
        child.ask("")
        child.read_line(5)
        memory = child.memory()
        assert 0 < memory.pss <= memory.rss
        assert child.cpu_seconds() > 0


def test_a_stopped_child_is_gone(tmp_path: Path) -> None:
    child = Child(CAT, tmp_path / "log")
    child.stop()
    assert not child.is_running
    child.stop()


def test_a_child_that_heeds_no_signal_is_killed(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "trap '' TERM; echo ready; read line"], tmp_path / "log")
    assert child.read_line(5) == "ready"
    child.stop(patience_s=0)
    assert not child.is_running


def test_the_words_of_a_child_that_ended_are_told(tmp_path: Path) -> None:
    with (
        Child(["sh", "-c", "echo no room >&2"], tmp_path / "log") as child,
        pytest.raises(BrokerError, match="it ended: no room"),
    ):
        child.read_line(5)


def test_the_last_line_of_a_client_program_is_what_it_says() -> None:
    load = shell("""echo so far so good; echo '{"seconds": 2.5}'""").load("franz", "produce", topic="t")
    assert load["seconds"] == 2.5
    assert load.cpu_seconds is None
    with pytest.raises(Lacking, match="gave no records"):
        load["records"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo '{}'; echo broken pipe >&2; exit 1", "broken pipe"),
        ("exit 3", "exit status 3"),
        ("echo well", "said no JSON"),
        ("echo 1", "said no JSON object"),
        ("true", "said no JSON"),
        ("echo stuck >&2; exec tail -f /dev/null", "not done after 0 s; stuck"),
    ],
)
def test_a_client_program_that_fails_is_a_lack_with_its_reason(script: str, reason: str) -> None:
    with pytest.raises(Lacking, match=reason):
        shell(script).load("franz", "produce")


def test_options_become_arguments_behind_the_brokers_own() -> None:
    turn = shell("""printf '{"arguments": "%s"}' "$*" """)
    turn.broker.client_options = {"franz": {"kafka": "v2.3"}}
    said = turn.load("franz", "produce", batch_bytes=1).said["arguments"]
    assert str(said) == "--bootstrap 127.0.0.1:1 --kafka v2.3 --batch-bytes 1"
