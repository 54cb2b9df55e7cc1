"""Apache Kafka's code in a JVM, as its own start scripts run it; compat-tests/oracle has the jars."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

# bin/kafka-run-class.sh: KAFKA_JVM_PERFORMANCE_OPTS.
_PERFORMANCE = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
    "-Dorg.apache.logging.log4j.level=WARN",
)


class JavaMissing(Exception):
    """There is no Java, or the release can't be had; the text says which and why."""


def java_with(version: str, *heap: str) -> list[str]:
    """The command that runs a class of a Kafka release, up to the class's name; `heap` are JVM options.

    Fetches the jars if they aren't in the cache. Raises JavaMissing.
    """
    folder = str(Path(__file__).parents[1] / "compat-tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    jars = importlib.import_module("oracle.jars")
    fetch = cast(Callable[[str], list[Path]], jars.fetch)
    java = cast(Callable[[], str], jars.java)
    try:
        path = os.pathsep.join(str(jar) for jar in fetch(version))
        return [java(), *_PERFORMANCE, *heap, "-cp", path]
    except jars.OracleError as error:
        raise JavaMissing(str(error)) from error
