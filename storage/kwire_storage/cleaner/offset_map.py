"""The newest offset of each key, in bounded memory (Kafka: SkimpyOffsetMap).

Kafka keeps an MD5 of each key, so that somebody who makes two keys with the same one deletes the other's
records. Here short keys are kept as they are and long ones as a SHA-256, told apart by their length.

What is copied was gone through for its keys a moment ago; so that this is not done twice, a byte for each
offset says which records are the newest of their keys, as far as offsets lie close to each other.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

BYTES_AN_ENTRY = 136
"""Of a dict that is about to grow: a key of 16 to 31 bytes, an offset, and both dicts' tables."""
LONGEST_KEPT = 32

LEAST_MARKS = 1 << 16

_NEVER = 1 << 63
_DEAD, _LIVE, _UNKNOWN = 0, 1, 2


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
        self._marks = bytearray()
        """A byte for each offset since `_marked_from`: `_UNKNOWN`, `_DEAD`, or `_LIVE` once `_is_told`."""
        self._marked_from = -1
        self._most_marks = max(LEAST_MARKS, memory_bytes // 16)
        self._is_told = False

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def has_room(self, count: int) -> bool:
        """Whether `count` records surely fit. An empty map takes as many as come, so that it goes on."""
        return len(self) + count <= self.most or not len(self)

    def put(self, keys: Sequence[bytes | None], offsets: Sequence[int]) -> None:
        """Add records with ascending offsets, above all others'."""
        self._offsets.update(zip(_short(keys), offsets, strict=True))
        self._offsets[None] = _NEVER

    def remember(self, base_offset: int, count: int) -> None:
        """The records of a batch were put in; their offsets count up from its base, and each has a value, so
        that `newest_in` may answer for it.
        """
        if not self._marks:
            self._marked_from = base_offset
        gap = base_offset - self._marked_from - len(self._marks)
        if gap >= 0 and len(self._marks) + gap + count <= self._most_marks:
            if gap:
                self._marks += bytes((_UNKNOWN,)) * gap
            self._marks += bytes(count)

    def newest_in(self, base_offset: int, count: int) -> bytearray | None:
        """Of a batch that was remembered: 1 for each record than which none that was put in is newer, else 0.
        None for other batches. To be asked when all has been put in.
        """
        begin = base_offset - self._marked_from
        if begin < 0 or begin + count > len(self._marks):
            return None
        if not self._is_told:
            self._tell()
        marks = self._marks[begin : begin + count]
        return None if _UNKNOWN in marks else marks

    def _tell(self) -> None:
        self._is_told = True
        marks, first, behind = self._marks, self._marked_from, self._marked_from + len(self._marks)
        for offset in self._offsets.values():
            if first <= offset < behind and marks[offset - first] == _DEAD:
                marks[offset - first] = _LIVE

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
