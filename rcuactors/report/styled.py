"""Lines of styled text: pieces, each with a word for what it is, not for how it looks.

A terminal has its colours for those words, a file has none.
"""

from __future__ import annotations

Line = tuple[tuple[str, str], ...]
"""Pieces, each with its style."""


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line).rstrip()
