"""Start a real single-node Apache Kafka (KRaft) on 127.0.0.1 and stop it again.

`Kafka` is a context manager: entering it waits until clients are answered and the coordinators are loaded,
leaving it ends the process. A small shell stands between us and the JVM: it reads a pipe that only we hold,
so when we end, however we end, the broker ends too and its temporary data goes away.

A formatted data directory is kept per release and copied for each start, and the JVM shares an archive of
loaded classes; both only save time. Ports are picked free, and picked again if somebody was faster.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .jars import TOOLS_OF, OracleError, cache_root, fetch, java, locked, major

HOST = "127.0.0.1"
CLUSTER_ID = "kwireOracleClusterIdAA"
FAST_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=off"]

# Kafka's own defaults, but for one node, a quick start and no waiting for a first rebalance.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "100",
    "log.cleaner.dedupe.buffer.size": "2097152",
}

# $1: a directory to remove at the end, or nothing. The rest: the command. Ends it when standard input does.
_GUARD = """
doomed=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
trap 'kill "$child" 2>/dev/null' TERM
{ cat <&3 >/dev/null; kill -9 "$child" 2>/dev/null; } &
watcher=$!
exec 3<&-
wait "$child"; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
kill "$watcher" 2>/dev/null
[ -z "$doomed" ] || rm -rf "$doomed"
exit "$status"
"""


class Kafka:
    """A running broker. `properties` go over PROPERTIES, `{port}` and `{controller_port}` filled in.

    `data`: a directory to keep (and to start again from); without it a temporary one is removed at the end.
    `listeners`: more listeners, name to security protocol; `address(name)` says where each is. `users`: name
    to password; each gets SCRAM credentials and, on every SASL listener, PLAIN. `features`: feature levels to
    format with, where they are not to be the release's own. `java_options` go to the JVM; `warm=False`
    returns before the coordinators are loaded. `ports` are those of PLAINTEXT and CONTROLLER, where others
    must know them before (cluster.py). `directories`: more log.dirs than the one with the metadata, in
    its data or, where they are absolute, elsewhere.
    """

    def __init__(
        self,
        version: str = "4.4.0",
        properties: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        data: Path | None = None,
        listeners: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        features: Mapping[str, int] | None = None,
        java_options: Sequence[str] = (),
        warm: bool = True,
        start_timeout_s: float = 60.0,
        ports: Mapping[str, int] | None = None,
        heap: str = "512m",
        directories: Sequence[str] = (),
    ) -> None:
        if major(version) < 3:
            raise OracleError(f"Kafka {version} needs ZooKeeper and is fetched for its tools only")
        self.version = version
        self.bootstrap = ""
        self.data = data
        self._properties = dict(properties or {})
        self._port = port
        self._listeners = {"PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        self._users = dict(users or {})
        self._format_options = _format_options(self._users, features or {})
        self._java_options = list(java_options)
        self._warm = warm
        self._start_timeout_s = start_timeout_s
        self._ports: dict[str, int] = dict(ports or {})
        self._heap = heap
        self._directories = list(directories)
        self._process: subprocess.Popen[bytes] | None = None
        self._archiving: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def address(self, listener: str = "PLAINTEXT") -> str:
        """HOST:PORT of a listener."""
        return f"{HOST}:{self._ports[listener]}"

    @property
    def is_running(self) -> bool:
        """Whether it has been started and neither stopped nor ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that guards the JVM; it ends with it."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until the broker answers. Raises OracleError with the end of Kafka's log."""
        jars = fetch(self.version)
        for _ in range(5):
            try:
                self._start_once(jars)
                return
            except _PortTaken:
                continue
        raise OracleError("found no free ports for Kafka in five attempts")

    def stop(self) -> None:
        """End the broker: cleanly where its data is kept, at once where it is thrown away."""
        process, self._process = self._process, None
        if process is None:
            return
        if self.data is not None or self._archiving is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):  # then closing the pipe kills it
                process.wait(30)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        archiving, self._archiving = self._archiving, None
        if archiving is not None and archiving.exists():
            archiving.rename(_class_archive(self.version))

    def kill(self) -> None:
        """End the broker at once, as a crash would; `start` starts it again on what its directory holds."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def wait(self) -> int:
        """Wait until the broker ends by itself; its exit status."""
        assert self._process is not None
        return self._process.wait()

    def _start_once(self, jars: list[Path]) -> None:
        names = [*self._listeners, "CONTROLLER"]
        wanted = self._ports or {"PLAINTEXT": self._port}  # a restart keeps its addresses
        self._ports = dict(zip(names, _free_ports([wanted.get(name, 0) for name in names]), strict=True))
        doomed = "" if self.data else tempfile.mkdtemp(prefix="kwire-kafka-")
        home = self.data or Path(doomed)
        (home / "logs").mkdir(parents=True, exist_ok=True)
        config = home / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self._settings(home).items()))
        if not (home / "logs" / "meta.properties").exists():
            _format(self.version, jars, config, home / "logs", self._format_options, self._formatted_as())
            for directory in self._log_dirs(home)[1:]:  # later starts find them as a test has left them
                _join_directory(home / "logs", directory)
        log = home / "kafka.log"
        options = [*self._java_options, f"-Xmx{self._heap}"]
        if not _class_archive(self.version).exists():
            # The first run of a release writes the archive as it ends; a half one is never left at the path.
            self._archiving = _class_archive(self.version).with_suffix(f".{os.getpid()}")
            options.append(f"-XX:ArchiveClassesAtExit={self._archiving}")
        command = _java_command(self.version, jars, options)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "kafka-guard", doomed, *command, "kafka.Kafka", str(config)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we end the broker
            )
        try:
            with log.open("rb") as reading:  # still readable when the guard has removed it
                self._wait_until_ready(reading.read)
        except BaseException:
            self.stop()
            raise
        self.bootstrap = self.address()

    def _log_dirs(self, home: Path) -> list[Path]:
        return [home / "logs", *(home / name for name in self._directories)]

    def _formatted_as(self) -> str:
        """What else than its options a formatted directory holds."""
        return ""

    def _settings(self, home: Path) -> dict[str, str]:
        port, controller = self._ports["PLAINTEXT"], self._ports["CONTROLLER"]
        clients = ",".join(f"{name}://{self.address(name)}" for name in self._listeners)
        protocols = {**self._listeners, "CONTROLLER": "PLAINTEXT"}
        settings = {
            **PROPERTIES,
            "log.dirs": ",".join(map(str, self._log_dirs(home))),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"{clients},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
        }
        if major(self.version) == 3:
            settings["group.coordinator.rebalance.protocols"] = "classic,consumer"
        settings.update(self._sasl_settings())
        for key, value in self._properties.items():
            settings[key] = value.replace("{port}", str(port)).replace("{controller_port}", str(controller))
        return settings

    def _sasl_settings(self) -> dict[str, str]:
        secured = [name.lower() for name, kind in self._listeners.items() if kind.startswith("SASL")]
        if not secured:
            return {}
        settings = {"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"}
        plain = " ".join(f'user_{name}="{password}"' for name, password in self._users.items())
        for name in secured:
            prefix = f"listener.name.{name}"
            module = "org.apache.kafka.common.security.plain.PlainLoginModule"
            settings[f"{prefix}.plain.sasl.jaas.config"] = f"{module} required {plain};"
            module = "org.apache.kafka.common.security.scram.ScramLoginModule"
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                settings[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{module} required;"
        return settings

    def _wait_until_ready(self, read_log: Callable[[], bytes]) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._start_timeout_s
        said = b""
        checks = _WARM if self._warm else _WARM[:1]
        for request, is_good in checks:
            while not _answers(self._ports["PLAINTEXT"], request, is_good):
                said += read_log()
                if self._process.poll() is not None:
                    said += read_log()
                    if b"Address already in use" in said or b"Socket server failed to bind" in said:
                        raise _PortTaken
                    raise OracleError(f"Kafka {self.version} ended while starting:\n{_tail(said)}")
                if time.monotonic() > deadline:
                    seconds = f"{self._start_timeout_s:.0f} s"
                    raise OracleError(f"Kafka {self.version} did not answer within {seconds}:\n{_tail(said)}")
                time.sleep(0.05)


class _PortTaken(Exception):
    """Somebody bound a port between our choice and Kafka's bind."""


