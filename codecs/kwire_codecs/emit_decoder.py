"""Writes the source of a decoder. See compile.py for the rules that it keeps."""

from __future__ import annotations

import struct
from typing import Any

from .emit import FIXED, Emitter, Paths, has_records, root_of, smallest, smallest_struct, struct_of
from .errors import ErrorCode
from .runtime import (
    CODES,
    MAX_ELEMENTS,
    MAX_STRING,
    UUIDS,
    Bad,
    long_uvarint,
    new,
    too_many,
    unknown_tags,
    wrong_count,
    wrong_length,
)
from .wire import Field, Struct


class _DecoderEmitter(Emitter):
    """Emits the reading of a struct: `b` the buffer, `p` the position, `end` where the buffer ends."""

    def __init__(self, version: int, flexible: bool, views: bool) -> None:
        super().__init__(version, flexible)
        self.text = "str({}, 'utf-8')" if views else "{}.decode()"
        self.copy = "bytes({})" if views else "{}"
        self.run: list[tuple[str, int, str, str]] = []
        self.after: list[str] = []

    def fixed(self, kind: str, target: str, path: str) -> None:
        """Put a field of fixed size into the pending run, which `flush` reads at one go."""
        code, size = FIXED[kind]
        if kind in ("uuid", "error_code"):
            raw = f"x{self.unique()}"
            self.after.append(f"{target} = UUIDS[{raw}]" if kind == "uuid" else f"{target} = CODES[{raw}]")
            target = raw
        self.run.append((code, size, target, path))

    def flush(self) -> None:
        if not self.run:
            return
        layout = struct.Struct(">" + "".join(code for code, _, _, _ in self.run))
        unpack = self.layouts.setdefault(layout.format, f"unpack{len(self.layouts)}")
        self.names.setdefault(unpack, layout.unpack_from)
        targets = ", ".join(target for _, _, target, _ in self.run)
        self.line(f"{targets}{',' if len(self.run) == 1 else ''} = {unpack}(b, p)")
        ends, total = [], 0
        for _, size, _, path in self.run:
            total += size
            ends.append((total, path))
        self.paths[len(self.lines)] = ends
        self.line(f"p += {layout.size}")
        for text in self.after:
            self.line(text)
        self.run, self.after = [], []

    def uvarint(self, target: str, path: str) -> None:
        """Read an unsigned varint; its first byte, mostly its only one, comes with the fields before it."""
        if self.run:
            self.run.append(("B", 1, target, path))
            self.flush()
        else:
            self.line(f"{target} = b[p]", path)
            self.line("p += 1")
        self.line(f"if {target} > 127:")
        self.line(f"    {target}, p = long_uvarint(b, {target}, p)", path)

    def spend(self, count: str, path: str) -> None:
        """Count what memory may be needed for: `left` starts at MAX_ELEMENTS."""
        self.line(f"left -= {count}")
        self.line(f"if left < 0: raise too_many({count})", path)

    def struct(self, cls: type[Struct], into: str, path: str) -> None:
        self.enter()
        self.line(f"{into} = new({self.name('C', cls)})")
        tagged: list[Field] = []
        for field in cls.__fields__:
            target = f"{into}.{field.name}"
            if self.version not in field.versions:
                self.line(f"{target} = {self.default(field)}")
            elif field.tag is not None:
                self.line(f"{target} = {self.default(field)}")
                tagged.append(field)
            else:
                self.field(field, target, f"{path}{field.name}")
        self.line(f"{into}.unknown_tags = None")
        if self.flexible:
            self.tags(cls, into, path, tagged)
        self.depth -= 1

    def tags(self, cls: type[Struct], into: str, path: str, tagged: list[Field]) -> None:
        k = self.unique()
        if not any(field.tag is not None for field in cls.__fields__):
            indent = self.indent
            if not self.run:
                self.line("if not b[p]: p += 1", f"{path}tagged fields")
                self.line("else:")
                self.indent += 1
            self.uvarint(f"n{k}", f"{path}tagged fields")
            self.line(f"if n{k}:")
            self.indent += 1
            self.spend(f"n{k}", f"{path}tagged fields")
            self.line(f"{into}.unknown_tags, p = unknown_tags(b, n{k}, p, end)", f"{path}tagged fields")
            self.indent = indent
            return
        self.uvarint(f"n{k}", f"{path}tagged fields")
        self.line(f"if n{k}:")
        self.indent += 1
        self.spend(f"n{k}", f"{path}tagged fields")
        self.line(f"for _ in range(n{k}):")
        self.indent += 1
        self.uvarint(f"t{k}", f"{path}tagged fields")
        self.uvarint(f"s{k}", f"{path}tagged fields")
        self.line(f"e{k} = p + s{k}")
        self.line(f"if e{k} > end: raise wrong_length(s{k}, end - p)", f"{path}tagged fields")
        word = "if"
        for field in tagged:
            self.line(f"{word} t{k} == {field.tag}:")
            self.indent += 1
            where = f"{path}{field.name}"
            if field.kind == "struct" and self.version in field.null:
                self.uvarint(f"c{k}", where)
                self.line(f"if c{k} == 0: {into}.{field.name} = None")
                self.line("else:")
                self.indent += 1
                self.value(field, f"{into}.{field.name}", where)
                self.flush()
                self.indent -= 1
            else:
                self.field(field, f"{into}.{field.name}", where)
                self.flush()
            self.line(
                f"if p != e{k}: raise Bad(f'the tagged field ends {{p - e{k}:+}} bytes off its size')", where
            )
            self.indent -= 1
            word = "elif"
        for field in cls.__fields__:
            if field.tag is not None and field not in tagged:
                self.line(
                    f"{word} t{k} == {field.tag}: raise Bad('tag {field.tag} is not in this version')",
                    path,
                )
                word = "elif"
        if word == "elif":
            self.line("else:")
            self.indent += 1
        self.line(f"if {into}.unknown_tags is None: {into}.unknown_tags = {{}}")
        self.line(f"{into}.unknown_tags[t{k}] = {self.copy.format(f'b[p:e{k}]')}")
        self.line(f"p = e{k}")
        if word == "elif":
            self.indent -= 1
        self.indent -= 2

    def field(self, field: Field, target: str, path: str) -> None:
        if field.kind == "struct" and self.version in field.null:
            flag = f"c{self.unique()}"
            self.run.append(("b", 1, flag, path))
            self.flush()
            self.line(f"if {flag} < 0: {target} = None")
            self.line("else:")
            self.indent += 1
            self.value(field, target, path)
            self.flush()
            self.indent -= 1
        else:
            self.value(field, target, path)

    def value(self, field: Field, target: str, path: str) -> None:
        if field.kind in FIXED:
            self.fixed(field.kind, target, path)
        elif field.kind == "struct":
            inner = f"v{self.unique()}"
            self.struct(struct_of(field), inner, f"{path}.")
            self.line(f"{target} = {inner}")
        else:
            self.sized(field, target, path)

    def sized(self, field: Field, target: str, path: str) -> None:
        """A string, bytes, records or an array: what its length says, then the rest."""
        null = self.version in field.null
        k = self.unique()
        n = f"n{k}"
        reading = {"array": "", "string": self.text, "bytes": self.copy, "records": "{}"}[field.kind]
        reading = reading.format(f"b[p:e{k}]")
        if self.compact(field):
            self.uvarint(n, path)
            if field.kind != "array" and null:
                self.compact_or_null(field, target, path, k, reading)
                return
            self.line(f"{n} -= 1")
        else:
            self.run.append(("h", 2, n, path) if field.kind == "string" else ("i", 4, n, path))
            self.flush()
        if field.kind == "array":
            self.array(field, target, path, k, null)
            return
        self.line(f"e{k} = p + {n}")
        negative = f"{n} < -1" if null else f"{n} < 0"
        too_long = f" or {n} > {MAX_STRING}" if field.kind == "string" and self.compact(field) else ""
        self.line(f"if {negative} or e{k} > end{too_long}: raise wrong_length({n}, end - p, {null})", path)
        if null:
            self.line(f"if {n} < 0: {target} = None")
            self.line("else:")
            self.indent += 1
        self.line(f"{target} = {reading}", path)
        self.line(f"p = e{k}")
        if null:
            self.indent -= 1

    def compact_or_null(self, field: Field, target: str, path: str, k: int, reading: str) -> None:
        """The rest of a compact string, bytes or records that may be null: `n` is its length and 1, 0 for
        null.
        """
        self.line(f"if n{k}:")
        self.indent += 1
        self.line(f"e{k} = p + n{k} - 1")
        too_long = f" or n{k} > {MAX_STRING + 1}" if field.kind == "string" else ""
        self.line(f"if e{k} > end{too_long}: raise wrong_length(n{k} - 1, end - p, True)", path)
        self.line(f"{target} = {reading}", path)
        self.line(f"p = e{k}")
        self.indent -= 1
        self.line(f"else: {target} = None")

    def array(self, field: Field, target: str, path: str, k: int, null: bool) -> None:
        element = field.element
        if isinstance(element, type):
            least = max(1, smallest_struct(element, self.version, self.flexible))
        else:
            assert element is not None
            least = smallest(element, self.version, self.flexible)
        size = f"n{k} * {least}" if least > 1 else f"n{k}"
        negative = f"n{k} < -1" if null else f"n{k} < 0"
        self.line(f"if {negative} or {size} > end - p: raise wrong_count(n{k}, end - p, {null})", path)
        if null:
            self.line(f"if n{k} < 0: {target} = None")
            self.line("else:")
            self.indent += 1
        if isinstance(element, type):
            self.spend(f"n{k}", path)
            self.line(f"{target} = a{k} = []")
            self.line(f"for i{k} in range(n{k}):")
            self.indent += 1
            self.struct(element, f"v{k}", f"{path}[i{k}].")
            self.flush()
            self.line(f"a{k}.append(v{k})")
            self.indent -= 1
        elif element is not None and element.kind in FIXED and element.kind not in ("uuid", "error_code"):
            code, each = FIXED[element.kind]
            self.spend(f"n{k}", path)
            self.line(f"{target} = list(unpack_many(f'>{{n{k}}}{code}', b, p))", path)
            self.line(f"p += n{k} * {each}" if each > 1 else f"p += n{k}")
        else:
            assert element is not None
            self.spend(f"n{k}", path)
            self.line(f"{target} = a{k} = []")
            self.line(f"for i{k} in range(n{k}):")
            self.indent += 1
            self.value(element, f"x{k}", f"{path}[i{k}]")
            self.flush()
            self.line(f"a{k}.append(x{k})")
            self.indent -= 1
        if null:
            self.indent -= 1


