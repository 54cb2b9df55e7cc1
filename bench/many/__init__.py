"""A broker with many partitions and much data."""
