"""The newest offset of each key, in bounded memory (Kafka: SkimpyOffsetMap).

Kafka keeps an MD5 of each key, so that somebody who makes two keys with the same one deletes the other's
records. Here short keys are kept as they are and long ones as a SHA-256, told apart by their length.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

BYTES_AN_ENTRY = 136
"""Of a dict that is about to grow: a key of 16 to 31 bytes, an offset, and both dicts' tables."""
LONGEST_KEPT = 32

_NEVER = 1 << 63


@cache
def _sha256() -> Callable[[bytes], "hashlib._Hash"]:
    import hashlib  # with OpenSSL, which a broker's start does without

    return hashlib.sha256


def _digest(key: bytes | None) -> bytes | None:
    if key is None or len(key) <= LONGEST_KEPT:
        return key
    return _sha256()(key).digest() + b"#"


class OffsetMap:
    """Keys and their newest offsets, of at most as many keys as `memory_bytes` are meant for."""

    def __init__(self, memory_bytes: int, load_factor: float = 0.9) -> None:
        self.most = max(1, int(memory_bytes * load_factor) // BYTES_AN_ENTRY)
        self.end_offset = -1
        """Everything below has been put in."""
        self._offsets: dict[bytes | None, int] = {None: _NEVER}

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def has_room(self, count: int) -> bool:
        """Whether `count` records surely fit. An empty map takes as many as come, so that it goes on."""
        return len(self) + count <= self.most or not len(self)

    def put(self, keys: Sequence[bytes | None], offsets: Sequence[int]) -> None:
        """Add records with ascending offsets, above all others'."""
        self._offsets.update(zip(_short(keys), offsets, strict=True))
        self._offsets[None] = _NEVER

    def newest(self, keys: Sequence[bytes | None], offsets: Sequence[int]) -> list[bool]:
        """Of each record, whether none that was put in is newer. Those without a key are not kept."""
        newest_of = self._offsets.get
        return [newest_of(key, -1) <= at for key, at in zip(_short(keys), offsets, strict=True)]


def _short(keys: Sequence[bytes | None]) -> Sequence[bytes | None]:
    try:
        if not keys or max(map(len, keys)) <= LONGEST_KEPT:  # type: ignore[arg-type]
            return keys
    except TypeError:  # there are some without a key
        pass
    return list(map(_digest, keys))