def run_tool(version: str, main_class: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a tool of a release by its class, `org.apache.kafka.tools.TopicCommand` say; its output as text."""
    command = tool_command(version, main_class, arguments)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def tool_command(version: str, main_class: str, arguments: Sequence[str]) -> list[str]:
    """The command line that runs a tool's main class of a release."""
    tools = TOOLS_OF.get(version, version)
    return [*_java_command(tools, fetch(tools), ["-Xmx256m"]), main_class, *arguments]


def _java_command(version: str, jars: list[Path], options: Sequence[str]) -> list[str]:
    home = cache_root() / f"kafka-{version}"
    logging = ["-Dorg.apache.logging.log4j.level=WARN"]
    if major(version) < 4:
        config = home / "log4j.properties"
        if not config.exists():
            config.write_text(
                "log4j.rootLogger=WARN, stderr\n"
                "log4j.appender.stderr=org.apache.log4j.ConsoleAppender\n"
                "log4j.appender.stderr.target=System.err\n"
                "log4j.appender.stderr.layout=org.apache.log4j.PatternLayout\n"
                "log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n\n"
            )
        logging.append(f"-Dlog4j.configuration=file:{config}")
    archive = _class_archive(version)
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    path = os.pathsep.join(str(jar) for jar in jars)
    return [java(), *FAST_JVM, *shared, *logging, *options, "-cp", path]


def _class_archive(version: str) -> Path:
    """Where the JVM's archive of loaded classes is, or will be: it takes a third off the start.

    One for each JVM: another one's archive is refused, silently.
    """
    jvm = hashlib.sha256(os.path.realpath(java()).encode()).hexdigest()[:8]
    return cache_root() / f"kafka-{version}" / f"classes-{jvm}.jsa"


def _format(
    version: str, jars: list[Path], config: Path, logs: Path, options: list[str], node: str = ""
) -> None:
    """Give `logs` its meta.properties and first metadata records: copied, if it was done before."""
    kind = hashlib.sha256("\0".join(options).encode()).hexdigest()[:8] + node
    template = cache_root() / f"kafka-{version}" / f"formatted-{kind}"
    with locked(template.with_suffix(".lock")):
        if not template.exists():
            _run_format(version, jars, config, options)
            half = template.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(logs, half)
            half.rename(template)
            return
    shutil.copytree(template, logs, dirs_exist_ok=True)


def _format_options(users: Mapping[str, str], features: Mapping[str, int]) -> list[str]:
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-512")
    options = [("--feature", f"{name}={level}") for name, level in features.items()]
    options += [
        ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        for name, password in users.items()
        for mechanism in mechanisms
    ]
    return [word for option in options for word in option]


def _run_format(version: str, jars: list[Path], config: Path, options: list[str]) -> None:
    command = [*_java_command(version, jars, ["-Xmx256m"]), "kafka.tools.StorageTool", "format"]
    command += ["-t", CLUSTER_ID, "-c", str(config), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OracleError(f"Kafka {version} could not format {config.parent}:\n{done.stdout}{done.stderr}")


def _free_ports(wanted: Sequence[int]) -> list[int]:
    """A port for each number: itself if it is free, for 0 any. Held all at once, so none comes twice."""
    held = [socket.socket() for _ in wanted]
    try:
        for each, number in zip(held, wanted, strict=True):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                each.bind((HOST, number))
            except OSError as error:
                raise OracleError(f"port {number} of {HOST} can't be had: {error.strerror}") from None
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def _request(api_key: int, version: int, body: bytes) -> bytes:
    payload = struct.pack(">hhih", api_key, version, 1, 0) + body
    return struct.pack(">i", len(payload)) + payload


def _error_at(offset: int, expected: int) -> Callable[[bytes], bool]:
    return lambda answer: struct.unpack_from(">h", answer, offset) == (expected,)


# What must be answered, in this order, before the broker is ready; offsets count from the correlation id.
_WARM: list[tuple[bytes, Callable[[bytes], bool]]] = [
    # Metadata v1 for no topics: a broker is listed once it is unfenced.
    (_request(3, 1, struct.pack(">i", 0)), lambda answer: struct.unpack_from(">i", answer, 4)[0] > 0),
    # FindCoordinator v1 makes the internal topics.
    (_request(10, 1, b"\0\4warm\0"), _error_at(8, 0)),
    (_request(10, 1, b"\0\4warm\1"), _error_at(8, 0)),
    # Heartbeat v0: UNKNOWN_MEMBER_ID comes from a coordinator that is loaded.
    (_request(12, 0, b"\0\4warm" + struct.pack(">i", 0) + b"\0\1m"), _error_at(4, 25)),
    # InitProducerId v0 without a transactional id: the first block of producer ids is there.
    (_request(22, 0, struct.pack(">hi", -1, 1000)), _error_at(8, 0)),
]


def _answers(port: int, request: bytes, is_good: Callable[[bytes], bool]) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=10) as stream, stream.makefile("rb") as reading:
            stream.sendall(request)
            prefix = reading.read(4)
            if len(prefix) < 4:
                return False
            return is_good(reading.read(struct.unpack(">i", prefix)[0]))
    except (OSError, struct.error):
        return False


def _tail(log: bytes) -> str:
    return "\n".join(log.decode(errors="replace").splitlines()[-20:])


def _join_directory(first: Path, directory: Path) -> None:
    """Make `directory` one more of the broker whose formatted one is `first`; Kafka gives it an id."""
    directory.mkdir(exist_ok=True)
    lines = (first / "meta.properties").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("directory.id"))
    (directory / "meta.properties").write_text(text)
