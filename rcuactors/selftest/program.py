"""Lock programs: the language in which the selftest's cases are written.

A program is a line of words. `L(A)` takes lock A and `U(A)` lets go of it; `L(A,B)` takes one after the other;
`N(A,B)` takes them nested and lets go in reverse; `I(A)` initialises A again. `X1` and `X2` are two locks of one class
X. `spin_lock_nest_lock(A,B)` takes A with nest lock B. `ALLOC(GFP_KERNEL)` asks for memory. `HARDIRQ{ ... }` is what an
interrupt handler does. What a letter such as L means is the column's business: `bind()` puts an operation of the
kernel's (`spin_lock`) in its place, and `parse()` reads the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

OPERATIONS: Final = frozenset(
    {
        "raw_spin_lock",
        "spin_lock",
        "local_lock",
        "write_lock",
        "read_lock",
        "queued_read_lock",
        "mutex_lock",
        "down_write",
        "down_read",
        "rt_mutex_lock",
    }
)
"""What takes a lock."""

SECTIONS: Final = frozenset(
    {"HARDIRQ", "HARDIRQ_NOT_THREADED", "SOFTIRQ", "RCU", "RCU_BH", "RCU_SCHED", "FS_RECLAIM", "NOFS"}
)
"""What is entered by `NAME{` and left by `}`."""

SWITCHES: Final = frozenset({"IRQS_OFF", "IRQS_ON", "BH_OFF", "BH_ON"})

NESTED: Final = "spin_lock_nest_lock"
UNLOCK: Final = "unlock"
INITIALISE: Final = "initialise"
MIGHT_ALLOC: Final = "might_alloc"
LEAVE: Final = "}"

_CALLS: Final = {operation: operation for operation in OPERATIONS} | {
    "U": UNLOCK,
    "I": INITIALISE,
    "ALLOC": MIGHT_ALLOC,
}
_CALL: Final = re.compile(r"(\w+)\((\w+(?:,\w+)*)\)")


@attrs.frozen
class Step:
    """One thing done: an operation on a lock, a request for memory, a switch, or a section entered or left."""

    action: str
    operand: str = ""
    nest: str = ""

    def __str__(self) -> str:
        operands = f"{self.operand},{self.nest}" if self.nest else self.operand
        return f"{self.action}({operands})" if operands else self.action


def lock_class_of(lock: str) -> str:
    """X1 and X2 are of class X."""
    return lock.rstrip("0123456789")


def bind(text: str, words: Mapping[str, str]) -> str:
    """The program with its letters and words replaced by what they mean in a column."""
    bound: list[str] = []
    for word in text.split():
        call = _CALL.fullmatch(word)
        if call is not None and call[1] in words:
            bound.append(f"{words[call[1]]}({call[2]})")
        elif call is not None and call[1] == "N":
            names = call[2].split(",")
            bound += [f"{words['L']}({name})" for name in names] + [f"U({name})" for name in reversed(names)]
        else:
            bound.append(words.get(word, word))
    return " ".join(bound)


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a bound program. Raises ValueError for a word that means nothing."""
    steps = tuple(step for word in text.split() for step in _steps(word))
    depth = 0
    for step in steps:
        depth += (step.action in SECTIONS) - (step.action == LEAVE)
        if depth < 0:
            raise ValueError(f"{text}: a section is left that was not entered")
    if depth:
        raise ValueError(f"{text}: a section is not left")
    return steps


def _steps(word: str) -> Iterator[Step]:
    call = _CALL.fullmatch(word)
    if call is not None and call[1] in _CALLS:
        yield from (Step(_CALLS[call[1]], operand) for operand in call[2].split(","))
    elif call is not None and call[1] == NESTED and call[2].count(",") == 1:
        yield Step(NESTED, *call[2].split(","))
    elif word in SWITCHES or word == LEAVE:
        yield Step(word)
    elif word.endswith("{") and word[:-1] in SECTIONS:
        yield Step(word[:-1])
    else:
        raise ValueError(f"{word}: neither an operation, a switch nor a section")
