#!/usr/bin/env bash
# Runs this client's scenarios; README.md says what the arguments are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v cargo >/dev/null || rustc --version | grep -qE ' 1\.([0-9]|[1-7][0-9]|8[0-4])\.'; then
    echo "compat-tests/rust: skipped, it needs cargo and Rust 1.85 or later; here is $(rustc --version 2>&1 || true)"
    [ "${CI:-}" != true ]
    exit
fi
python=${KWIRE_PYTHON:-}
[ -n "$python" ] || { python=$PWD/../../.venv/bin/python && [ -x "$python" ]; } || python=python3
export KWIRE_PYTHON=$python PYTHONDONTWRITEBYTECODE=1
export CARGO_TARGET_DIR=${KWIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kwire}/rust
lists=() words=()
for argument in "$@"; do
    case $argument in
    --strict-ids | --write-allow) lists+=("$argument") ;;
    *) words+=("$argument") && lists=(--part) ;;
    esac
done
cargo build --quiet --locked --tests
{ cargo test --locked --no-fail-fast --tests -- --test-threads 8 "${words[@]}" 2>&1 || true; } \
    | PYTHONPATH=../support "$python" -m compat.cargo_ids . "${lists[@]}"
