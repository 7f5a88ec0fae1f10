"""The kernel's own events as Perfetto has them: a typed message where its schema has one, else a generic one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from ...engine.events import Event
from ...mm.gfp import GFP_KERNEL, GFP_NOFS, GFP_NOIO, Gfp
from ..fields import Fields, Kind, Shape, Value
from ..flags import flag_bytes
from ..symbols import Symbols
from .interning import Interned, printable

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

Convert = Callable[[Value], object]


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


@attrs.frozen(eq=False)
class _Typed:
    """How an event of a shape becomes its typed message: field by field. A value of None stays unsaid."""

    field: str
    sets: tuple[tuple[str, Convert] | None, ...]


@attrs.define(eq=False)
class KernelEvents:
    """Makes FtraceEvents. What it keeps grows with the number of different events."""

    schema: Any
    words: Interned
    typed: int = 0
    generic: int = 0
    _fields: Fields = attrs.field(factory=Fields)
    _symbols: Symbols = attrs.field(factory=Symbols)
    _known: dict[Shape, _Typed | None] = attrs.field(factory=dict)

    def of(self, event: Event) -> tuple[bytes, bool]:
        """The event as a serialized message; and whether it is a typed one."""
        flags = flag_bytes(event.flags)[0]
        message = self.schema.FtraceEvent(timestamp=event.time_ns, pid=event.pid, common_flags=flags)
        shape, values = self._fields.of(event)
        if shape not in self._known:
            self._known[shape] = self._way_of(shape)
        typed = self._known[shape]
        if typed is not None:
            self.typed += 1
            self._fill(getattr(message, typed.field), typed, values, shape)
        else:
            self.generic += 1
            self._generic(message.generic, event, shape, values)
        return message.SerializeToString(), typed is not None

    def _fill(self, told: Any, typed: _Typed, values: Sequence[Value], shape: Shape) -> None:
        told.SetInParent()
        for way, value in zip(typed.sets, values, strict=True):
            if way is not None:
                name, convert = way
                said = convert(value)
                if said is not None:
                    setattr(told, name, said)
        if shape.name == "timer_start":
            by_name = dict(zip((field.name for field in shape.fields), values, strict=True))
            began = int(by_name["expires"]) - int(by_name["timeout"])
            told.MergeFrom(self.schema.TimerStartFtraceEvent(now=began))

    def _generic(self, told: Any, event: Event, shape: Shape, values: Sequence[Value]) -> None:
        told.event_name = printable(event.name)
        for field, value in zip(shape.fields, values, strict=True):
            one = told.field.add()
            one.name = field.name
            if isinstance(value, str):
                one.str_value = printable(value)
            elif field.kind in (Kind.HEX, Kind.ADDRESS):
                one.uint_value = value
            else:
                one.int_value = value

    def _way_of(self, shape: Shape) -> _Typed | None:
        """The typed message of a shape; None where the schema has none, or the text was not understood."""
        field = self.schema.FtraceEvent.DESCRIPTOR.fields_by_name.get(printable(shape.name))
        if field is None or field.message_type is None or [one.name for one in shape.fields] == ["text"]:
            return None
        there = field.message_type.fields_by_name
        numbers = all(
            one.kind in (Kind.DECIMAL, Kind.PADDED) for one in shape.fields if one.name in ("expires", "timeout")
        )
        if shape.name == "timer_start" and not numbers:
            return None
        sets: list[tuple[str, Convert] | None] = []
        for one in shape.fields:
            convert = self._convert(shape.name, one.name, one.kind, there.get(one.name))
            sets.append(None if convert is None else (one.name, convert))
        return _Typed(shape.name, tuple(sets))

    def _convert(self, event: str, name: str, kind: Kind, target: Any) -> Convert | None:
        if target is None:
            return None
        if (event, name) in _IN_WORDS:
            return _IN_WORDS[event, name]
        if target.cpp_type == target.CPPTYPE_STRING:
            return lambda value: printable(str(value))
        if kind is Kind.STRING:
            return None  # a hidden address
        if kind is Kind.SYMBOL:
            return self._word if name in _FUNCTIONS else self._symbols.address_of
        return int

    def _word(self, value: Value) -> int:
        return self.words.number_of(str(value)) or self._symbols.address_of(value)
