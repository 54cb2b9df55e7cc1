#!/usr/bin/env bash
# Runs Kafka Streams' and Connect's scenarios with two releases, or those in KAFKA_STREAMS; `fast` is the newest alone,
# without the longer ones. README.md says how to choose the broker; arguments go to mvn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../support/java/suite.sh
newest=4.3.1
releases=(${KAFKA_STREAMS:-3.9.2 $newest})
[[ " ${maven[*]} " != *" -Dleft.out=slow "* ]] || releases=("${KAFKA_STREAMS:-$newest}")
for release in "${releases[@]}"; do
    echo "compat-tests/connect-streams: Kafka Streams and Connect $release"
    rm -rf "target/$release/surefire-reports"
    "${maven[@]}" test "-Dkafka.version=$release" "-DbuildFolder=target/$release"
    ran+=("$release=target/$release/surefire-reports")
done
check_tests "${ran[@]}"
