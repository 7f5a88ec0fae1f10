"""Recordings that the tests of the comparison change and write anew."""

from __future__ import annotations

import gzip
from pathlib import Path

DATA = Path(__file__).parent.parent / "data" / "recordings"


def lines_of(name: str) -> list[str]:
    """The text of a recording."""
    with gzip.open(DATA / f"{name}.txt.gz", "rt") as file:
        return file.read().splitlines()


def written(folder: Path, lines: list[str]) -> Path:
    """A recording of some lines."""
    path = folder / "recording.txt"
    path.write_text("\n".join(lines) + "\n")
    return path
