"""What the tests of the questions share: the recordings, and answers made up from a console's text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.questions.asking import Answer
from rcuactors.questions.recording import Recording, read_recordings, read_text
from rcuactors.questions.words import parse_question
from rcuactors.report.console import read_console

HEADER = "# question: X-one\n# command: echo {words} > /proc/q\n# status: {status}\n\n"


@pytest.fixture(scope="session")
def archive(root: Path) -> Path:
    """The recordings."""
    return root / "tests" / "data" / "context-6.1" / "context-6.1.tar.xz"


@pytest.fixture(scope="session")
def recordings_612(root: Path) -> dict[str, Recording]:
    """The same of 6.12.117."""
    folder = root / "tests" / "data" / "context-6.12" / "context-6.12.tar.xz"
    return {f"{recording.kernel}/{recording.name}": recording for recording in read_recordings(str(folder))}


@pytest.fixture(scope="session")
def recordings(archive: Path) -> dict[str, Recording]:
    """The recordings by KERNEL/NAME."""
    return {f"{recording.kernel}/{recording.name}": recording for recording in read_recordings(str(archive))}


def _recorded(words: str, console: str, *, status: str = "ok, 0.9 s", kernel: str = "A") -> Recording:
    return read_text(HEADER.format(words=words, status=status) + console, kernel, "X-one")


def _answered(words: str, console: str, *, ended: bool = True, **more: tuple[str, ...]) -> Answer:
    """`more` is of Answer: what is the oracle's, what was not read."""
    entries = read_console(console.split("\n"))
    return Answer(question=parse_question(words), entries=entries, ended=ended, text=console, **more)  # type: ignore[arg-type]


@pytest.fixture
def recorded() -> Callable[..., Recording]:
    """A recording of this console."""
    return _recorded


@pytest.fixture
def answered() -> Callable[..., Answer]:
    """An answer of the model's with this console."""
    return _answered
