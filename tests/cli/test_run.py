"""`kwire run` as its user meets it: what the command sees, what becomes of signals, the exit code."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis.metadata import Metadata

from tests.cli.test_serve import COMMAND, DEADLINE_SECONDS, answers, ask

ADDRESS = "KAFKA_BOOTSTRAP_SERVERS"
# Says that it is there, and each signal that reaches it; ends when its standard input does.
LISTENING = """\
import os, signal, sys
def heard(number, frame):  # may come within the last print, which must not be entered twice
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), heard)
print("ready", flush=True)
sys.stdin.read()
sys.exit(5)
"""


@pytest.fixture(autouse=True)
def _signals_are_not_ignored() -> Iterator[None]:
    """A shell starts what it runs in the background deaf to Ctrl-C, and nohup to SIGHUP."""
    usual: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`kwire run` with its output."""
    return subprocess.run(
        [*COMMAND, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        input=stdin,
    )


def started(*arguments: str) -> subprocess.Popen[str]:
    """`kwire run` that goes on."""
    return subprocess.Popen(
        [*COMMAND, "run", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def asking(process: subprocess.Popen[str]) -> tuple[str, int]:
    """The address in the line that the command printed."""
    assert process.stdout is not None
    host, _, port = process.stdout.readline().strip().rpartition(":")
    return host, int(port)


def refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=DEADLINE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_command_finds_a_broker_at_the_address_in_its_environment() -> None:
    process = started("--", "sh", "-c", f"echo ${ADDRESS}; read line")
    address = asking(process)
    assert answers(address)
    process.communicate("go on\n")
    assert process.returncode == 0
    assert refuses(address)


def test_spring_finds_the_same_address_in_its_own_variable() -> None:
    done = run(
        "--", "sh", "-c", f'test "${ADDRESS}" = "$SPRING_KAFKA_BOOTSTRAP_SERVERS" && test "${ADDRESS}"'
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_several_brokers_stand_in_the_variable_with_commas_between() -> None:
    assert run("--brokers", "3", "--", "printenv", ADDRESS).stdout.count(",") == 2


def test_the_exit_code_is_the_commands() -> None:
    assert run("--", "sh", "-c", "exit 3").returncode == 3


def test_a_command_that_a_signal_killed_gives_128_and_the_signal() -> None:
    assert run("--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_standard_input_and_the_commands_own_dashes_reach_it() -> None:
    done = run(
        "--", sys.executable, "-c", "import sys; print(sys.argv[1:], input())", "--", "-x", stdin="hello\n"
    )
    assert done.stdout == "['--', '-x'] hello\n"


def test_the_limit_of_open_files_stays_as_it_was() -> None:
    assert run("--", "sh", "-c", "ulimit -n").stdout == subprocess.check_output(
        ["sh", "-c", "ulimit -n"], text=True
    )


def test_a_missing_command_is_named_and_gives_127() -> None:
    done = run("--", "no-such-command")
    assert done.returncode == 127
    assert "no command no-such-command on the PATH" in done.stderr


def test_a_file_that_cannot_be_run_is_named_and_gives_126(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("hello")
    done = run("--", str(tmp_path / "plain"))
    assert done.returncode == 126
    assert f"{tmp_path / 'plain'} is not executable" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "behind --"),
        (["--"], "behind --"),
        (["true"], "behind --"),
        (["--nonsense", "--", "true"], "--nonsense"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: kwire run [options] -- CMD")
    assert said in done.stderr.splitlines()[-1]


def test_a_broker_that_cannot_run_says_why_and_the_command_does_not_run() -> None:
    done = run("--set", "num.partition=3", "--", "echo", "it runs")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kwire: there is no setting num.partition; did you mean num.partitions?\n"


def test_data_is_kept_where_a_directory_is_given(tmp_path: Path) -> None:
    assert run("--data", str(tmp_path / "data"), "--", "true").returncode == 0
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_options_and_a_file_go_to_the_broker(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("node.id=7\n")
    asks = (
        "import os; from kwire.testing import client, topics; "
        f"sock = client.connect(os.environ['{ADDRESS}']); "
        "request = topics.Metadata.Request(topics=[], allow_auto_topic_creation=False); "
        "print([broker.node_id for broker in client.ask(sock, request, 4).brokers])"
    )
    done = run(
        "--config", str(tmp_path / "server.properties"), "--brokers", "2", "--", sys.executable, "-c", asks
    )
    assert (done.returncode, done.stdout) == (0, "[7, 8]\n"), done.stderr


def test_a_child_that_the_command_leaves_behind_is_not_waited_for() -> None:
    done = run("--", "sh", "-c", f"sleep 600 >/dev/null 2>&1 & echo $! ${ADDRESS}; exit 4")
    pid, address = done.stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    assert done.returncode == 4
    host, _, port = address.rpartition(":")
    assert refuses((host, int(port)))


# Kills the other child of its parent, which is the broker.
KILLS_THE_BROKER = """\
import os, pathlib, select, signal, sys
parent = os.getppid()
children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
[broker] = [int(pid) for pid in children if int(pid) != os.getpid()]
process = os.pidfd_open(broker)
os.kill(broker, signal.SIGKILL)
select.select([process], [], [])
sys.exit(6)
"""


def test_a_broker_that_dies_under_the_command_is_told_and_the_command_decides() -> None:
    done = run("--", sys.executable, "-c", KILLS_THE_BROKER)
    assert done.returncode == 6
    assert done.stderr == "kwire: the broker ended before the command did, with exit code -9\n"


def test_serve_takes_no_command() -> None:
    done = subprocess.run([*COMMAND, "serve", "--", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unrecognized arguments: -- true" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_goes_on_to_the_command_which_decides(number: signal.Signals) -> None:
    process = started("--", sys.executable, "-c", LISTENING)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"{number.name}\n"
    process.communicate()
    assert process.returncode == 5


def test_a_command_that_a_forwarded_signal_ends_gives_128_and_the_signal() -> None:
    process = started("--", "sh", "-c", f"echo ${ADDRESS}; read line")
    address = asking(process)
    process.terminate()
    assert process.stdout is not None
    assert process.stdout.read() == ""
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert refuses(address)


def test_the_terminals_ctrl_c_reaches_the_command_once() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(COMMAND[0], [*COMMAND, "run", "--", sys.executable, "-c", LISTENING])
    with os.fdopen(terminal, "r+b", buffering=0) as stream:
        assert stream.readline().strip() == b"ready"
        stream.write(b"\x03")
        said = stream.readline()
        assert said.strip().endswith(b"SIGINT")
        stream.write(b"\x04")  # the end of input
        rest = b""
        while True:
            try:
                read = os.read(terminal, 1000)
            except OSError:  # Linux: the other side is closed
                break
            rest += read
            if not read:
                break
    assert b"SIGINT" not in rest
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


def test_the_broker_ends_with_kwire_run_even_when_that_is_killed() -> None:
    process = started("--", "sh", "-c", f"echo ${ADDRESS}; read line")
    address = asking(process)
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as sock:
        ask(sock, Metadata.Request(topics=[]), 4)  # a connection that waits to be accepted would be reset
        process.kill()
        assert sock.recv(1) == b""
    process.communicate()


def test_serve_stops_when_its_standard_input_ends(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--exit-with-stdin", "--port", "0", "--data", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("kwire ready: ")
    process.communicate()
    assert process.returncode == 0
    assert (tmp_path / ".kafka_cleanshutdown").exists()
