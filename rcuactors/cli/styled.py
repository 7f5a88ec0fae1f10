"""Styled lines on standard output: in colours and as wide as the terminal is, or as text for a file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ..report.styled import Line, plain
from .output import print_lines, writing_stdout

_USUAL: Final = 120
"""Characters of a terminal that does not say how wide it is."""


def page_width() -> int | None:
    """How many characters of a line standard output shows; None where that is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size((_USUAL, 0)).columns


def print_styled_lines(lines_of: Callable[[int | None], Iterable[Line]], colours: Mapping[str, str]) -> None:
    """Print what `lines_of` makes for that width; `colours` says what Rich calls each style."""
    width = page_width()
    lines = lines_of(width)
    if width is None:
        print_lines(plain(line) for line in lines)
        return
    from ..report.terminal import make_console, print_styled  # noqa: PLC0415 - Rich is for those who have a terminal

    with writing_stdout() as stream:
        print_styled(make_console(stream), lines, colours)
