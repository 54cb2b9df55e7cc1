#!/usr/bin/env bash
# Runs this client's scenarios; README.md says how to choose the broker. Arguments:
#   --strict-ids   fail where the tests and tests.allow differ (also with CI=true)
#   --write-allow  write tests.allow from the tests that there are, run none
#   --install      fetch the client, run none
#   anything else  run only the tests whose name contains it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0] >= 20')" != true ]; then
    echo "compat-tests/kafkajs: skipped, it needs Node 20 or later with npm"
    [ "${CI:-}" != true ]
    exit
fi
if ! cmp -s package-lock.json node_modules/.made-from; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.made-from
fi
[ "${1:-}" != --install ] || exit 0
exec node run.mjs "$@"
