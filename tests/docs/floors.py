"""The picture of floors: which package imports which, read from the imports.

What the floors are, and what is an import, is said by the test that holds them (tests/test_layers.py). An arrow is left
out where others lead the same way.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

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


def picture(package: Path) -> str:
    """The picture as a page has it."""
    layers = _layers()
    graph = reduced(edges(package))
    lines = ["```mermaid", "flowchart TD"]
    for floor in range(7, -1, -1):
        names = sorted(name for name in graph if layers.FLOORS[name] == floor)
        lines += [f"    subgraph floor{floor}[floor {floor}]", *(f"        {name}" for name in names), "    end"]
    lines += [f"    {name} --> {to}" for name in sorted(graph) for to in sorted(graph[name])]
    return "\n".join([*lines, "```", ""])
