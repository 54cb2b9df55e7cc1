#!/usr/bin/env bash
# Runs the Spring program's scenarios: `kwire run` gives them a broker. README.md says how to choose another one;
# arguments go to mvn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../support/java/suite.sh
rm -rf target/surefire-reports
around=("$python" -m kwire run --)
[ -z "${KWIRE_TEST_BOOTSTRAP:-}${KWIRE_TEST_SERVE:-}" ] || around=("$python" -m compat.around)
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
"${around[@]}" "${maven[@]}" test 2>"$said" || status=$?
cat "$said" >&2
if grep -q Traceback "$said"; then
    echo "compat-tests/spring: a fault in the broker's log"
    status=1
fi
check_tests "4.1.1=target/surefire-reports" || status=$?
exit "$status"
