"""What a check has found, put together over its cells: one finding is one kind of report at one line of the scenario.

Where it shows, and where it does not, is what a verdict says. What runs in order of time show is a matter of kernel and
surroundings; what only other schedules show may be missed by a few of them, so of those nothing is said of where it is
silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..hunt.finding import ERROR, Shown
from .cells import Caches, Cell
from .trying import Answer

if TYPE_CHECKING:
    from .checking import Checked

_CACHES: Final = tuple(Caches)
_BUILDS: Final = ("own", "plain", "prove", "rt", "all")
"""The plainest first."""


@attrs.frozen(kw_only=True)
class Finding:
    """One of them, with the answers that have shown it, the plainest first. `silent`: under which conditions not."""

    answers: tuple[Answer, ...]
    silent: str

    @property
    def plainest(self) -> Answer:
        """In order of time, alone, with cold caches, on the newest version: as far as there is such a one."""
        return self.answers[0]

    @property
    def shown(self) -> Shown:
        """What that one has shown."""
        assert self.plainest.found is not None
        return self.plainest.found

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where."""
        return tuple(answer.cell for answer in self.answers)

    @property
    def is_error(self) -> bool:
        """The scenario has raised something: no report of the kernel's."""
        return self.shown.signature.kind == ERROR

    @property
    def known(self) -> tuple[str, ...]:
        """The bugs that these versions are known to have, if each of these reports is one of those."""
        said = [answer.found.known for answer in self.answers if answer.found is not None]
        return tuple(dict.fromkeys(said)) if all(said) else ()


def findings_of(checked: Checked) -> tuple[Finding, ...]:
    """The findings, the plainest first."""
    groups: dict[tuple[str, str], list[Answer]] = {}
    for state in checked.states.values():
        if state.found is not None and state.found.found is not None:
            signature = state.found.found.signature
            groups.setdefault((signature.kind, signature.line), []).append(state.found)
    versions = checked.check.cells.versions
    found = [sorted(answers, key=lambda answer: _plainness(answer, versions)) for answers in groups.values()]
    found.sort(key=lambda answers: _plainness(answers[0], versions))
    return tuple(Finding(answers=tuple(answers), silent=_silent(checked, answers)) for answers in found)


def _plainness(answer: Answer, versions: tuple[str, ...]) -> tuple[bool, bool, bool, int, int, int]:
    cell, known = answer.cell, bool(answer.found is not None and answer.found.known)
    newest = len(versions) - versions.index(cell.version)
    return (
        known,
        not answer.in_order_of_time,
        cell.contended,
        _CACHES.index(cell.caches),
        newest,
        _BUILDS.index(cell.build),
    )


def _silent(checked: Checked, answers: list[Answer]) -> str:
    """Under which conditions a kernel that shows it does not."""
    surely = [answer.cell for answer in answers if answer.in_order_of_time]
    if not surely:
        return "silent in order of time"
    entries = {cell.entry for cell in surely}
    tried = [state.cell for state in checked.states.values() if state.tried and state.cell.entry in entries]
    said = []
    if _never(tried, surely, warm=True):
        said.append("while the page caches are warm")
    elif _never(tried, surely, warm=False):
        said.append("while the page caches are cold")
    if _never(tried, surely, contended=False):
        said.append("without bystanders")
    return f"silent {', and '.join(said)}" if said else ""


def _never(tried: list[Cell], shown: list[Cell], **what: bool) -> bool:
    """Whether there are cells of that sort, and none of them shows it."""

    def fits(cell: Cell) -> bool:
        return all(getattr(cell, name) is value for name, value in what.items())

    return any(fits(cell) for cell in tried) and not any(fits(cell) for cell in shown)
