#!/usr/bin/env bash
# Runs this client's scenarios; arguments go to pytest.  ../support/README.md says how to choose the broker.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! command -v "${KCAT:-kcat}" >/dev/null; then
    echo "compat-tests/kcat: skipped, there is no kcat on this machine (Debian's package kcat)"
    [ "${CI:-}" != true ]
    exit
fi
. "$folder/../support/venv.sh"
run_suite "$folder" "$@"
