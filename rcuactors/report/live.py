"""Lines on a terminal that are drawn over and over. Rich is imported here, so this module only when there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self, TextIO

from rich.console import Group
from rich.live import Live
from rich.text import Text

from .styled import Line
from .terminal import make_console

COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "title": "bold",
        "head": "bold",
        "idle": "dim",
        "note": "dim",
        "busy": "green",
        "wait": "yellow",
        "wrong": "bold red",
    }
)
"""Each style as Rich calls colours."""


class View:
    """A part of the terminal. It is gone at the end unless it `stays`. A context manager.

    What is printed to standard output meanwhile stands above it, if that is the same terminal.
    """

    def __init__(self, out: TextIO, *, stays: bool) -> None:
        self._console = make_console(out)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=not stays,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(characters of a line, lines): what there is room for."""
        return self._console.size.width, max(self._console.size.height - 1, 1)

    def show(self, lines: Iterable[Line]) -> None:
        """Draw these, and no more of what was drawn before. What is too long for a line is cut off, and shows so."""
        texts = [
            Text.assemble(
                *((piece, COLOURS.get(style, "")) for piece, style in line), no_wrap=True, overflow="ellipsis"
            )
            for line in lines
        ]
        self._live.update(Group(*texts), refresh=True)

    def __exit__(self, *_exc: object) -> None:
        self._live.stop()


def _text(line: Line) -> Text:
    pieces = ((piece, COLOURS.get(style, "")) for piece, style in line)
    return Text.assemble(*pieces, no_wrap=True, overflow="ellipsis")
