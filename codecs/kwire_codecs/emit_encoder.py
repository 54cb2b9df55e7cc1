"""Writes the source of an encoder. See compile.py for the rules that it keeps."""

from __future__ import annotations

import struct
from typing import Any

from .emit import FIXED, Emitter, Paths, has_records, root_of, struct_of
from .errors import ErrorCode
from .runtime import MAX_STRING, Bad, put_tags, put_uvarint
from .wire import Chunks, Encoded, Field, Root, Struct


class _EncoderEmitter(Emitter):
    """Emits the writing of a struct: `out` is being filled; `parts` and `size` are there for records."""

    def __init__(self, version: int, flexible: bool) -> None:
        super().__init__(version, flexible)
        self.run: list[tuple[str, str, str]] = []

    def flush(self) -> None:
        if self.run:
            self.pack(self.run)
            self.run = []

    def pack(self, run: list[tuple[str, str, str]], condition: str = "") -> None:
        """Write fields of fixed size at one go."""
        layout = struct.Struct(">" + "".join(code for code, _, _ in run))
        pack = self.layouts.setdefault(layout.format, f"pack{len(self.layouts)}")
        self.names.setdefault(pack, layout.pack)
        self.line(f"{condition}out += {pack}({', '.join(value for _, value, _ in run)})")
        self.paths[len(self.lines)] = [(0, path) for _, _, path in run]

    def length(self, k: int, kind: str, path: str) -> None:
        """Write a compact length; its byte, if it is but one, comes with the fields before it."""
        run, self.run = self.run, []
        if run:
            self.pack([*run, ("B", f"n{k} + 1", path)], f"if n{k} < 127: ")
        else:
            self.line(f"if n{k} < 127: out.append(n{k} + 1)")
        if kind == "string":
            self.line(
                f"elif n{k} > {MAX_STRING}: raise Bad(f'{{n{k}}} bytes are too many for a string')", path
            )
        self.line("else:")
        self.indent += 1
        if run:
            self.pack(run)
        self.line(f"put_uvarint(out, n{k} + 1)")
        self.indent -= 1

    def struct(self, cls: type[Struct], source: str, path: str) -> None:
        self.enter()
        tagged = []
        for field in cls.__fields__:
            value, where = f"{source}.{field.name}", f"{path}{field.name}"
            if self.version not in field.versions:
                if not field.ignorable:
                    self.line(f"if {self.differs(field, value)}: raise Bad(f'{{{value}!r}} in a field "
                              f"that exists only in {field.versions}')", where)  # fmt: skip
            elif field.tag is not None:
                tagged.append(field)
            else:
                self.field(field, value, where)
        if self.flexible:
            self.tags(tagged, source, path)
        else:
            self.line(
                f"if {source}.unknown_tags: raise Bad('tagged fields in a version that has none')", path
            )
        self.depth -= 1

    def differs(self, field: Field, value: str) -> str:
        """The condition under which a field does not hold its default."""
        default = field.make_default()
        if default is None:
            return f"{value} is not None"
        if isinstance(default, list):
            return f"{value} is None or {value}" if field.null.first <= field.null.last else value
        if isinstance(default, bool):
            return f"not {value}" if default else value
        if isinstance(default, Struct):
            name = self.default(field)
            return f"{value} is not {name} and {value} != {name}"
        return f"{value} != {self.default(field)}"

    def tags(self, tagged: list[Field], source: str, path: str) -> None:
        k = self.unique()
        for field in sorted(tagged, key=lambda field: field.tag or 0):
            self.flush()
            value, where = f"{source}.{field.name}", f"{path}{field.name}"
            if field is min(tagged, key=lambda field: field.tag or 0):
                self.line(f"t{k} = None")
            self.line(f"if {self.differs(field, value)}:", where)
            self.indent += 1
            self.line(f"if t{k} is None: t{k} = {{}}")
            self.line(f"o{k} = out")
            self.line(f"t{k}[{field.tag}] = out = bytearray()")
            if field.kind == "struct" and self.version in field.null:
                self.line(f"if {value} is None: out.append(0)")
                self.line("else:")
                self.indent += 1
                self.line("out.append(1)")
                self.value(field, value, where)
                self.flush()
                self.indent -= 1
            else:
                self.field(field, value, where)
                self.flush()
            self.line(f"out = o{k}")
            self.indent -= 1
        self.flush()
        if tagged:
            self.line(f"if t{k} is None and not {source}.unknown_tags: out.append(0)")
            self.line(f"else: put_tags(out, t{k}, {source}.unknown_tags)", f"{path}tagged fields")
        else:
            self.line(f"if not {source}.unknown_tags: out.append(0)")
            self.line(f"else: put_tags(out, None, {source}.unknown_tags)", f"{path}tagged fields")

    def field(self, field: Field, value: str, path: str) -> None:
        if field.kind == "struct" and self.version in field.null:
            self.flush()
            self.line(f"if {value} is None: out.append(255)")
            self.line("else:")
            self.indent += 1
            self.line("out.append(1)")
            self.value(field, value, path)
            self.flush()
            self.indent -= 1
        else:
            self.value(field, value, path)

    def value(self, field: Field, value: str, path: str) -> None:
        if field.kind in FIXED:
            self.run.append((FIXED[field.kind][0], f"{value}.bytes" if field.kind == "uuid" else value, path))
        elif field.kind == "struct":
            inner = f"v{self.unique()}"
            self.line(f"{inner} = {value}")
            self.struct(struct_of(field), inner, f"{path}.")
        else:
            self.sized(field, value, path)

    def sized(self, field: Field, value: str, path: str) -> None:
        k = self.unique()
        null = self.version in field.null
        self.line(f"x{k} = {value}")
        empty = "()" if field.kind == "array" else "b''"
        measure = {
            "string": f"x{k} = x{k}.encode(); n{k} = len(x{k})",
            "bytes": f"n{k} = len(x{k})",
            "array": f"n{k} = len(x{k})",
            "records": f"n{k} = x{k}.size if type(x{k}) is Chunks else len(x{k})",
        }[field.kind]
        if null:
            self.line(f"if x{k} is None: n{k} = -1; x{k} = {empty}")
            self.line(f"else: {measure}", path)
        else:
            self.line(measure, path)
        if self.compact(field):
            self.length(k, field.kind, path)
        else:
            self.run.append(("h" if field.kind == "string" else "i", f"n{k}", path))
        if field.kind == "array":
            self.array(field, path, k)
        elif field.kind == "records":
            self.flush()
            self.line(f"if n{k} > 0:")
            self.line(f"    size += len(out) + n{k}")
            self.line(f"    if type(x{k}) is Chunks: parts += x{k}.parts")
            self.line(f"    else: parts.append(x{k})")
            self.line("    out = bytearray()")
            self.line("    parts.append(out)")
        else:
            self.flush()
            self.line(f"if n{k} > 0: out += x{k}", path)

    def array(self, field: Field, path: str, k: int) -> None:
        element = field.element
        self.flush()
        if isinstance(element, type):
            if field.reusable:
                self.line(f"if type(x{k}) is Encoded: out += x{k}.data; x{k} = ()", path)
            self.line(f"for v{k} in x{k}:", path)
            self.indent += 1
            self.struct(element, f"v{k}", f"{path}[].")
            self.flush()
            self.indent -= 1
        elif element is not None and element.kind in FIXED and element.kind != "uuid":
            self.line(f"out += pack_many(f'>{{len(x{k})}}{FIXED[element.kind][0]}', *x{k})", path)
        else:
            assert element is not None
            self.line(f"for y{k} in x{k}:", path)
            self.indent += 1
            self.value(element, f"y{k}", f"{path}[]")
            self.flush()
            self.indent -= 1


