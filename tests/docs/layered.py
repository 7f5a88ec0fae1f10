"""Boxes in rows with arrows from upper to lower ones, laid out so that few of them cross and none runs through a box.

An arrow that passes a row gets a place of its own in it, as if a narrow box stood there (Sugiyama, Tagawa and Toda,
1981: places in rows, then an order in each row by where the neighbours are, then coordinates).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import attrs

_SWEEPS: Final = 24
_GAP: Final = 14


@attrs.define
class Place:
    """A box, or where an arrow passes a row: then `name` is empty. `x` is its middle."""

    name: str
    row: int
    width: float
    x: float = 0.0
    above: list[Place] = attrs.field(factory=list)
    below: list[Place] = attrs.field(factory=list)


@attrs.frozen
class Layout:
    """The boxes by name, and of each arrow the places that it goes through, its ends included."""

    boxes: dict[str, Place]
    ways: list[list[Place]]
    width: float


def laid_out(rows: Sequence[Sequence[str]], edges: Mapping[str, set[str]], widths: Mapping[str, float]) -> Layout:
    """`rows` from the top; an edge leads from a row to a lower one."""
    boxes = {name: Place(name, row, widths[name]) for row, names in enumerate(rows) for name in names}
    places = [[boxes[name] for name in names] for names in rows]
    ways = []
    for begin in sorted(edges):
        for end in sorted(edges[begin]):
            way = [boxes[begin]]
            for row in range(boxes[begin].row + 1, boxes[end].row):
                passing = Place("", row, 4.0)
                places[row].append(passing)
                way.append(passing)
            way.append(boxes[end])
            ways.append(way)
            for upper, lower in pairwise(way):
                upper.below.append(lower)
                lower.above.append(upper)
    _order(places)
    width = _coordinates(places)
    return Layout(boxes, ways, width)


def _order(places: list[list[Place]]) -> None:
    """Each row by the middle of its neighbours, from the top and from the bottom in turn."""
    for row in places:
        _number(row)
    for sweep in range(_SWEEPS):
        for row in places if sweep % 2 == 0 else reversed(places):
            row.sort(key=lambda place: _middle(place.above if sweep % 2 == 0 else place.below, place.x))
            _number(row)


def _number(row: list[Place]) -> None:
    for at, place in enumerate(row):
        place.x = (at + 0.5) / len(row)


def _middle(neighbours: list[Place], otherwise: float) -> float:
    return sum(place.x for place in neighbours) / len(neighbours) if neighbours else otherwise


def _coordinates(places: list[list[Place]]) -> float:
    """Side by side, then towards their neighbours as far as the order allows; returns how wide all is."""
    for row in places:
        left = 0.0
        for place in row:
            place.x = left + place.width / 2
            left += place.width + _GAP
    widest = max(row[-1].x + row[-1].width / 2 for row in places if row)
    for row in places:
        spare = (widest - row[-1].x - row[-1].width / 2) / 2 if row else 0.0
        for place in row:
            place.x += spare
    for sweep in range(_SWEEPS):
        for row in places if sweep % 2 == 0 else reversed(places):
            _pull(row, widest)
    return widest


def _pull(row: list[Place], widest: float) -> None:
    """Towards the middle of all neighbours; first from the left, then what has gone too far right back."""
    left = 0.0
    for place in row:
        wanted = _middle([*place.above, *place.below], place.x)
        place.x = max((place.x + wanted) / 2, left + place.width / 2)
        left = place.x + place.width / 2 + _GAP
    right = widest
    for place in reversed(row):
        place.x = min(place.x, right - place.width / 2)
        right = place.x - place.width / 2 - _GAP
