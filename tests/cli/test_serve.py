"""`kwire serve` as its user meets it: a child process, its lines, its messages, its exit codes.

KWIRE_COMMAND names the command to test (an installed wheel's); without it, it is this tree's.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis import api
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.compile import decoder
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Struct

from kwire.broker_settings import BROKER_SETTINGS
from kwire.cli.effect import ACTED_ON, without_effect
from kwire.coordinators.metadata.group_configs import LIMITS
from tests.broker_client import fetch_request, one_partition, produce_request
from tests.handlers.data import records, values_in

COMMAND = [os.environ["KWIRE_COMMAND"]] if "KWIRE_COMMAND" in os.environ else [sys.executable, "-m", "kwire"]
DEADLINE_SECONDS = 60


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[tuple[str, int]]]]:
    """A broker as a child, and the addresses of its ready line."""
    process = subprocess.Popen(
        [*COMMAND, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("kwire ready: "), (line, process.communicate()[1])
        addresses = []
        for address in line.removeprefix("kwire ready: ").strip().split(","):
            host, _, port = address.rpartition(":")
            addresses.append((host.strip("[]"), int(port)))
        yield process, addresses
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def refused(*arguments: str) -> str:
    """What it says when it refuses: one line on standard error, exit code 1, nothing on standard output."""
    done = subprocess.run(
        [*COMMAND, "serve", *arguments], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("kwire: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def answers(address: tuple[str, int]) -> bool:
    """Whether an ApiVersions v0 is answered."""
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as sock:
        sock.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
        _, correlation_id, error = struct.unpack(">iih", sock.recv(10, socket.MSG_WAITALL))
        return bool((correlation_id, error) == (7, 0))


def test_a_free_port_is_told_in_the_ready_line() -> None:
    with running("--port", "0", "--memory") as (_, [address]):
        assert answers(address)


def test_localhost_is_both_loopbacks() -> None:
    with running("--port", "0", "--memory") as (_, [(_, port)]):
        assert answers(("127.0.0.1", port))
        if socket.has_ipv6:
            assert answers(("::1", port))


def test_several_brokers_have_an_address_each() -> None:
    with running("--port", "0", "--memory", "--brokers", "3") as (_, addresses):
        assert len({port for _, port in addresses}) == 3
        assert all(answers(address) for address in addresses)


def test_ports_and_racks_may_be_given_one_by_one_and_say_how_many_brokers_there_are() -> None:
    with running("--memory", "--port", "0,0,0", "--rack", "a,b,c") as (_, addresses):
        assert len({port for _, port in addresses}) == 3
        assert all(answers(address) for address in addresses)
    message = refused("--memory", "--port", "0,0", "--brokers", "3")
    assert "--port has 2 values for 3 brokers" in message


def test_an_option_and_a_setting_that_contradict_each_other_are_refused_and_a_file_is_overruled_aloud(
    tmp_path: Path,
) -> None:
    listeners = "listeners=PLAINTEXT://localhost:9092"
    assert "--port and --set listeners" in refused("--memory", "--port", "0", "--set", listeners)
    assert "--host and --set listeners" in refused("--memory", "--host", "localhost", "--set", listeners)
    file = tmp_path / "server.properties"
    file.write_text(listeners)
    with running("--memory", "--port", "0", "--config", str(file)) as (process, [(_, port)]):
        assert port != 9092
        assert process.stderr is not None
        assert f"--port is used instead of {listeners}" in process.stderr.readline()


def test_the_data_directory_is_named_at_the_start(tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path)) as (process, _):
        assert process.stderr is not None
        assert str(tmp_path) in process.stderr.readline()


def test_several_brokers_need_ports_up_to_the_highest() -> None:
    message = refused("--memory", "--port", "65535", "--brokers", "3")
    assert "broker 2 would have port 65536" in message
    assert "give a lower --port" in message


def test_a_log_that_cannot_be_read_is_named_and_the_rest_served(tmp_path: Path) -> None:
    (tmp_path / "t-0" / "partition.metadata").mkdir(parents=True)
    with running("--port", "0", "--data", str(tmp_path)) as (process, [address]):
        assert answers(address)
        process.terminate()
        assert process.wait(DEADLINE_SECONDS) == 0
        assert process.stderr is not None
        assert str(tmp_path / "t-0" / "partition.metadata") in process.stderr.read()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(stop: signal.Signals, tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path)) as (process, [address]):
        assert answers(address)
        process.send_signal(stop)
        assert process.wait(DEADLINE_SECONDS) == 0
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_a_taken_port_is_refused_with_the_next_command_and_nothing_is_written(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused("--port", str(port), "--data", str(tmp_path / "new"))
    assert f"port {port}" in message
    assert "--port" in message
    assert not (tmp_path / "new").exists()


def test_a_locked_data_directory_is_refused(tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path)):
        assert str(tmp_path) in refused("--port", "0", "--data", str(tmp_path))


def test_a_broker_whose_data_directory_is_gone_stops_and_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("--data", str(data)) as (process, [address]):
        data.rename(tmp_path / "elsewhere")
        with socket.create_connection(address, DEADLINE_SECONDS) as sock:
            with suppress(OSError, struct.error, AssertionError):  # it may end before it answers
                asked = Metadata.Request.Topic(name="t")
                ask(sock, Metadata.Request(topics=[asked], allow_auto_topic_creation=True), 9)
                ask(sock, produce_request("t", records(b"x")), 9)
            assert process.wait(DEADLINE_SECONDS) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert f"the log directory {data} is offline: No such file or directory" in said
    assert f"kwire: broker 1 stops: its log directory of the cluster's metadata has failed ({data})" in said


def test_an_unwritable_data_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused("--port", "0", "--data", str(tmp_path / "file" / "data"))


def test_a_file_in_the_place_of_the_data_directory_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = refused("--port", "0", "--data", str(tmp_path / "file"))
    assert f"{tmp_path}/file failed: File exists" in message
    assert "name a directory that can be written to: --data DIR, or log.dirs" in message


def test_data_of_another_node_is_refused(tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path)):
        pass
    assert "node" in refused("--port", "0", "--data", str(tmp_path), "--set", "node.id=7")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "num.partition=3"], "num.partitions"),
        (["--set", "num.partitions=0"], "num.partitions"),
        (["--set", "num.partitions"], "KEY=VALUE"),
        (["--set", "listeners=here"], "NAME://host:port"),
        (["--set", "listeners=A://localhost:0"], "listener.security.protocol.map"),
        (["--set", "listeners=SSL://localhost:0"], "PLAINTEXT"),
        (["--set", "advertised.listeners=X://localhost:1"], "advertised.listeners"),
        (["--config", "/nowhere/server.properties"], "/nowhere/server.properties"),
        (["--host", "256.1.1.1", "--port", "0"], "256.1.1.1"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(arguments: list[str], said: str) -> None:
    assert said in refused("--memory", *arguments)


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--brokers", "0"], ["--nonsense"], ["--memory", "--data", "x"]]
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", *arguments], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert done.returncode == 2
    assert "usage: kwire serve" in done.stderr


def test_a_properties_file_is_taken(tmp_path: Path) -> None:
    properties = tmp_path / "server.properties"
    properties.write_text(
        f"broker.id=5\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={tmp_path}/a,{tmp_path}/b\n"
        "num.network.threads=3\nzookeeper.connect=localhost:2181\n"
    )
    with running("--config", str(properties)) as (_, [address]):
        assert answers(address)
    assert (tmp_path / "a" / "meta.properties").exists()
    assert (tmp_path / "b" / "meta.properties").exists()


def test_a_killed_broker_comes_back_with_its_cluster_id(tmp_path: Path) -> None:
    with running("--port", "0", "--data", str(tmp_path)) as (process, _):
        process.kill()
        process.wait(DEADLINE_SECONDS)
    before = (tmp_path / "meta.properties").read_text()
    with running("--port", "0", "--data", str(tmp_path)) as (_, [address]):
        assert answers(address)
    cluster = [line for line in before.splitlines() if line.startswith("cluster.id=")]
    assert cluster[0] in (tmp_path / "meta.properties").read_text()


def test_the_soft_limit_of_open_files_is_raised() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running("--port", "0", "--memory") as (process, _):
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert line.split()[3] == str(hard)


def test_settings_that_kwire_acts_on_are_read_somewhere() -> None:
    root = Path(__file__).parents[2] / "kwire"
    tables = {"broker_settings.py", "effect.py"}
    code = "".join(path.read_text() for path in root.rglob("*.py") if path.name not in tables)
    made = {name for kind in LIMITS.values() for name in kind[:3]}
    assert [name for name in ACTED_ON if f'"{name}"' not in code and name not in made] == []
    assert [name for name in ACTED_ON if name not in BROKER_SETTINGS] == []


def test_settings_that_are_read_where_brokers_work_are_not_said_to_be_without_effect() -> None:
    root = Path(__file__).parents[2] / "kwire"
    rooms = ("broker", "handlers", "partitions", "runtime", "server")
    code = "".join(path.read_text() for room in rooms for path in (root / room).rglob("*.py"))
    asked_for = {name for name in BROKER_SETTINGS if f'"{name}"' in code}
    assert without_effect(asked_for) == []
    compaction = [name for name in BROKER_SETTINGS if name.startswith("log.cleaner.")]
    assert without_effect(compaction) == []


def test_settings_without_effect_are_taken_and_named(tmp_path: Path) -> None:
    arguments = [
        "--port",
        "0",
        "--memory",
        "--set",
        "num.network.threads=3",
        "--set",
        "zookeeper.connect=localhost",
    ]
    with running(*arguments) as (process, _):
        process.terminate()
        said = process.communicate()[1]
    assert "without effect in kwire: num.network.threads, zookeeper.connect" in said


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Every produce that was answered before a SIGKILL is there after it, once, and the offsets go on."""
    expected: list[bytes | None] = []
    for _ in range(3):
        with (
            running("--port", "0", "--data", str(tmp_path)) as (process, [address]),
            socket.create_connection(address, timeout=DEADLINE_SECONDS) as sock,
        ):
            ask(sock, Metadata.Request(topics=[Metadata.Request.Topic(name="t")]), 4)
            fetched = one_partition(ask(sock, fetch_request("t", 0), 11))
            # The one that was on its way when the broker died may be there or not; nothing else may.
            found = values_in(fetched.records)
            assert found in (expected, [*expected, b"late"])
            expected = found
            for _ in range(50):
                value = b"%d" % len(expected)
                answer = one_partition(ask(sock, produce_request("t", records(value)), 9))
                assert answer.base_offset == len(expected)
                expected.append(value)
            sock.sendall(framed(produce_request("t", records(b"late")), 9))
            process.kill()
            process.wait(DEADLINE_SECONDS)


def framed(request: Struct, version: int) -> bytes:
    return b"".join(bytes(part) for part in frame_request(request, version, 1, "tests")[0])


def ask(sock: socket.socket, request: Struct, version: int) -> Any:
    """A request and its answer, over a blocking socket."""
    root = type(request).__root__
    assert root is not None
    assert root.key is not None
    sock.sendall(framed(request, version))
    with sock.makefile("rb") as stream:
        (size,) = struct.unpack(">i", stream.read(4))
        frame = memoryview(stream.read(size))
    declared = api(root.key)
    _, _, position = read_response_header(frame, declared.response_header_version(version))
    return decoder(declared.Response, version)(frame[position:])
