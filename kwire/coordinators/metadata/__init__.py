"""The cluster's metadata, without I/O: an immutable image, records that change it, and operations on it."""
