"""CRC-32C, by the `crc32c` package's compiled module.

The package's own `__init__` imports importlib.metadata and, with it, the e-mail parser: a tenth of a
broker's start for nothing that is used here. So the extension is loaded by itself where it lies as expected,
and the package is imported like any other where it does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from typing import cast

Crc32c = Callable[..., int]


def _load() -> Crc32c:
    package = PathFinder.find_spec("crc32c")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        for suffix in EXTENSION_SUFFIXES:
            path = os.path.join(folder, f"_crc32c{suffix}")
            if os.path.exists(path):
                loader = ExtensionFileLoader("crc32c._crc32c", path)
                spec = spec_from_file_location("crc32c._crc32c", path, loader=loader)
                if spec is not None:
                    module = module_from_spec(spec)
                    loader.exec_module(module)
                    return cast(Crc32c, module.crc32c)
    from crc32c import crc32c as imported

    return imported


crc32c: Crc32c = _load()
"""`crc32c(data, value=0, gil_release_mode=-1) -> int`: the checksum of a buffer, going on from `value`."""
