"""What tests do to files that a log has written."""

from pathlib import Path


def flip(path: Path, at: int, mask: int = 0xFF) -> None:
    """Turns bits of the byte at a position over; in a batch that begins the file, byte 70 is a record's."""
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)
