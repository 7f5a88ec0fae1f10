"""Events as a ring buffer holds them, and the format files that say how to read them.

Each shape of an event (fields.py) is an event type of its own, with a number, and a format as tracefs has it in
`events/SYSTEM/EVENT/format`: where its fields lie, and how its text is made of them. Strings lie behind the fields, and
a field says where (`__data_loc`). A symbol is an address here, which the file's copy of /proc/kallsyms names; these
addresses are made up, one for each name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import attrs

from ...engine.events import Event
from ..catalogue import TABLES
from ..events import one_line
from ..fields import Field, Fields, Kind, Shape, Value
from ..flags import flag_bytes
from ..symbols import Symbols

_FIRST_TYPE: Final = 301
"""Lower ones are the tracer's own."""

_COMMON: Final = struct.Struct("<HBBi")
_COMMON_TEXT: Final = (
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
)
_LONGEST: Final = 3_800
"""Bytes of strings in an event: it has to fit into a page."""

_CODES: Final = {
    Kind.DECIMAL: ("q", "s64 {}", 8, 1),
    Kind.PADDED: ("q", "s64 {}", 8, 1),
    Kind.WORD: ("q", "long {}", 8, 1),
    Kind.HEX: ("Q", "u64 {}", 8, 0),
    Kind.ADDRESS: ("Q", "u64 {}", 8, 0),
    Kind.SYMBOL: ("Q", "void * {}", 8, 0),
    Kind.STRING: ("I", "__data_loc char[] {}", 4, 0),
    Kind.COMM: ("16s", "char {}[16]", 16, 0),
}
"""By kind: struct's code, the declaration, its size, and whether it is signed."""


@attrs.define(eq=False)
class _Type:
    """An event type. `converts`: what makes of a value what is packed; None for a string."""

    number: int
    shape: Shape
    packs: struct.Struct
    converts: tuple[Callable[[Value], object] | None, ...]

    @property
    def has_strings(self) -> bool:
        """One of the fields lies behind them."""
        return None in self.converts

    def text(self) -> str:
        """The format file."""
        lines, offset = [], _COMMON.size
        for field in self.shape.fields:
            _, declared, size, signed = _CODES[field.kind]
            name = declared.format(field.name)
            lines.append(f"\tfield:{name};\toffset:{offset};\tsize:{size};\tsigned:{signed};\n")
            offset += size
        return (
            f"name: {self.shape.name}\nID: {self.number}\nformat:\n{_COMMON_TEXT}\n{''.join(lines)}\n"
            f"print fmt: {_print_format(self.shape)}\n"
        )


def _print_format(shape: Shape) -> str:
    pieces = [piece.replace("%", "%%") for piece in shape.pieces()]
    text = "".join(
        f"{piece}{'%s' if field.kind in (Kind.WORD, Kind.COMM) else field.kind.value}"
        for piece, field in zip(pieces, shape.fields, strict=False)
    )
    return ", ".join([f'"{text}{pieces[-1]}"', *map(_argument, shape.fields)])


def _argument(field: Field) -> str:
    if field.kind is Kind.STRING:
        return f"__get_str({field.name})"
    if field.kind is Kind.WORD:
        words = ", ".join(f'{{ {number}, "{word}" }}' for word, number in TABLES[field.table].items())
        return f"__print_symbolic(REC->{field.name}, {words})"
    return f"REC->{field.name}"


@attrs.define(eq=False)
class Formats:
    """Makes records of events, and knows then of which types they were, which symbols they named, and which tasks.

    What it keeps grows with the machine, not with the trace.
    """

    cut: int = 0
    """Events whose text was too long for a page."""
    comms: dict[int, str] = attrs.field(factory=dict)
    """By pid. A task may change its name, and a trace has one of each: the last."""
    renamed: set[int] = attrs.field(factory=set)
    """Those of which that is so."""
    _fields: Fields = attrs.field(factory=Fields)
    _types: dict[Shape, _Type] = attrs.field(factory=dict)
    _symbols: Symbols = attrs.field(factory=Symbols)

    def record(self, event: Event) -> bytes:
        """The event, without its time."""
        if self.comms.setdefault(event.pid, event.comm) != event.comm:
            self.renamed.add(event.pid)
            self.comms[event.pid] = event.comm
        shape, values = self._fields.of(event)
        kind = self._types.get(shape)
        if kind is None:
            kind = self._types[shape] = self._new_type(shape)
        head = _COMMON.pack(kind.number, *flag_bytes(event.flags), event.pid)
        if kind.has_strings:
            return head + self._with_strings(kind, values)
        packed = [convert(value) for convert, value in zip(kind.converts, values, strict=True) if convert is not None]
        return head + kind.packs.pack(*packed)

    def _with_strings(self, kind: _Type, values: list[Value]) -> bytes:
        """The fields, and the strings behind them."""
        packed: list[object] = []
        behind, at, left = b"", _COMMON.size + kind.packs.size, _LONGEST
        for convert, value in zip(kind.converts, values, strict=True):
            if convert is not None:
                packed.append(convert(value))
                continue
            text = one_line(str(value)).encode(errors="backslashreplace")
            if len(text) > left:
                text = text[:left].decode(errors="ignore").encode()
                self.cut += 1
            left -= len(text)
            packed.append((len(text) + 1) << 16 | at + len(behind))
            behind += text + b"\0"
        return kind.packs.pack(*packed) + behind

    def _new_type(self, shape: Shape) -> _Type:
        converts: list[Callable[[Value], object] | None] = []
        for field in shape.fields:
            if field.kind is Kind.STRING:
                converts.append(None)
            elif field.kind is Kind.SYMBOL:
                converts.append(self._symbols.address_of)
            elif field.kind is Kind.COMM:
                converts.append(lambda value: one_line(str(value)).encode(errors="replace")[:15])
            else:
                converts.append(int)
        codes = "".join(_CODES[field.kind][0] for field in shape.fields)
        return _Type(_FIRST_TYPE + len(self._types), shape, struct.Struct(f"<{codes}"), tuple(converts))

    def systems(self) -> dict[str, list[str]]:
        """The format files, by system."""
        found: dict[str, list[str]] = {}
        for kind in self._types.values():
            found.setdefault(kind.shape.system, []).append(kind.text())
        return found

    def kallsyms(self) -> str:
        """The symbols, as /proc/kallsyms has them."""
        return "".join(f"{address:016x} T {name}\n" for name, address in self._symbols.addresses.items())

    def cmdlines(self) -> str:
        """The tasks, as tracefs has them in saved_cmdlines."""
        return "".join(f"{pid} {one_line(comm)}\n" for pid, comm in sorted(self.comms.items()))
