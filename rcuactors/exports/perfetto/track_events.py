"""TrackEvents as bytes: there are tens of them for each of the model's calls, and most are like one before.

What an event says is put together once and kept, as long as there is room; the same one at another time, the end of a
slice, a curve's value cost little then. Numbers of fields are those of the schema.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

import attrs

from ...timeline.elements import Detail
from .interning import Interned, printable
from .wire import KNOWN, VARINTS, sized, tags_of, varint

BEGIN: Final = 1
END: Final = 2
INSTANT: Final = 3
COUNTER: Final = 4
"""TrackEvent.Type."""

_PACKET: Final = varint(1 << 3 | 2)
"""Trace.packet."""
_HEADS: Final = tuple(_PACKET + size for size in VARINTS)
"""With which a packet of that size begins."""

_FIXED: Final = struct.Struct("<Q")
MOST: Final = 4096


@attrs.define(eq=False)
class TrackEvents:
    """Makes packets with a TrackEvent each. `tail` is what all of them have: the sequence that they are of."""

    schema: Any
    tail: bytes
    names: Interned
    categories: Interned
    keys: Interned
    annotation: Any = attrs.field(init=False)
    """A name and a value, as bytes of an event: what comes again is kept."""
    _heads: dict[tuple[int, int, str, str], bytes] = attrs.field(factory=dict)
    """What comes again: the kind of event, the track, the name, the category."""
    _events: dict[tuple[int, int, str, str, str, str, Detail], bytes] = attrs.field(factory=dict)
    """Whole events that come again, with their length."""
    _closings: dict[int, bytes] = attrs.field(factory=dict)
    """The same of ends, by track."""
    _moments: dict[int, bytes] = attrs.field(factory=dict)
    """What stands before an event, by its time."""
    _tags: dict[str, bytes] = attrs.field(factory=dict)
    _begins: bytes = b""
    _ends: bytes = b""

    def __attrs_post_init__(self) -> None:
        for message in (self.schema.TracePacket, self.schema.TrackEvent):
            self._tags.update(tags_of(message))
        for name, tag in tags_of(self.schema.DebugAnnotation).items():
            self._tags[f"annotation.{name}"] = tag
        self._begins, self._ends = self._tags["flow_ids"], self._tags["terminating_flow_ids"]
        self.annotation = lru_cache(maxsize=MOST)(self._annotation)

    def packet(
        self,
        kind: int,
        track: int,
        time_ns: int,
        name: str,
        category: str,
        who: str = "",
        about: str = "",
        detail: Detail = (),
    ) -> bytes:
        """An event on a track, like others before it."""
        key = kind, track, name, category, who, about, detail
        event = self._events.get(key) or self._made(*key)
        packet = (self._moments.get(time_ns) or self._moment(time_ns)) + event
        return _HEADS[len(packet)] + packet if len(packet) < KNOWN else sized(_PACKET, packet)

    def end(self, track: int, time_ns: int) -> bytes:
        """What was begun last on a track ends."""
        event = self._closings.get(track)
        if event is None:
            head = self._head(END, track, "", "")
            event = self._closings[track] = varint(len(head)) + head
        packet = (self._moments.get(time_ns) or self._moment(time_ns)) + event
        return _HEADS[len(packet)] + packet

    def once(
        self,
        kind: int,
        track: int,
        time_ns: int,
        name: str,
        category: str,
        annotations: bytes,
        ends_flow: int = 0,
        begins_flow: int = 0,
    ) -> bytes:
        """One that does not come again. A flow may end there, or one begin, or both; 0: none."""
        event = (
            self._heads.get((kind, track, name, category)) or self._head(kind, track, name, category)
        ) + annotations
        if begins_flow:
            event += self._begins + _FIXED.pack(begins_flow)
        if ends_flow:
            event += self._ends + _FIXED.pack(ends_flow)
        return self._whole(time_ns, event)

    def value(self, track: int, time_ns: int, value: int) -> bytes:
        """What a curve is from then on."""
        told = self._tags["counter_value"] + varint(value)
        event = (self._heads.get((COUNTER, track, "", "")) or self._head(COUNTER, track, "", "")) + told
        return self._whole(time_ns, event)

    def _whole(self, time_ns: int, event: bytes) -> bytes:
        size = len(event)
        length = VARINTS[size] if size < KNOWN else varint(size)
        packet = (self._moments.get(time_ns) or self._moment(time_ns)) + length + event
        return _HEADS[len(packet)] + packet if len(packet) < KNOWN else sized(_PACKET, packet)

    def _moment(self, time_ns: int) -> bytes:
        tags = self._tags
        if len(self._moments) >= MOST:
            self._moments.clear()
        moment = tags["timestamp"] + varint(time_ns) + self.tail + tags["track_event"]
        self._moments[time_ns] = moment
        return moment

    def _made(self, kind: int, track: int, name: str, category: str, who: str, about: str, detail: Detail) -> bytes:
        if len(self._events) >= MOST:
            self._events.clear()
        event = self._head(kind, track, name, category)
        if who:
            event += self.annotation("who", who)
        if about:
            event += self.annotation("about", about)
        event += b"".join([self.annotation(*one) for one in detail])
        event = varint(len(event)) + event
        self._events[kind, track, name, category, who, about, detail] = event
        return event

    def _head(self, kind: int, track: int, name: str, category: str) -> bytes:
        key = kind, track, name, category
        head = self._heads.get(key)
        if head is None:
            tags = self._tags
            head = tags["type"] + varint(kind) + tags["track_uuid"] + varint(track)
            if name and (number := self.names.number_of(name)):
                head += tags["name_iid"] + varint(number)
            elif name:
                head += sized(tags["name"], printable(name).encode())
            if category:
                head += tags["category_iids"] + varint(self.categories.number_of(category))
            if len(self._heads) >= MOST:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _annotation(self, key: str, value: str) -> bytes:
        tags = self._tags
        told = tags["annotation.name_iid"] + varint(self.keys.number_of(key or "text"))
        told += sized(tags["annotation.string_value"], printable(value).encode())
        return sized(tags["debug_annotations"], told)
