"""TrackEvents as bytes. There are tens of them for each of the model's calls, so they are put together here by hand.

A message of the package that is used again and again keeps the memory of all that was ever in it, and a new one for
each costs several times as much as this. Numbers of fields are those of the schema.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

import attrs

from ...timeline.elements import Detail
from .interning import Interned, printable
from .wire import field, varint

BEGIN: Final = 1
END: Final = 2
INSTANT: Final = 3
COUNTER: Final = 4
"""TrackEvent.Type."""

_PACKET: Final = 1
"""Trace.packet."""

_FIXED: Final = struct.Struct("<Q")
_MOST: Final = 4096
_SIXTY_FOUR: Final = (1 << 64) - 1


@attrs.define(eq=False)
class TrackEvents:
    """Makes packets with a TrackEvent each. `tail` is what all of them have: the sequence that they are of."""

    schema: Any
    tail: bytes
    names: Interned
    categories: Interned
    keys: Interned
    _heads: dict[tuple[int, int, str, str], bytes] = attrs.field(factory=dict)
    """What comes again: the kind of event, the track, the name, the category."""
    _tags: dict[str, bytes] = attrs.field(factory=dict)
    _annotations: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        for message in (self.schema.TracePacket, self.schema.TrackEvent, self.schema.DebugAnnotation):
            for one in message.DESCRIPTOR.fields:
                wire = 2 if one.type in (9, 11, 12) else 1 if one.type == 6 else 0
                name = f"annotation.{one.name}" if message is self.schema.DebugAnnotation else one.name
                self._tags[name] = varint(one.number << 3 | wire)
        self._annotations = lru_cache(maxsize=_MOST)(self._annotation)

    def packet(
        self,
        kind: int,
        track: int,
        time_ns: int,
        name: str = "",
        category: str = "",
        detail: Detail = (),
        *,
        begins_flow: int = 0,
        ends_flow: int = 0,
    ) -> bytes:
        """An event on a track. The end of a slice has no name."""
        event = self._head(kind, track, name, category)
        if detail:
            event += b"".join([self._annotations(*one) for one in detail])
        if begins_flow:
            event += self._tags["flow_ids"] + _FIXED.pack(begins_flow)
        if ends_flow:
            event += self._tags["terminating_flow_ids"] + _FIXED.pack(ends_flow)
        return self._whole(time_ns, event)

    def value(self, track: int, time_ns: int, value: int) -> bytes:
        """What a curve is from then on."""
        told = self._tags["counter_value"] + varint(value & _SIXTY_FOUR)
        return self._whole(time_ns, self._head(COUNTER, track, "", "") + told)

    def _whole(self, time_ns: int, event: bytes) -> bytes:
        tags = self._tags
        packet = tags["timestamp"] + varint(time_ns) + self.tail + tags["track_event"] + varint(len(event)) + event
        return field(_PACKET, packet)

    def _head(self, kind: int, track: int, name: str, category: str) -> bytes:
        key = kind, track, name, category
        head = self._heads.get(key)
        if head is None:
            tags = self._tags
            head = tags["type"] + varint(kind) + tags["track_uuid"] + varint(track)
            if name and (number := self.names.number_of(name)):
                head += tags["name_iid"] + varint(number)
            elif name:
                text = printable(name).encode()
                head += tags["name"] + varint(len(text)) + text
            if category:
                head += tags["category_iids"] + varint(self.categories.number_of(category))
            if len(self._heads) >= _MOST:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _annotation(self, key: str, value: str) -> bytes:
        text, tags = printable(value).encode(), self._tags
        told = tags["annotation.name_iid"] + varint(self.keys.number_of(key or "text"))
        told += tags["annotation.string_value"] + varint(len(text)) + text
        return tags["debug_annotations"] + varint(len(told)) + told
