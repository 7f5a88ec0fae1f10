"""The pages of one CPU's ring buffer (kernel/trace/ring_buffer.c): events, packed, each with the time since the last.

A page of 4096 bytes begins with the time of its first event and with how much of it is used. An event begins with one
word: its length in the lowest five bits, and the nanoseconds since the event before it in the others; more than fit
there stand in an event of their own before it.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

PAGE: Final = 4096
_HEAD: Final = struct.Struct("<QQ")
_ROOM: Final = PAGE - _HEAD.size
_WORD: Final = struct.Struct("<I")
_WORDS: Final = struct.Struct("<II")
_LENGTH_BITS: Final = 5
_DELTA_BITS: Final = 27
_LARGEST_DELTA: Final = (1 << _DELTA_BITS) - 1
_TIME_EXTEND: Final = 30
"""RINGBUF_TYPE_TIME_EXTEND: what is beyond the 27 bits of the next event's time stands in its second word."""
_LARGEST_EXTENDED: Final = (1 << _DELTA_BITS + 32) - 1
_SMALL: Final = 28
"""RINGBUF_TYPE_DATA_TYPE_LEN_MAX: so many words of data have their length in the first word."""


@attrs.define(eq=False)
class Pages:
    """Fills pages with records that come in order of time; each `add` and `end` returns the pages that are full."""

    _page: bytearray = attrs.field(factory=bytearray)
    _began_ns: int = 0
    _last_ns: int = 0

    def add(self, time_ns: int, record: bytes) -> bytes:
        """One more record, of at most a page; returns a page, or nothing."""
        record += bytes(-len(record) % 4)
        delta, self._last_ns = time_ns - self._last_ns, time_ns
        if self._page and delta <= _LARGEST_EXTENDED:
            entry = _entry(delta, record)
            if len(self._page) + len(entry) <= _ROOM:
                self._page += entry
                return b""
        done, self._began_ns = self.end(), time_ns
        self._page += _entry(0, record)
        assert len(self._page) <= _ROOM
        return done

    def end(self) -> bytes:
        """The page that was begun, if one was."""
        if not self._page:
            return b""
        page = _HEAD.pack(self._began_ns, len(self._page)) + self._page
        self._page = bytearray()
        return page.ljust(PAGE, b"\0")


def _entry(delta_ns: int, record: bytes) -> bytes:
    extend = b""
    if delta_ns > _LARGEST_DELTA:
        low, high = delta_ns & _LARGEST_DELTA, delta_ns >> _DELTA_BITS
        extend, delta_ns = _WORDS.pack(low << _LENGTH_BITS | _TIME_EXTEND, high), 0
    words = len(record) // 4
    if words <= _SMALL:
        return extend + _WORD.pack(delta_ns << _LENGTH_BITS | words) + record
    return extend + _WORDS.pack(delta_ns << _LENGTH_BITS, len(record) + 4) + record
