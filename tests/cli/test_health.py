"""`kwire health`, and `kwire serve --from-environment` as a container runs it."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from kwire_codecs.apis.metadata import Metadata

from tests.cli.test_serve import COMMAND, DEADLINE_SECONDS, ask


def kwire(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        env={**os.environ, **variables},
    )


_ports = itertools.count(37 * os.getpid())


def free_port() -> int:
    """One below those that the system gives to whoever asks for any: one of these may be gone at once."""
    while True:
        port = 20_000 + next(_ports) % 10_000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def serving_from(**variables: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A broker as in a container, on a free port, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "serve", "--from-environment"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "KAFKA_LISTENERS": f"PLAINTEXT://:{port}",
            "KWIRE_OPTIONS": "--memory",
            **variables,
        },
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == f"kwire ready: 127.0.0.1:{port}\n"
        yield port, process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """The port of something that gives that answer to whatever is asked; None: never any."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer or b"")
                if answer is None:
                    connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_broker_that_serves_is_healthy_wherever_the_variables_put_it() -> None:
    with serving_from() as (port, _):
        done = kwire("health", "--address", f"localhost:{port}")
        assert (done.returncode, done.stderr) == (0, "")
        done = kwire("health", "--from-environment", KAFKA_LISTENERS=f"CONTROLLER://:1,PLAINTEXT://:{port}")
        assert (done.returncode, done.stderr) == (0, "")
        done = kwire("health", "--from-environment", KWIRE_OPTIONS=f"--port {port}")
        assert (done.returncode, done.stderr) == (0, "")

        done = kwire("health", "--from-environment", KAFKA_NODE_1_LISTENERS=f"PLAINTEXT://:{port}")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KAFKA_LISTENERS", "9092", "9092"),
        ("KAFKA_LISTENERS", "NOBODY://:9092", "NOBODY"),
        ("KWIRE_OPTIONS", "--bogus", "--bogus"),
        ("KWIRE_OPTIONS", "--port x", "--port"),
        ("KAFKA_NUM_PARTITIONS", "0", "num.partitions"),
    ],
)
def test_variables_that_name_no_broker_are_told_in_a_line(variable: str, value: str, said: str) -> None:
    done = kwire("health", "--from-environment", **{variable: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_in_another_form_is_a_usage_error() -> None:
    done = kwire("health", "--address", "::1")
    assert done.returncode == 2
    assert "[::1]:9092" in done.stderr


def test_nothing_there_is_told() -> None:
    port = free_port()
    done = kwire("health", "--address", f"127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"kwire: no broker at 127.0.0.1:{port}: Connection refused\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Kafka broker"),
        (b"", "it closed the connection"),
        (None, "no answer in time"),
        (b"\0\0\0\x0a\0\0\0\x07\0\x23\0\0\0\0", "error 35"),
    ],
)
def test_what_is_no_healthy_broker_is_told(answer: bytes | None, said: str) -> None:
    with answering(answer) as port:
        done = kwire(
            "health", "--address", f"127.0.0.1:{port}", "--timeout", "0.5" if answer is None else "60"
        )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [["--address", "9092"], ["--address", "h:0"], ["--timeout", "nan"]])
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    done = kwire("health", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: kwire health")


def test_a_container_advertises_localhost_and_says_so_in_kafkas_words() -> None:
    with serving_from(KAFKA_NODE_ID="7", KAFKA_NUM_PARTITION="3") as (port, process):
        assert process.stdout is not None
        assert "[KafkaServer id=7] started" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as sock:
            [broker] = ask(sock, Metadata.Request(topics=[]), 4).brokers
        assert (broker.node_id, broker.host, broker.port) == (7, "localhost", port)
        process.terminate()
        said = process.communicate()[1]
        assert process.returncode == 0
    assert "KAFKA_NUM_PARTITION has no effect" in said


def test_a_variable_out_of_limits_is_refused() -> None:
    done = kwire("serve", "--from-environment", KAFKA_NUM_PARTITIONS="0", KWIRE_OPTIONS="--memory")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "num.partitions: Value must be at least 1" in done.stderr
    done = kwire("serve", "--from-environment", KWIRE_OPTIONS="--memry")
    assert done.returncode == 2
    assert "--memry" in done.stderr
