"""From a declaration and a version to functions: source is written on first use, compiled and kept.

Rules of what is generated: adjacent fields of fixed size travel in one struct.Struct; every length is checked
against what is left before it is used; an array's count times its smallest element must fit what is left; a
message holds at most a million elements of arrays and tagged fields; each byte is looked at a bounded number
of times. A decoder raises `Malformed` and nothing else, an encoder `NotEncodable`.

The generated lines carry no names for error messages: when one fails, its line number tells the field and its
frame's loop counters tell the indices, so saying where costs nothing until it is needed. The source is in
linecache, so tracebacks and pdb show it; `python -m kwire_codecs heartbeat 4` prints it.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

from .emit import Paths, root_of
from .emit_decoder import decoder_source
from .emit_encoder import encoder_source
from .errors import Malformed, NotEncodable
from .runtime import Bad
from .wire import Buffer, Root, Struct

S = TypeVar("S", bound=Struct)

_decoders: dict[tuple[type[Struct], int, bool], Callable[..., Any]] = {}
_writers: dict[tuple[type[Struct], int], Callable[..., int]] = {}
_encoders: dict[tuple[type[Struct], int], Callable[..., list[Buffer]]] = {}


def decoder(cls: type[S], version: int) -> Callable[[Buffer], S]:
    """The function that reads a whole `cls` of `version` from a buffer, with nothing left over.

    Fields of type records come back as memoryviews on that buffer. Raises Malformed; `decoder` itself raises
    ValueError for a version that the message doesn't have.
    """
    found = _decoders.get((cls, version, True))
    return found if found is not None else _compile_decoder(cls, version, whole=True)


def decoder_at(cls: type[S], version: int) -> Callable[[Buffer, int], tuple[S, int]]:
    """Like `decoder`, but reads from a position, and returns the `cls` and where it ends."""
    found = _decoders.get((cls, version, False))
    return found if found is not None else _compile_decoder(cls, version, whole=False)


def encoder(cls: type[S], version: int) -> Callable[[S], list[Buffer]]:
    """The function that turns a `cls` into buffers in `version`: small things joined, records by reference.

    The parts of Chunks come out as they went in. Raises NotEncodable for a value that doesn't fit its field,
    and for one that is not the default in a field that the version lacks (unless the field is ignorable).
    """
    found = _encoders.get((cls, version))
    if found is not None:
        return found
    write = writer(cls, version)

    def encode(message: S) -> list[Buffer]:
        out = bytearray()
        parts: list[Buffer] = [out]
        write(message, out, parts)
        return parts

    _encoders[cls, version] = encode
    return encode


def writer(cls: type[S], version: int) -> Callable[[S, bytearray, list[Buffer]], int]:
    """The bare function under `encoder`: writes onto `out`, which must be the last of `parts`.

    Appends to `parts` whatever must follow `out`, and returns the size of it all in bytes.
    """
    return _writers.get((cls, version)) or _compile_writer(cls, version, root_of(cls))


def encode_bytes(message: Struct, version: int) -> bytes:
    """`message` in one piece, for where speed is no matter. Chunks must hold buffers here."""
    return b"".join(encoder(type(message), version)(message))


def element_encoder(message: type[Struct], cls: type[S], version: int) -> Callable[[S], bytearray]:
    """The function that encodes one element of an array somewhere in `message`, without records, as it
    travels in `version`: what `Encoded` is made of. It raises NotEncodable.
    """
    root = root_of(message)
    write = _writers.get((cls, version)) or _compile_writer(cls, version, root)

    def encode(element: S) -> bytearray:
        out = bytearray()
        write(element, out, [out])
        return out

    return encode


def _compile_writer(cls: type[Struct], version: int, root: Root) -> Callable[..., int]:
    source, names, paths = encoder_source(cls, version, root)
    names["fault"] = _encoding_fault(root, version, paths)
    made = _compile(f"encode {cls.__qualname__} v{version}", source, names, "encode")
    _writers[cls, version] = made
    return made


def _compile_decoder(cls: type[Struct], version: int, whole: bool) -> Callable[..., Any]:
    source, names, paths = decoder_source(cls, version, whole)
    names["fault"] = _decoding_fault(root_of(cls), version, paths)
    made = _compile(f"decode {cls.__qualname__} v{version}{'' if whole else ' at'}", source, names, "decode")
    _decoders[cls, version, whole] = made
    return made


def _compile(title: str, source: str, names: dict[str, Any], function: str) -> Callable[..., Any]:
    filename = f"<kwire {title}>"
    exec(compile(source, filename, "exec"), names)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return cast(Callable[..., Any], names[function])


def _decoding_fault(root: Root, version: int, paths: Paths) -> Callable[[Exception], Malformed]:
    def fault(failure: Exception) -> Malformed:
        where = cast(TracebackType, failure.__traceback__)
        local = where.tb_frame.f_locals
        fields = paths.get(where.tb_lineno, [(0, "")])
        left = local["end"] - local["p"]
        path = next((path for end, path in fields if end > left), fields[-1][1])
        if isinstance(failure, Bad):
            reason = str(failure)
        elif isinstance(failure, UnicodeDecodeError):
            reason = f"not UTF-8 ({failure.reason})"
        else:
            reason = "the message ends early"
        return Malformed(root.label, version, _with_indices(path, local), reason)

    return fault


def _with_indices(path: str, local: dict[str, Any]) -> str:
    """`topics[i3].name` with the loop counters' values in place of their names."""
    pieces = path.split("[")
    for at, piece in enumerate(pieces[1:], 1):
        counter, bracket, rest = piece.partition("]")
        pieces[at] = f"{local.get(counter, '')}{bracket}{rest}"
    return "[".join(pieces).rstrip(".")


def _encoding_fault(root: Root, version: int, paths: Paths) -> Callable[[Exception], NotEncodable]:
    def fault(failure: Exception) -> NotEncodable:
        where = cast(TracebackType, failure.__traceback__)
        fields = paths.get(where.tb_lineno, [(0, "")])
        path = ", ".join(path for _, path in fields)
        return NotEncodable(root.label, version, path, str(failure))

    return fault
