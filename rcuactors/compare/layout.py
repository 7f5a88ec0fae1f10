"""Lines of styled text, and tables that fit a width: what does not fit beside each other stands below.

What a style is, report/styled.py says.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..report.styled import Line, plain

COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "title": "bold",
        "name": "bold cyan",
        "head": "bold",
        "legal": "green",
        "keeps": "magenta",
        "until": "yellow",
        "wrong": "red",
        "fatal": "bold red",
        "missing": "dim",
        "best": "green",
    }
)
"""Each style as Rich calls colours."""

_QUANTITY: Final = re.compile(r"(\d) (ns|us|ms|s|%|bytes|KiB|MiB|GiB)(?!\w)")
_KEPT: Final = "\xa0"
"""Between a figure and its unit, where no line shall end."""

_GAP: Final = 2
_INDENT: Final = " "
"""Before a row's label: headings of blocks have none."""
_LABEL_MAX: Final = 26
"""Longer labels are wrapped: it is the figures that are to be seen side by side."""


@attrs.frozen
class Cell:
    """A text in a column."""

    text: str
    style: str = ""


@attrs.frozen
class Row:
    """A label, its cells, and what is said after them."""

    label: str
    cells: tuple[Cell, ...]


@attrs.frozen
class Block:
    """Rows under a heading, if it has one."""

    heading: str
    rows: tuple[Row, ...]


def wrapped(text: str, width: int, *, indent: str = "", hanging: str = "", style: str = "") -> list[Line]:
    """A paragraph. What is longer than a line, a path for one, is not cut."""
    lines = textwrap.wrap(
        _QUANTITY.sub(f"\\1{_KEPT}\\2", text),
        width,
        initial_indent=indent,
        subsequent_indent=hanging or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [((line.replace(_KEPT, " "), style),) for line in lines] or [()]


def led(name: str, text: str, width: int, *, hanging: str = "  ") -> list[Line]:
    """`name: text` as a paragraph, the name in its style."""
    first, *rest = wrapped(f"{name}: {text}", width, hanging=hanging)
    begun = plain(first)
    if not begun.startswith(name):  # it was wrapped within the name
        return [((begun, "name"),), *rest]
    return [((name, "name"), (begun[len(name) :], "")), *rest]


def table(heads: Sequence[str], blocks: Sequence[Block], width: int, *, figures: bool = False) -> list[Line]:
    """A table in as many parts as its columns need. `figures` are aligned at their right."""
    labels = [row.label for block in blocks for row in block.rows]
    label = min(max((len(_INDENT + text) for text in labels), default=0), _LABEL_MAX)
    widths = [
        max([len(head), *(len(row.cells[column].text) for block in blocks for row in block.rows)])
        for column, head in enumerate(heads)
    ]
    lines: list[Line] = []
    for columns in _parts(widths, width - label):
        if lines:
            lines.append(())
        lines += _part(heads, blocks, columns, [widths[column] for column in columns], label, width, figures=figures)
    return lines


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns that fit beside each other, in order; at least one in each part."""
    parts: list[list[int]] = []
    left = 0
    for column, needed in enumerate(widths):
        if not parts or needed + _GAP > left:
            parts.append([])
            left = room
        parts[-1].append(column)
        left -= needed + _GAP
    return parts


def _part(
    heads: Sequence[str],
    blocks: Iterable[Block],
    columns: Sequence[int],
    widths: Sequence[int],
    label: int,
    width: int,
    *,
    figures: bool,
) -> list[Line]:
    cells = [Cell(heads[column], "head") for column in columns]
    lines = [_line(" " * label, cells, widths, figures=figures)]
    for block in blocks:
        if block.heading:
            lines += wrapped(block.heading, width, style="name")
        for row in block.rows:
            first, *rest = _label_lines(row.label, label)
            # A word of a label that is longer than all of its column takes a line of its own.
            if len(first) > label:
                lines.append(((first, ""),))
                first = ""
            lines.append(_line(first.ljust(label), [row.cells[column] for column in columns], widths, figures=figures))
            lines += [((more, ""),) for more in rest]
    return lines


def _label_lines(label: str, width: int) -> list[str]:
    wrapper = textwrap.TextWrapper(width, _INDENT, f"{_INDENT}  ", break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(label) or [""]


def _line(label: str, cells: Sequence[Cell], widths: Sequence[int], *, figures: bool) -> Line:
    pieces: list[tuple[str, str]] = [(label, "")]
    for cell, wide in zip(cells, widths, strict=True):
        space = " " * (wide - len(cell.text))
        # Colours end where the text does.
        before, after = (space, "") if figures else ("", space)
        pieces += [(" " * _GAP + before, ""), (cell.text, cell.style), (after, "")]
    return tuple(pieces)
