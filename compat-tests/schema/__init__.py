"""kwire's message declarations against Apache Kafka's own, and against another implementation's."""
