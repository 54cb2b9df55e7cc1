#!/usr/bin/env bash
# Five clients at work on a cluster of three; arguments go to pytest. README.md says more.
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$folder"
for tool in go java javac mvn npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "compat-tests/three-nodes: skipped, there is no $tool on this machine; it needs Go, a JDK, Maven and Node"
        [ "${CI:-}" != true ]
        exit
    fi
done
cache=${KWIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kwire}
built=$cache/three-nodes
mkdir -p "$built" "$cache/jars"
jar() { # GROUP ARTIFACT VERSION
    [ -f "$cache/jars/$2-$3.jar" ] || mvn -q -B dependency:copy "-Dartifact=$1:$2:$3" "-DoutputDirectory=$cache/jars" >&2
    echo "$cache/jars/$2-$3.jar"
}
jars=$(jar org.apache.kafka kafka-clients 4.4.0):$(jar org.slf4j slf4j-api 1.7.36)
javac -cp "$jars" -d "$built/java" workers/Worker.java
(cd workers/sarama && go build -p 1 -o "$built/sarama" .)
../kafkajs/run.sh --install
export THREE_NODES_SARAMA=$built/sarama THREE_NODES_JAVA=$built/java:$jars
KWIRE_CLIENT_RELEASE=$(sed -nE 's/^((confluent|aio|py)?-?kafka(-python)?)==(.*)/\1 \4,/p' requirements.txt | tr '\n' ' ')
KWIRE_CLIENT_RELEASE+=$(sed -nE 's|^require github.com/IBM/(sarama) v|\1 |p' workers/sarama/go.mod)", kafka-clients 4.4.0"
export KWIRE_CLIENT_RELEASE
. ../support/venv.sh
run_suite "$folder" "$@"
