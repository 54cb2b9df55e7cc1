#!/usr/bin/env bash
# Compares kwire's declarations with Kafka's message JSON and with kio; arguments go to pytest.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$folder/../support/venv.sh"
run_suite "$folder" "$@"
