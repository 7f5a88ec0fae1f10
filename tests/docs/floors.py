"""The picture of floors: which package imports which, read from the imports.

What the floors are, and what is an import, is said by the test that holds them (tests/test_layers.py). An arrow is left
out where others lead the same way.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from tests.docs import svg
from tests.docs.layered import Place, laid_out

LAYERS = Path(__file__).resolve().parent.parent / "test_layers.py"


def _layers() -> Any:
    spec = importlib.util.spec_from_file_location("layers_for_the_picture", LAYERS)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def edges(package: Path) -> dict[str, set[str]]:
    """Who imports whom when a program runs, by package or module at the top, floors 0 to 7."""
    layers = _layers()
    shown = {name for name, floor in layers.FLOORS.items() if 0 <= floor < 8 and name != "__init__"}
    found: dict[str, set[str]] = {name: set() for name in shown}
    for one in layers.imports_of(package):
        importer, imported = one.importer.partition(".")[0], one.imported.partition(".")[0]
        runs = not one.typing_only and (one.importer, one.imported) not in layers.EXCEPTIONS
        if runs and importer != imported and {importer, imported} <= shown:
            found[importer].add(imported)
    return found


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the arrows that say nothing new. Raises ValueError for a circle."""
    below = {name: _reached(graph, name) for name in graph}
    circles = sorted(name for name in graph if name in below[name])
    if circles:
        raise ValueError(f"imports in a circle: {', '.join(circles)}")
    return {name: {to for to in graph[name] if not any(to in below[by] for by in graph[name])} for name in graph}


_BOX_H, _ROW, _LEFT, _TOP = 28, 62, 70, 24


def _rows(graph: dict[str, set[str]], floors: dict[str, int]) -> list[list[str]]:
    """From the top: each floor's, and within a floor those who import first."""
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            same = [to for to in graph[name] if floors[to] == floors[name]]
            depth[name] = 1 + max((deep(to) for to in same), default=-1)
        return depth[name]

    places = {(floors[name], deep(name)) for name in graph}
    return [
        sorted(name for name in graph if (floors[name], deep(name)) == place) for place in sorted(places, reverse=True)
    ]


def picture(package: Path) -> str:
    """The picture, as a file has it."""
    floors: dict[str, int] = _layers().FLOORS
    graph = reduced(edges(package))
    rows = _rows(graph, floors)
    layout = laid_out(rows, graph, {name: 24 + svg.CHAR * len(name) for name in graph})
    tops = [_TOP + number * _ROW for number in range(len(rows))]
    width = _LEFT + layout.width + 24
    bands: list[str] = []
    for floor in sorted({floors[row[0]] for row in rows}, reverse=True):
        of_it = [number for number, row in enumerate(rows) if floors[row[0]] == floor]
        top, bottom = tops[of_it[0]] - 12, tops[of_it[-1]] + _BOX_H + 12
        bands.append(svg.rect("band", 12, top, width - 24, bottom - top))
        bands.append(svg.text(22, (top + bottom) / 2 + 4, f"floor {floor}", "small"))
    arrows = [_way(way, tops) for way in layout.ways]
    boxes: list[str] = []
    for name, place in layout.boxes.items():
        x, top = _LEFT + place.x, tops[place.row]
        says = f"{name}: imports {', '.join(sorted(graph[name])) or 'none of these'}"
        boxes.append(svg.rect("box", x - place.width / 2, top, place.width, _BOX_H, says=says))
        boxes.append(svg.text(x, top + 19, name, "code", anchor="middle"))
    about = "Packages in rows, floor 7 at the top; an arrow leads from each to those that it imports."
    return svg.picture(width, tops[-1] + _BOX_H + 24, "The floors of rcuactors", about, [*bands, *arrows, *boxes])


def _way(way: list[Place], tops: list[int]) -> str:
    """An arrow from a box down to another, through its places in the rows between."""
    x, y = _LEFT + way[0].x, float(tops[way[0].row] + _BOX_H)
    path = f"M{x:.1f} {y:g}"
    for place in way[1:]:
        to, top = _LEFT + place.x, tops[place.row] - (1 if place.name else 0)
        half = (top - y) / 2
        path += f"C{x:.1f} {y + half:g} {to:.1f} {top - half:g} {to:.1f} {top:g}"
        x, y = to, float(top)
        if not place.name:
            y += _BOX_H
            path += f"V{y:g}"
    return svg.arrow(path, says=f"{way[0].name} imports {way[-1].name}")
