"""Fetch a released Apache Kafka from Maven Central into a folder of jars, once per version.

`mvn` resolves a generated pom and copies the jars to `$KWIRE_CACHE/kafka-<version>/jars` (or
`~/.cache/kwire/...`). A folder is complete when its `pom.xml` equals the one that this file generates:
it is written last, so an interrupted download is never taken for a whole one. Only OracleError leaves here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The release whose tools stand in for those of another, which Maven Central lacks. They run on their own
# jars: the 4.3.1 tools do not load with the 4.4.0 clients.
TOOLS_OF = {"4.4.0": "4.3.1"}

_LOG4J2 = [
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
    ("org.apache.logging.log4j", "log4j-core", "2.24.3"),
    ("org.apache.logging.log4j", "log4j-1.2-api", "2.24.3"),
]
_RELOAD4J = [("org.slf4j", "slf4j-reload4j", "1.7.36"), ("ch.qos.reload4j", "reload4j", "1.2.25")]
_LOG4J1 = [("org.slf4j", "slf4j-log4j12", "1.7.30")]
_LOGGING = {2: _LOG4J1, 3: _RELOAD4J, 4: _LOG4J2}


class OracleError(Exception):
    """Kafka could not be fetched or started; the message says why and what to do."""


def major(version: str) -> int:
    """The release line of `version`: 2, 3 or 4."""
    head = version.split(".")[0]
    if not head.isdigit() or int(head) not in _LOGGING:
        raise OracleError(f"don't know how to run Kafka {version}: only 2.x, 3.x and 4.x (for example 4.4.0)")
    return int(head)


def cache_root() -> Path:
    """Where fetched releases are kept between runs."""
    named = os.environ.get("KWIRE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "kwire"


def java() -> str:
    """The `java` to run, from JAVA_HOME or the PATH."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not found:
        raise OracleError(
            "Java is missing: install a JRE of version 17 or later (Debian: openjdk-17-jre-headless)"
        )
    return found


def fetch(version: str) -> list[Path]:
    """The jars of Kafka `version`, in class-path order; downloads them if the cache has none."""
    pom = _pom(version)
    home = cache_root() / f"kafka-{version}"
    marker, folder = home / "pom.xml", home / "jars"
    if not _is_complete(marker, pom):
        mvn = shutil.which("mvn")
        if not mvn:
            raise OracleError(
                f"Kafka {version} is not in {home} and Maven, which would fetch it, is missing: "
                "install it (Debian: apt-get install maven)"
            )
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / "lock"):
            if not _is_complete(marker, pom):  # another process may have fetched it meanwhile
                marker.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                _download(mvn, version, pom, home, folder)
                marker.write_text(pom)
    return sorted(folder.glob("*.jar"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if absent) for the length of the block."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_complete(marker: Path, pom: str) -> bool:
    return marker.exists() and marker.read_text() == pom


def _download(mvn: str, version: str, pom: str, home: Path, folder: Path) -> None:
    wanted = home / "wanted.xml"
    wanted.write_text(pom)
    command = [mvn, "-q", "-B", "-f", str(wanted), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise OracleError(f"Maven could not fetch Kafka {version}:\n{tail}")


def _pom(version: str) -> str:
    if version in TOOLS_OF:
        unpublished = [("org.apache.kafka", "kafka-tools-api")]
        artefacts = [_artefact(("org.apache.kafka", "kafka_2.13", version), unpublished)]
    else:
        names = ("kafka_2.13", "kafka-tools")
        artefacts = [_artefact(("org.apache.kafka", name, version), []) for name in names]
    artefacts += [_artefact(coordinates, []) for coordinates in _LOGGING[major(version)]]
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>kwire.oracle</groupId><artifactId>kafka-{version}</artifactId><version>1</version>
<packaging>pom</packaging>
<dependencies>
{"".join(artefacts)}</dependencies>
</project>
"""


def _artefact(coordinates: tuple[str, str, str], excluded: list[tuple[str, str]]) -> str:
    group, name, version = coordinates
    exclusions = "".join(
        f"<exclusion><groupId>{g}</groupId><artifactId>{a}</artifactId></exclusion>" for g, a in excluded
    )
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
        f"<exclusions>{exclusions}</exclusions></dependency>\n"
    )