def encoder_source(
    cls: type[Struct], version: int, root: Root | None = None
) -> tuple[str, dict[str, Any], Paths]:
    """The source of an encoder, the names that it needs, and which of its lines writes which field. A part of
    a message needs to be told what message it is in.
    """
    root = root or root_of(cls)
    if version not in root.versions:
        raise ValueError(f"{root.label} has the versions {root.versions}, not {version}")
    emit = _EncoderEmitter(version, version in root.flexible)
    emit.names.update(
        Bad=Bad,
        Chunks=Chunks,
        Encoded=Encoded,
        NO_ERROR=ErrorCode.NONE,
        FAULTS=(Bad, struct.error, UnicodeEncodeError, AttributeError, TypeError),
        pack_many=struct.pack,
        put_tags=put_tags,
        put_uvarint=put_uvarint,
    )
    emit.indent = 0
    emit.line("def encode(v0, out, parts):")
    emit.indent = 1
    spliced = has_records(cls, version)
    if spliced:
        emit.line("size = 0")
    emit.line("try:")
    emit.indent = 2
    emit.struct(cls, "v0", "")
    emit.flush()
    if spliced:
        emit.line("if not out: parts.pop()")
    emit.line("return size + len(out)" if spliced else "return len(out)")
    emit.indent = 1
    emit.line("except FAULTS as failure:")
    emit.line("    raise fault(failure) from failure")
    return "\n".join(emit.lines) + "\n", emit.names, emit.paths
