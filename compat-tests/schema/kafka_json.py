"""Apache Kafka's message definitions, read out of the jars that Maven Central has.

`definitions(release)` gives every message of a release by name, as parsed JSON. A jar is looked for in the
cache (`$KWIRE_CACHE`, else `~/.cache/kwire`: there `jars/` and whatever `scripts/kafka fetch` brought) and
fetched with Maven otherwise. `Unavailable` says what is missing; nothing else leaves here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

JARS = {
    "3.9.2": ("kafka-clients",),
    "4.4.0": (
        "kafka-clients",
        "kafka-group-coordinator",
        "kafka-transaction-coordinator",
        "kafka-share-coordinator",
        "kafka-metadata",
    ),
}


class Unavailable(Exception):
    """A jar is neither in the cache nor to be had."""


@cache
def definitions(release: str) -> dict[str, dict[str, Any]]:
    """Every message definition of a release, by its name."""
    found: dict[str, dict[str, Any]] = {}
    for artefact in JARS[release]:
        with zipfile.ZipFile(_jar(artefact, release)) as jar:
            for member in jar.namelist():
                if re.fullmatch(r"common/(message|metadata)/\w+\.json", member):
                    text = re.sub(r"^\s*//.*$", "", jar.read(member).decode(), flags=re.MULTILINE)
                    definition = json.loads(text)
                    found[definition["name"]] = definition
    return found


def _jar(artefact: str, release: str) -> Path:
    cached = Path(os.environ.get("KWIRE_CACHE") or Path.home() / ".cache" / "kwire")
    file = f"{artefact}-{release}.jar"
    for folder in (cached / "jars", cached / f"kafka-{release}" / "jars"):
        if (folder / file).exists():
            return folder / file
    if not shutil.which("mvn"):
        raise Unavailable(f"{file} is not in {cached} and there is no Maven to fetch it with")
    command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact=org.apache.kafka:{artefact}:{release}"]
    command.append(f"-DoutputDirectory={cached / 'jars'}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (cached / "jars" / file).exists():
        raise Unavailable(f"Maven could not fetch {file}: {(done.stdout + done.stderr).strip()[-300:]}")
    return cached / "jars" / file


if __name__ == "__main__":
    for release in JARS:
        print(f"{release}: {len(definitions(release))} message definitions", file=sys.stderr)
