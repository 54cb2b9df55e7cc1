#!/usr/bin/env bash
# Runs the scenarios with three releases of kafka-clients, or those in KAFKA_CLIENTS. `fast` is the newest alone,
# without the longer scenarios. README.md says how to choose the broker; arguments go to mvn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../support/java/suite.sh
newest=4.4.0
releases=(${KAFKA_CLIENTS:-2.6.2 3.9.2 $newest})
[[ " ${maven[*]} " != *" -Dleft.out=slow "* ]] || releases=("${KAFKA_CLIENTS:-$newest}")
for release in "${releases[@]}"; do
    echo "compat-tests/java: kafka-clients $release"
    rm -rf "target/$release/surefire-reports"
    cannot=none
    [[ $release == 4.* ]] || cannot='**/ConsumerProtocolTest.java'
    # A folder for each: classes compiled for one release don't run on another.
    "${maven[@]}" test "-Dkafka.version=$release" "-DbuildFolder=target/$release" "-Dcannot.compile=$cannot"
    ran+=("$release=target/$release/surefire-reports")
done
check_tests "${ran[@]}"
