#!/usr/bin/env bash
# Runs the scenarios with three releases of kafka-clients, or those in KAFKA_CLIENTS; README.md says how to choose the
# broker. Arguments go to mvn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then
    echo "compat-tests/java: skipped, there is no JDK or no Maven on this machine (Debian: openjdk-17-jdk-headless maven)"
    [ "${CI:-}" != true ]
    exit
fi
if [ -z "${KWIRE_PYTHON:-}" ] && [ -x ../../.venv/bin/python ]; then
    KWIRE_PYTHON=$PWD/../../.venv/bin/python
    export KWIRE_PYTHON
fi
for release in ${KAFKA_CLIENTS:-2.6.2 3.9.2 4.4.0}; do
    echo "compat-tests/java: kafka-clients $release"
    # A folder for each, outside the checkout's src: classes compiled for one release don't run on another.
    mvn -q -B test "-Dkafka.version=$release" "-DbuildFolder=target/$release" "$@"
done
