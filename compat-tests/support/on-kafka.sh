#!/usr/bin/env bash
# Runs a suite against a real Apache Kafka instead of kwire: support/on-kafka.sh VERSION SUITE [pytest args]
# e.g. support/on-kafka.sh 4.4.0 kafka-python -m fast.  A test that fails here is wrong, whatever kwire does.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=$1 suite=$2
shift 2
authorizer=org.apache.kafka.metadata.authorizer.StandardAuthorizer
export KWIRE_TEST_IS=kafka
export KWIRE_TEST_SERVE="$tests/../scripts/kafka serve --version $version --port {port} --data {data}
    --set authorizer.class.name=$authorizer --set super.users=User:ANONYMOUS;User:alice
    --set allow.everyone.if.no.acl.found=true"
exec "$tests/$suite/run.sh" "$@"
