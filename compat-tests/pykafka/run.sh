#!/usr/bin/env bash
# Runs pykafka's scenarios; arguments go to pytest.  ../support/README.md says how to choose the broker.
# Twice, in two processes: pykafka keeps the API versions that its first client chose for the life of the process,
# so that a second client with another broker_version would not send what it should.
# PYKAFKA_BROKER_VERSION=0.9.0 runs one of the two alone.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$folder/../support/venv.sh"
status=0
for version in ${PYKAFKA_BROKER_VERSION:-0.9.0 0.10.2}; do
    (PYKAFKA_BROKER_VERSION=$version run_suite "$folder" "$@") || status=$?
done
exit "$status"
