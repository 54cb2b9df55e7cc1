"""How fast compacted topics are cleaned, beside Apache Kafka."""
