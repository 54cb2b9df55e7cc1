# Sourced by a Go client's run.sh, which has changed into its folder: run_go [--strict-ids | --write-allow | go test options]
#   --strict-ids   fail where the tests and tests.allow differ (also with CI=true)
#   --write-allow  write tests.allow from the tests that there are, run none
# sarama/ids, which needs nothing but Go, reads the results.
run_go() {
    local ids strict=() options=() short=() filtered= argument
    if ! command -v go >/dev/null || go version | grep -qE ' go1\.([0-9]|1[0-9]|20)[. ]'; then
        echo "$PWD: skipped, it needs Go 1.21 or later, which fetches the release that go.mod asks for"
        [ "${CI:-}" != true ]
        return
    fi
    ids=$(mktemp -d)
    trap "rm -rf '$ids'" EXIT
    (cd ../sarama && go build -p 1 -o "$ids/ids" ./ids)
    [ "${CI:-}" != true ] || strict=(-strict)
    for argument in "$@"; do
        case $argument in
            --strict-ids) strict=(-strict) ;;
            --write-allow) "$ids/ids" -write && return ;;
            -short) short=(-short) && options+=("$argument") ;;
            -run*) filtered=yes && options+=("$argument") ;;
            *) options+=("$argument") ;;
        esac
    done
    if [ -n "$filtered" ]; then
        go test -p 1 -count=1 -timeout 10m -parallel 6 "${options[@]}" .
        return
    fi
    go vet .
    { go test -p 1 -json -count=1 -timeout 10m -parallel 6 "${options[@]}" . || true; } | "$ids/ids" "${strict[@]}" "${short[@]}"
}