def decoder_source(cls: type[Struct], version: int, whole: bool = True) -> tuple[str, dict[str, Any], Paths]:
    """The source of a decoder, the names that it needs, and which of its lines reads which field."""
    root = root_of(cls)
    if version not in root.versions:
        raise ValueError(f"{root.label} has the versions {root.versions}, not {version}")
    views = has_records(cls, version)
    emit = _DecoderEmitter(version, version in root.flexible, views)
    emit.names.update(
        Bad=Bad,
        CODES=CODES,
        NO_ERROR=ErrorCode.NONE,
        FAULTS=(Bad, IndexError, struct.error, UnicodeDecodeError),
        long_uvarint=long_uvarint,
        new=new,
        UUIDS=UUIDS,
        unknown_tags=unknown_tags,
        unpack_many=struct.unpack_from,
        too_many=too_many,
        wrong_count=wrong_count,
        wrong_length=wrong_length,
    )
    emit.indent = 0
    emit.line(f"def decode(b{'' if whole else ', p'}):")
    emit.indent = 1
    emit.line(f"if type(b) is not {'memoryview: b = memoryview' if views else 'bytes: b = bytes'}(b)")
    emit.line("end = len(b)")
    emit.line(f"left = {MAX_ELEMENTS}")
    if whole:
        emit.line("p = 0")
    emit.line("try:")
    emit.indent = 2
    emit.struct(cls, "v0", "")
    emit.flush()
    if whole:
        emit.line("if p != end: raise Bad(f'{end - p} bytes too many at the end')", "")
        emit.line("return v0")
    else:
        emit.line("return v0, p")
    emit.indent = 1
    emit.line("except FAULTS as failure:")
    emit.line("    raise fault(failure) from None")
    return "\n".join(emit.lines) + "\n", emit.names, emit.paths
