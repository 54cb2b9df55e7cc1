#!/usr/bin/env bash
# Compares kwire's assignors, targets, reconciliation and regular expressions with Kafka's own classes, at random,
# for some seconds. Arguments go to compare.py (--write makes tests/vectors/assignors/ anew). Needs Java 17, and
# Maven once; the jars are kept in $KWIRE_CACHE (or ~/.cache/kwire). PYTHON=... chooses an interpreter with kwire's
# dependencies.
set -euo pipefail
exec "${PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/compare.py" "$@"
