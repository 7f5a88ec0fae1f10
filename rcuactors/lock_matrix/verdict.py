"""Verdict classes: what kind of report a first line on the console is.

A real kernel's console and the model's reports are read by the same rule, so that neither has an advantage.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs


class VerdictClass(enum.Enum):
    """What the kernel said first. The values are the names in tables and files; `letter` stands in compact ones."""

    NONE = "none"
    WAIT_CONTEXT = "invalid wait context"
    SLEEPING = "sleeping function"
    ATOMIC = "scheduling while atomic"
    OTHER = "other"

    @property
    def letter(self) -> str:
        """One letter for a cell of a table."""
        return _LETTERS[self]


_LETTERS: Final = {
    VerdictClass.NONE: ".",
    VerdictClass.WAIT_CONTEXT: "W",
    VerdictClass.SLEEPING: "S",
    VerdictClass.ATOMIC: "A",
    VerdictClass.OTHER: "O",
}

_BEGINNINGS: Final = (
    ("[ BUG: Invalid wait context ]", VerdictClass.WAIT_CONTEXT),
    ("BUG: sleeping function called from invalid context", VerdictClass.SLEEPING),
    ("BUG: scheduling while atomic", VerdictClass.ATOMIC),
)
_RULER: Final = re.compile(r"[=-]{5,}|-+\[ cut here \]-+")
_LOCK: Final = re.compile(r"is trying to lock:\n\S+ \((?P<name>.+)\)\{[^}]*\}-\{(?P<outer>\d+):(?P<inner>\d+)\}")
_CONTEXT: Final = re.compile(r"^context-(\{\d+:\d+\})", re.MULTILINE)


def class_of_line(first_line: str) -> VerdictClass:
    """The class of a report by its first line; no line is no report."""
    if not first_line:
        return VerdictClass.NONE
    return next((verdict for start, verdict in _BEGINNINGS if first_line.startswith(start)), VerdictClass.OTHER)


def first_line_of(text: str) -> str:
    """The line of a report that says what it is: neither blank nor a ruler."""
    return next((line for line in text.split("\n") if line.strip() and not _RULER.fullmatch(line.strip())), "")


@attrs.frozen
class Offence:
    """What an invalid wait context names: the lock with its wait types, and what the context allows."""

    lock: str
    context: str


def offence_in(text: str) -> Offence | None:
    """The lock and the context that a report of an invalid wait context names."""
    lock, context = _LOCK.search(text), _CONTEXT.search(text)
    if lock is None or context is None:
        return None
    return Offence(f"{lock['name']}{{{lock['outer']}:{lock['inner']}}}", context[1])
