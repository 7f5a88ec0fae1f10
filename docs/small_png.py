"""A screenshot made small: a PNG with a palette of 256 colours, which takes a third of the room."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_POPULAR, _COLOURS = 192, 256
_RGB: Final = 2
Colour = tuple[int, int, int]


def small(png: bytes) -> bytes:
    """The same picture; one that has no three bytes a pixel as it was."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", dict(chunks)[b"IHDR"][:10])
    if (depth, kind) != (8, _RGB):
        return png
    rows = _rows(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width, height)
    pixels = [list(zip(row[0::3], row[1::3], row[2::3], strict=True)) for row in rows]
    palette = _palette(Counter(pixel for row in pixels for pixel in row))
    number = _Nearest(palette)
    packed = b"".join(b"\0" + bytes(number[pixel] for pixel in row) for row in pixels)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(part for colour in palette for part in colour)),
            _chunk(b"IDAT", zlib.compress(packed, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rows(data: bytes, width: int, height: int) -> Iterator[bytearray]:
    """The rows without their filters, as the PNG specification has them (section 9)."""
    stride = 3 * width
    above = bytearray(stride)
    for number in range(height):
        begin = number * (stride + 1)
        row = bytearray(data[begin + 1 : begin + 1 + stride])
        _unfilter(data[begin], row, above)
        yield row
        above = row


def _unfilter(kind: int, row: bytearray, above: bytearray) -> None:
    for i in range(len(row)) if kind else ():
        left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        up = above[i]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) >> 1
        else:
            at = left + up - corner
            guess = min((abs(at - left), 0, left), (abs(at - up), 1, up), (abs(at - corner), 2, corner))[2]
        row[i] = (row[i] + guess) & 255


def _apart(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _palette(counts: Counter[Colour]) -> list[Colour]:
    """Those that most pixels have; then, so that a small red sign stays red, what is furthest from all of these."""
    chosen = [colour for colour, _ in counts.most_common(_POPULAR)]
    far = {colour: min(_apart(colour, each) for each in chosen) for colour in counts if colour not in set(chosen)}
    while far and len(chosen) < _COLOURS:
        furthest = max(far, key=lambda colour: (far[colour], colour))
        chosen.append(furthest)
        del far[furthest]
        far = {colour: min(apart, _apart(colour, furthest)) for colour, apart in far.items()}
    return chosen


class _Nearest(dict[Colour, int]):
    """For each colour the number of the nearest one of a palette, looked for once."""

    def __init__(self, palette: list[Colour]) -> None:
        super().__init__({colour: number for number, colour in enumerate(palette)})
        self._palette = palette

    def __missing__(self, colour: Colour) -> int:
        number = min(range(len(self._palette)), key=lambda i: _apart(colour, self._palette[i]))
        self[colour] = number
        return number
