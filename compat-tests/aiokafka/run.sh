#!/usr/bin/env bash
# Runs this client's scenarios; arguments go to pytest.  ../support/README.md says how to choose the broker.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$folder/../support/venv.sh"
run_suite "$folder" "$@"
