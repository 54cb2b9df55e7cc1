"""What a request costs when there is more of something: partitions, connections, groups, bytes, topics."""
