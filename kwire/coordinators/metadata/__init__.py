"""The cluster's metadata, without I/O: the immutable image, the records that change it, the operations on it."""
