"""The kernel's own events as Perfetto has them: a typed message where its schema has one, else a generic one.

How the events of one shape become bytes is looked up in the schema once. Fields stand in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import attrs

from ...engine.events import Event
from ...mm.gfp import GFP_KERNEL, GFP_NOFS, GFP_NOIO, Gfp
from ..fields import Field, Fields, Kind, Shape, Value
from ..flags import flag_bytes
from ..symbols import Symbols
from .interning import Interned, printable
from .wire import VARINT_TYPES, sized, tag_of, tags_of, varint

_FUNCTIONS: Final = frozenset({"function"})
"""Fields that name a function: their number is that of a word, as the trace processor looks it up."""

_TIMER_FLAGS: Final = {"D": 0x00080000, "P": 0x00100000, "I": 0x00200000}
"""TIMER_DEFERRABLE, TIMER_PINNED, TIMER_IRQSAFE (include/linux/timer.h), as timer_start prints them."""

_GFP: Final = {
    "none": 0,
    "GFP_KERNEL": int(GFP_KERNEL),
    "GFP_NOFS": int(GFP_NOFS),
    "GFP_NOIO": int(GFP_NOIO),
    "GFP_ATOMIC": int(Gfp.HIGH | Gfp.KSWAPD_RECLAIM),
    "GFP_NOWAIT": int(Gfp.KSWAPD_RECLAIM),
    **{f"__GFP_{flag.name}": int(flag) for flag in Gfp},
}
"""The bits that each word has in every version."""

Convert = Callable[[Value], int | None]
Encode = Callable[[Value], bytes]
"""A value as a field's bytes; none where nothing is said of it."""


def _timer_flags(text: Value) -> int:
    return sum(_TIMER_FLAGS.get(letter, 0) for letter in str(text).split("|"))


def _gfp_flags(text: Value) -> int | None:
    words = str(text).split("|")
    if not all(word in _GFP for word in words):
        return None
    bits = 0
    for word in words:
        bits |= _GFP[word]
    return bits


_IN_WORDS: Final[dict[tuple[str, str], Convert]] = {
    ("timer_start", "flags"): _timer_flags,
    ("mm_page_alloc", "gfp_flags"): _gfp_flags,
}


def _text(tag: bytes) -> Encode:
    return lambda value: sized(tag, printable(str(value)).encode())


def _number(tag: bytes, convert: Convert) -> Encode:
    def encode(value: Value) -> bytes:
        said = convert(value)
        return b"" if said is None else tag + varint(said)

    return encode


@attrs.frozen(eq=False)
class _Way:
    """How an event of a shape becomes the field of an FtraceEvent with that number and tag.

    `puts` are the places of values among those of the shape, in the order in which they are written. `since` are two
    of these places: the difference of their values is one more, when a timer was started.
    """

    number: int
    tag: bytes
    begin: bytes
    puts: tuple[tuple[int, Encode], ...]
    since: tuple[int, int] | None = None

    def field(self, values: list[Value]) -> bytes:
        """The field of an event with these values."""
        if self.since is not None:
            later, by = self.since
            values = [*values, int(values[later]) - int(values[by])]
        return sized(self.tag, self.begin + b"".join([encode(values[at]) for at, encode in self.puts]))


_FLAGS_NUMBER: Final = 5
"""FtraceEvent.common_flags: fields with higher numbers stand behind it."""


@attrs.define(eq=False)
class KernelEvents:
    """Makes FtraceEvents. What it keeps grows with the number of different events."""

    schema: Any
    words: Interned
    _fields: Fields = attrs.field(factory=Fields)
    _symbols: Symbols = attrs.field(factory=Symbols)
    _known: dict[Shape, tuple[_Way, bool]] = attrs.field(factory=dict)
    """And whether it is a typed message."""
    _tags: dict[str, bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tags = tags_of(self.schema.FtraceEvent)

    def of(self, event: Event) -> tuple[bytes, bool]:
        """The event as a serialized message; and whether it is a typed one."""
        shape, values = self._fields.of(event)
        known = self._known.get(shape)
        if known is None:
            typed = self._typed(shape)
            known = self._known[shape] = (typed or self._generic(shape), typed is not None)
        way, tags = known[0], self._tags
        head = tags["timestamp"] + varint(event.time_ns) + tags["pid"] + varint(event.pid)
        flags = tags["common_flags"] + varint(flag_bytes(event.flags)[0])
        told = way.field(values)
        return head + (told + flags if way.number < _FLAGS_NUMBER else flags + told), known[1]

    def _generic(self, shape: Shape) -> _Way:
        fields = self.schema.FtraceEvent.DESCRIPTOR.fields_by_name
        its, one = tags_of(self.schema.GenericFtraceEvent), tags_of(self.schema.GenericFtraceEvent.Field)
        puts = tuple((at, self._generic_field(its["field"], one, field)) for at, field in enumerate(shape.fields))
        begin = sized(its["event_name"], printable(shape.name).encode())
        return _Way(fields["generic"].number, self._tags["generic"], begin, puts)

    def _generic_field(self, tag: bytes, tags: dict[str, bytes], field: Field) -> Encode:
        named = sized(tags["name"], field.name.encode())
        number = tags["uint_value" if field.kind in (Kind.HEX, Kind.ADDRESS) else "int_value"]
        text = tags["str_value"]

        def encode(value: Value) -> bytes:
            if isinstance(value, str):
                return sized(tag, named + sized(text, printable(value).encode()))
            return sized(tag, named + number + varint(value))

        return encode

    def _typed(self, shape: Shape) -> _Way | None:
        """The typed message of a shape; None where the schema has none, or the text was not understood."""
        field = self.schema.FtraceEvent.DESCRIPTOR.fields_by_name.get(printable(shape.name))
        names = [one.name for one in shape.fields]
        if field is None or field.message_type is None or names == ["text"]:
            return None
        there, since = field.message_type.fields_by_name, None
        if shape.name == "timer_start":
            since = names.index("expires"), names.index("timeout")
            if not all(shape.fields[at].kind in (Kind.DECIMAL, Kind.PADDED) for at in since):
                return None
            names = [*names, "now"]
        puts: list[tuple[int, int, Encode]] = []
        for at, name in enumerate(names):
            kind = shape.fields[at].kind if at < len(shape.fields) else Kind.DECIMAL
            encode = self._encode(shape.name, name, kind, there.get(name))
            if encode is not None:
                puts.append((there[name].number, at, encode))
        in_order = tuple((at, encode) for _, at, encode in sorted(puts, key=itemgetter(0)))
        return _Way(field.number, tag_of(field), b"", in_order, since)

    def _encode(self, event: str, name: str, kind: Kind, target: Any) -> Encode | None:
        if target is None:
            return None
        tag = tag_of(target)
        if target.cpp_type == target.CPPTYPE_STRING:
            return _text(tag)
        if target.type not in VARINT_TYPES:
            return None
        if (event, name) in _IN_WORDS:
            return _number(tag, _IN_WORDS[event, name])
        if kind is Kind.STRING:
            return None  # a hidden address
        if kind is Kind.SYMBOL:
            return _number(tag, self._word if name in _FUNCTIONS else self._symbols.address_of)
        return _number(tag, int)

    def _word(self, value: Value) -> int:
        return self.words.number_of(str(value)) or self._symbols.address_of(value)
