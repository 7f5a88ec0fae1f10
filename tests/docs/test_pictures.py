"""The pictures of reports: each is made by a command, shown on a page, small, and no other picture than it was."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from docs.pictures import PICTURES
from docs.small_png import _apart, _chunk, _chunks, _rows, small

SIZE = 40


def png(rows: list[list[tuple[int, int, int]]], filters: list[int]) -> bytes:
    """A picture whose rows have these filters, as the PNG specification has them."""
    data, above = b"", [0] * (3 * len(rows[0]))
    for pixels, kind in zip(rows, filters, strict=True):
        row = [part for pixel in pixels for part in pixel]
        out = bytearray([kind])
        for i, value in enumerate(row):
            left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            at = left + above[i] - corner
            nearest = min((left, above[i], corner), key=lambda each: abs(at - each))
            guess = (0, left, above[i], (left + above[i]) // 2, nearest)[kind]
            out.append((value - guess) % 256)
        data, above = data + bytes(out), row
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    parts = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def drawn() -> list[list[tuple[int, int, int]]]:
    """More colours than a palette has, and a single red pixel."""
    rows = [[(250 - x, 250 - y, 200 + (x * y) % 50) for x in range(SIZE)] for y in range(SIZE)]
    rows[7][9] = (255, 0, 0)
    return rows


def test_a_small_picture_is_the_same_but_for_shades() -> None:
    rows = drawn()
    made = dict(_chunks(small(png(rows, [y % 5 for y in range(SIZE)]))))
    palette = [tuple(made[b"PLTE"][i : i + 3]) for i in range(0, len(made[b"PLTE"]), 3)]
    data = zlib.decompress(made[b"IDAT"])
    seen = [[palette[data[y * (SIZE + 1) + 1 + x]] for x in range(SIZE)] for y in range(SIZE)]
    assert seen[7][9] == (255, 0, 0)
    assert (
        max(_apart(a, b) for one, other in zip(rows, seen, strict=True) for a, b in zip(one, other, strict=True)) < 600
    )


def test_filters_are_taken_off() -> None:
    rows = drawn()
    for kind in range(5):
        data = zlib.decompress(dict(_chunks(png(rows, [kind] * SIZE)))[b"IDAT"])
        plain = [[tuple(row[3 * x : 3 * x + 3]) for x in range(SIZE)] for row in _rows(data, SIZE, SIZE)]
        assert plain == rows


def test_each_picture_is_there_is_shown_and_is_small(root: Path) -> None:
    pages = "".join(path.read_text() for path in (root / "docs").glob("*.md"))
    files = {path.name for path in (root / "docs" / "pictures").iterdir()}
    assert files == {f"report-{picture.name}.png" for picture in PICTURES}
    assert {name for name in files if f"](pictures/{name})" not in pages} == set()
    assert max((root / "docs" / "pictures" / name).stat().st_size for name in files) < 150_000
