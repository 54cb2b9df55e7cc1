"""Compaction's heavy part: sealed segments in, `.cleaned` files out; knows nothing of open logs."""
