"""What importing trio brings along and a broker never uses, put off until somebody asks for it.

Rules: only modules that trio imports whole (`import ssl`) and that nothing of kwire needs, and no packages,
of which somebody may want a part. In the place of each stands a module that becomes the real one at the first
question put to it, so that nobody can tell but by the time it takes. What is imported already stays.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

UNUSED: Final = ("ssl", "hmac", "subprocess")
"""OpenSSL's libraries, which ssl and hmac load, are a few megabytes of memory as well."""


class Postponed(ModuleType):
    """Stands for the module of its name, and takes its contents over once one of them is wanted."""

    def __getattr__(self, name: str) -> Any:
        own_name = self.__name__
        if sys.modules.get(own_name) is self:
            del sys.modules[own_name]
        real = importlib.import_module(own_name)
        vars(self).update(vars(real))
        return getattr(real, name)


def postpone(*names: str) -> None:
    """Puts off the import of these modules. Those that are imported already are left alone."""
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = Postponed(name)


def import_trio() -> None:
    """Imports trio without what a broker never uses of it."""
    postpone(*UNUSED)
    with _threads_library_known():
        import trio  # noqa: F401


@contextmanager
def _threads_library_known() -> Iterator[None]:
    """trio looks for the library that names threads, for which Python runs ldconfig and reads its list. On
    Linux its name is known; where it is another one (musl), trio's threads have no names.
    """
    import ctypes.util

    find = ctypes.util.find_library
    if sys.platform == "linux":
        ctypes.util.find_library = lambda name: "libpthread.so.0" if name == "pthread" else find(name)
    try:
        yield
    finally:
        ctypes.util.find_library = find
