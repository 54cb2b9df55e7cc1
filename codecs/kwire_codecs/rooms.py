"""Room for bytes that are about to be received, got from the system as cheaply as it gives memory.

Rules: what a room holds beyond the bytes that it begins with is undefined, what some other buffer once held
say, so nobody may see it before it has been received. Zeros would cost about a tenth of a large produce: a
whole pass over memory that the next call overwrites.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable
from functools import cache
from typing import cast

from .wire import Buffer

Room = bytearray | mmap.mmap

MAPPED_BYTES = 8 << 20
"""A room of this much is mapped. The C library takes such sizes from the system anew each time, in pages of
4 KiB, and each page costs more than receiving into it does; a mapping may ask for large ones.
"""
_HUGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", None)


def room(size: int, start: Buffer | mmap.mmap) -> Room:
    """Writable, of `size` bytes, and begins with those of `start`. OSError or MemoryError when there is no
    memory.
    """
    made: Room = _mapped(size) if size >= MAPPED_BYTES and _HUGE_PAGES is not None else _unset()(size)
    with memoryview(made) as view:
        view[: len(start)] = start
    return made


def _mapped(size: int) -> mmap.mmap:
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if _HUGE_PAGES is not None:
        with contextlib.suppress(OSError):  # a system without large pages gives small ones
            mapped.madvise(_HUGE_PAGES)
    return mapped


@cache
def _unset() -> Callable[[int], bytearray]:
    """What makes a bytearray of some size and writes nothing into it, as CPython does for a NULL.

    ctypes is loaded when the first large frame comes, not at the start. A Python without that API gives
    zeros.
    """
    try:
        import ctypes

        make = ctypes.pythonapi.PyByteArray_FromStringAndSize
    except (ImportError, AttributeError):
        return bytearray
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t]
    return lambda size: cast(bytearray, make(None, size))
