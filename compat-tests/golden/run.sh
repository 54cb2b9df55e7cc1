#!/bin/sh
# Makes tests/vectors/golden/ anew, with Kafka's own classes from Maven Central. Needs Java 17 and Maven.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out="$here/../../tests/vectors/golden"
cache="${KWIRE_CACHE:-$HOME/.cache/kwire}/jars"
mkdir -p "$cache" "$out"

jar() {  # group artifact version
    [ -f "$cache/$2-$3.jar" ] || mvn -q -B dependency:copy "-Dartifact=$1:$2:$3" "-DoutputDirectory=$cache" >&2
    echo "$cache/$2-$3.jar"
}

slf4j=$(jar org.slf4j slf4j-api 1.7.36)
for version in 3.9.2 4.4.0; do
    clients=$(jar org.apache.kafka kafka-clients "$version")
    java -cp "$clients:$slf4j" "$here/Golden.java" "$out/clients-$version.jsonl.gz" \
        "$clients" org.apache.kafka.common.message
done
group=$(jar org.apache.kafka kafka-group-coordinator 4.4.0)
transaction=$(jar org.apache.kafka kafka-transaction-coordinator 4.4.0)
share=$(jar org.apache.kafka kafka-share-coordinator 4.4.0)
metadata=$(jar org.apache.kafka kafka-metadata 4.4.0)
java -cp "$clients:$slf4j:$group:$transaction:$share:$metadata" "$here/Golden.java" "$out/records-4.4.0.jsonl.gz" \
    "$group" org.apache.kafka.coordinator.group.generated \
    "$transaction" org.apache.kafka.coordinator.transaction.generated \
    "$share" org.apache.kafka.coordinator.share.generated \
    "$metadata" org.apache.kafka.common.metadata
