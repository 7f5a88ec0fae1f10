"""Walking through a schedule in the terminal, forwards and back: a word a step, as a debugger has it.

Commands come from stdin, so that a script can walk, too. The prompt goes to stderr, and only on a terminal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from ..hunt.steps import Step
from .output import print_lines

_HELP: Final = (
    "n [N]    the next step, or so many on; an empty line does it, too",
    "b [N]    the step before, or so many back",
    "d, D     the next departure, the one before",
    "/TEXT    the next step before which something happened that has TEXT in it; a lone / once more",
    "g N      step N",
    "e        the end",
    "q        leave",
)


@attrs.define
class _Walk:
    """Where somebody stands."""

    steps: Sequence[Step]
    at: int = 0
    sought: str = ""

    def to(self, at: int) -> list[str]:
        """Go there, as far as there is such a step."""
        last = len(self.steps) - 1
        if not 0 <= at <= last:
            return [f"there is no step {at + 1:,}; steps are 1 to {last + 1:,}"]
        self.at = at
        return self.steps[at].lines(last + 1)

    def seek(self, numbers: range, wanted: Callable[[Step], bool], what: str) -> list[str]:
        """Go to the first of those that is wanted."""
        found = next((at for at in numbers if wanted(self.steps[at])), None)
        return [f"no {what} from here"] if found is None else self.to(found)

    @property
    def later(self) -> range:
        """The steps behind."""
        return range(self.at + 1, len(self.steps))

    def do(self, command: str) -> list[str]:
        """What a command says."""
        if command.startswith("/"):
            self.sought = command[1:] or self.sought
            if not self.sought:
                return ["/ needs a text, such as /kfree_rcu_work"]
            return self.seek(self.later, self._has, f"step before which {self.sought!r} came")
        match = re.fullmatch(r"([nbg]) *([0-9]{1,9})?|([dDe])", command)
        if match is None or (match[1] == "g" and match[2] is None):
            return [f"{command}: no such command; there are:", *_HELP]
        number = int(match[2] or 1)
        match match[1] or match[3]:
            case "n":
                return self.to(self.at + number)
            case "b":
                return self.to(self.at - number)
            case "g":
                return self.to(number - 1)
            case "d":
                return self.seek(self.later, lambda step: step.departs, "departure")
            case "D":
                return self.seek(range(self.at - 1, -1, -1), lambda step: step.departs, "departure")
        return self.to(len(self.steps) - 1)

    def _has(self, step: Step) -> bool:
        return self.sought in step.what or any(self.sought in event for event in step.events)


def _commands() -> Iterator[str]:
    """Lines of stdin, until there are no more or somebody leaves."""
    asks = sys.stdin.isatty()
    if asks:
        _edit_lines()
    while True:
        if asks:
            sys.stderr.write("(step) ")
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line or line.strip() == "q":
            return
        yield line.strip() or "n"


def _edit_lines() -> None:
    try:
        import readline  # noqa: F401, PLC0415 - where there is one, lines can be edited
    except ImportError:
        return


def walk_through(steps: Sequence[Step]) -> None:
    """Show the first step, and then what is asked for."""
    walk = _Walk(steps)
    departs = [step.number for step in steps if step.departs]
    where = ", ".join(map(str, departs)) if departs else "none"
    print_lines([f"{len(steps):,} steps; departures: {where}; h says what can be done", *walk.to(0)])
    for command in _commands():
        print_lines(list(_HELP) if command in ("h", "help", "?") else walk.do(command))
