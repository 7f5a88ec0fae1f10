"""The grid of docs/the-debate.md: every design in every context on every kernel, as text and as a picture.

`python -m docs.debate_verdicts` makes the probes of `rcuactors compare`, without its workloads, prints the grid, and
says whether docs/debate-verdicts.svg shows the same; with `--write` it draws the picture anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from rcuactors.builds import USUAL_BUILDS
from rcuactors.compare.contexts import CONTEXTS
from rcuactors.compare.designs import find_designs
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.probe import probe_cell
from rcuactors.compare.verdict import Verdict, verdict_of
from rcuactors.engine.choice import Timed

PICTURE: Final = Path(__file__).with_name("debate-verdicts.svg")
LETTERS: Final = "abcdefghi"

NAME_WIDTH: Final = 160
CELL: Final = 22
GAP: Final = 14
TOP: Final = 150


@attrs.frozen
class Shade:
    """A class of verdicts: its character in the text, its colours by day and by night, and what it means."""

    mark: str
    day: str
    night: str
    about: str


SHADES: Final = {
    "legal": Shade(".", "#2da44e", "#238636", "legal"),
    "late": Shade("+", "#a6e3b5", "#7fbf8f", "legal, but objects stay behind"),
    "dry": Shade("~", "#eac54f", "#d29922", "legal until the page list runs dry"),
    "low": Shade("-", "#f6e3a1", "#e0b84f", "legal until memory is short"),
    "never": Shade("X", "#cf222e", "#b62324", "never legal"),
}

Grid = Mapping[str, Mapping[tuple[str, str], Shade]]


def shade_of(verdict: Verdict) -> Shade:
    """Which of them it is."""
    if verdict.legal:
        return SHADES["late" if verdict.late else "legal"]
    return SHADES["dry" if verdict.dry else "low" if verdict.low else "never"]


def probed() -> Grid:
    """By design, and by kernel and context. This is the work."""
    kernels = find_kernels(USUAL_BUILDS, {})
    return {
        design.name: {
            (kernel.name, context): shade_of(verdict_of({0: probe_cell(design, kernel, context, Timed.name, 0)}))
            for kernel in kernels
            for context in CONTEXTS
        }
        for design in find_designs(None, ())
    }


def as_text(grid: Grid) -> Iterator[str]:
    """One character a cell."""
    width = max(map(len, grid))
    yield " " * width + "".join(f"  {kernel:{len(CONTEXTS)}}" for kernel in USUAL_BUILDS).rstrip()
    yield " " * width + f"  {LETTERS[: len(CONTEXTS)]}" * len(USUAL_BUILDS)
    for design, cells in grid.items():
        marks = "".join("  " + "".join(cells[kernel, context].mark for context in CONTEXTS) for kernel in USUAL_BUILDS)
        yield f"{design:{width}}{marks}"
    yield ""
    yield ", ".join(f"{letter} {context}" for letter, context in zip(LETTERS, CONTEXTS, strict=True))
    yield ", ".join(f"{shade.mark} {shade.about}" for shade in SHADES.values())


def as_svg(grid: Grid) -> Iterator[str]:
    """One square a cell."""
    group = CELL * len(CONTEXTS) + GAP
    wide, high = NAME_WIDTH + group * len(USUAL_BUILDS) + 40, TOP + CELL * len(grid) + 50
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'role="img" aria-labelledby="title desc">'
    )
    yield '  <title id="title">Where each design is legal</title>'
    yield '  <desc id="desc">Rows are designs, columns are contexts on three kernels.</desc>'
    yield from _styles()
    yield f'  <rect class="page" x="0.5" y="0.5" width="{wide - 1}" height="{high - 1}" rx="6"/>'
    for number, kernel in enumerate(USUAL_BUILDS):
        yield from _columns(kernel, NAME_WIDTH + group * number)
    for row, (design, cells) in enumerate(grid.items()):
        y = TOP + CELL * row
        yield f'  <text x="{NAME_WIDTH - 8}" y="{y + 15}" text-anchor="end">{design}</text>'
        yield from (
            _square(
                cells[kernel, context], NAME_WIDTH + group * number + CELL * column, y, f"{design}, {kernel}, {context}"
            )
            for number, kernel in enumerate(USUAL_BUILDS)
            for column, context in enumerate(CONTEXTS)
        )
    x = NAME_WIDTH
    for shade in SHADES.values():
        yield _square(shade, x, high - 36, "meaning")
        yield f'  <text x="{x + CELL + 4}" y="{high - 21}">{shade.about}</text>'
        x += CELL + 24 + 6 * len(shade.about)
    yield "</svg>"


def _columns(kernel: str, x: int) -> Iterator[str]:
    """The heads of one kernel's columns."""
    yield f'  <text class="head" x="{x}" y="28">{kernel}</text>'
    for column, context in enumerate(CONTEXTS):
        at = x + CELL * column + 14
        yield f'  <text x="{at}" y="{TOP - 8}" transform="rotate(-60 {at} {TOP - 8})">{escaped(context)}</text>'


def _styles() -> Iterator[str]:
    """Colours for light and for dark pages."""
    yield "  <style>"
    yield '    text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }'
    yield "    .head { font-size: 14px; font-weight: 600; }"
    yield "    .page { fill: #ffffff; stroke: #d0d7de; }"
    yield from (f"    .{name} {{ fill: {shade.day}; }}" for name, shade in SHADES.items())
    yield "    @media (prefers-color-scheme: dark) {"
    yield "      text { fill: #e6edf3; } .page { fill: #0d1117; stroke: #30363d; }"
    yield from (f"      .{name} {{ fill: {shade.night}; }}" for name, shade in SHADES.items())
    yield "    }"
    yield "  </style>"


def _square(shade: Shade, x: int, y: int, of: str) -> str:
    """A cell, which says what it is when it is pointed at."""
    name = next(name for name, each in SHADES.items() if each is shade)
    return (
        f'  <rect class="{name}" x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3">'
        f"<title>{escaped(of)}: {shade.about}</title></rect>"
    )


def escaped(text: str) -> str:
    """As XML has it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def main() -> None:
    """Print, and draw or compare."""
    grid = probed()
    print("\n".join(as_text(grid)))
    drawn = "".join(f"{line}\n" for line in as_svg(grid))
    if "--write" in sys.argv[1:]:
        PICTURE.write_text(drawn, encoding="utf-8")
    same = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn
    print(f"{PICTURE.name} {'shows the same' if same else 'shows something else: draw it anew with --write'}")


if __name__ == "__main__":
    main()
