#!/usr/bin/env bash
# Runs Kafka's command-line tools against kwire and against Kafka; arguments go to pytest. README.md says more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${KWIRE_PYTHON:-}
[ -n "$python" ] || { python=../../.venv/bin/python && [ -x "$python" ]; } || python=python3
PYTHONDONTWRITEBYTECODE=1 exec "$python" -m pytest -c pytest.ini --rootdir . "$@"
