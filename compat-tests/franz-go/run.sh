#!/usr/bin/env bash
# Runs this client's scenarios; README.md says how to choose the broker, ../support/gokit/run.sh what the arguments are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../support/gokit/run.sh
run_go "$@"
