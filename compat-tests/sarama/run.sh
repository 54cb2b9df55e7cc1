#!/usr/bin/env bash
# Runs this client's scenarios; README.md says how to choose the broker. Arguments go to go test, but for
#   --strict-ids   fail where the tests and tests.allow differ (also with CI=true)
#   --write-allow  write tests.allow from the tests that there are, run none
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v go >/dev/null; then
    echo "compat-tests/sarama: skipped, there is no Go on this machine"
    [ "${CI:-}" != true ]
    exit
fi
if go version | grep -qE ' go1\.([0-9]|1[0-9]|20)[. ]'; then
    echo "compat-tests/sarama: skipped, $(go version) is too old: from 1.21 on, Go fetches the release that go.mod asks for"
    [ "${CI:-}" != true ]
    exit
fi
parallel=12 # the scenarios mostly wait
[ -z "${KWIRE_TEST_SERVE:-}" ] || parallel=6 # Apache Kafka takes its time to start, and several are started
strict=() short=() options=() filtered=
[ "${CI:-}" != true ] || strict=(-strict)
for argument in "$@"; do
    case $argument in
        --strict-ids) strict=(-strict) ;;
        --write-allow) exec go run ./ids -write ;;
        -short) short=(-short) && options+=("$argument") ;;
        -run*) filtered=yes && options+=("$argument") ;;
        *) options+=("$argument") ;;
    esac
done
if [ -n "$filtered" ]; then
    exec go test -count=1 -timeout 15m -parallel $parallel "${options[@]}" .
fi
go vet ./...
go build -o "${TMPDIR:-/tmp}/compat-sarama-ids.$$" ./ids
trap 'rm -f "${TMPDIR:-/tmp}/compat-sarama-ids.$$"' EXIT
{ go test -json -count=1 -timeout 15m -parallel $parallel "${options[@]}" . || true; } \
    | "${TMPDIR:-/tmp}/compat-sarama-ids.$$" "${strict[@]}" "${short[@]}"
