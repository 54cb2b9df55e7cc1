#!/usr/bin/env bash
# kwire run around the test commands of several languages.  KWIRE_PYTHON=... chooses the interpreter that has kwire.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${KWIRE_PYTHON:-python3}
failures=0
options=()
check() { # NAME TOOL EXPECTED-EXIT-CODE FOLDER COMMAND...
    local name=$1 tool=$2 expected=$3 folder=$4 code
    shift 4
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: $name: there is no $tool on this machine"
        return
    fi
    (cd "$folder" && "$python" -m kwire run "${options[@]}" -- "$@")
    code=$?
    if [ "$code" = "$expected" ]; then
        echo "passed: $name"
    else
        echo "FAILED: $name: exit code $code, not $expected"
        failures=$((failures + 1))
    fi
}
check "pytest" "$python" 0 python "$python" -m pytest -q -p no:cacheprovider -c /dev/null broker_test.py
check "pytest's exit code for no tests" "$python" 5 python "$python" -m pytest -q -p no:cacheprovider -c /dev/null -k nothing broker_test.py
check "go test" go 0 go go test -count=1 ./...
check "npm test" npm 0 node npm test --silent
check "mvn test" mvn 0 maven mvn -q -B --no-transfer-progress test
check "mvn's exit code for no project" mvn 1 go mvn -q -o validate
options=(--brokers 3 --set num.partitions=6)
check "pytest, with three brokers" "$python" 0 python "$python" -m pytest -q -p no:cacheprovider -c /dev/null broker_test.py
exit $((failures > 0))
