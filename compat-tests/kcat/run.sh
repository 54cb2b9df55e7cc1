#!/usr/bin/env bash
# Runs this client's scenarios; arguments go to pytest.  ../support/README.md says how to choose the broker.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! command -v "${KCAT:-kcat}" >/dev/null; then
    echo "compat-tests/kcat: skipped, there is no kcat on this machine (Debian's package kcat)"
    [ "${CI:-}" != true ]
    exit
fi
KWIRE_CLIENT_RELEASE=$("${KCAT:-kcat}" -V | sed -nE 's/^Version ([0-9.]+).*librdkafka ([0-9.]+).*/\1 (librdkafka \2)/p')
export KWIRE_CLIENT_RELEASE
. "$folder/../support/venv.sh"
run_suite "$folder" "$@"
