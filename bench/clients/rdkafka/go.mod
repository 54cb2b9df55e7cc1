// Only names the librdkafka that rdkafka.c is linked with: the module carries it, compiled, with its headers.
module kwire/bench/clients/rdkafka

go 1.26.0

require github.com/confluentinc/confluent-kafka-go/v2 v2.11.1
