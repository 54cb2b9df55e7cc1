"""What the cleaning of a compacted topic does to producers of another one."""
