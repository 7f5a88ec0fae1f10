"""Readers that go wrong in every way, for the tests of what notices that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rcuactors.errors import BadInput


def hangs(_text: str) -> None:
    """Never ends."""
    while True:
        pass


def swells(_text: str) -> None:
    """Takes all the memory that it can have."""
    blocks = []
    while True:
        blocks.append(bytearray(1 << 24))


def raises(text: str) -> None:
    """Goes wrong within."""
    raise KeyError(text)


def leaves(text: str) -> None:
    """Leaves a file."""
    Path("left.txt").write_text(text, "utf-8")


def outlives(_text: str) -> None:
    """Leaves a process."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def talks(_text: str) -> None:
    """Has much to say."""
    sys.stderr.write("first\nsecond\n")
    raise BadInput("third")


def names_nothing(_text: str) -> None:
    """Says where an object is, and not what."""
    raise BadInput(f"{object()}: needs a number")


def dies(_text: str) -> None:
    """Is killed."""
    os.abort()


def takes_anything(_text: str) -> None:
    """Says nothing against nonsense."""
