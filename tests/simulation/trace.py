"""What happened in a run, in order: hashed always, written out where somebody wants to read it."""

from __future__ import annotations

import hashlib
from typing import TextIO

import trio


class Trace:
    """One line an event, with trio's time. Lines must not tell addresses or hashes of objects."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._hash = hashlib.blake2b(digest_size=12)
        self.events = 0

    def note(self, text: str) -> None:
        """Adds an event."""
        line = f"{trio.current_time():.6f} {text}\n"
        self._hash.update(line.encode(errors="backslashreplace"))
        self.events += 1
        if self._file is not None:
            self._file.write(line)

    @property
    def hash(self) -> str:
        """Of all events so far."""
        return self._hash.hexdigest()
