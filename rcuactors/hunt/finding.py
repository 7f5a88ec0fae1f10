"""What a schedule can show: a report, told from others by its kind and place, or the error that ended the run.

To who seeks it, also waste: what was done for nothing, or told wrong, is no violation, but a schedule may be what makes
it come.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import attrs

from ..context.violation import KernelBug, Violation
from ..eras import find_era
from ..eras.known import done_by
from ..errors import StepBoundExceeded, text_of
from ..runs import Result
from ..userfiles.blame import line_of

ERROR: Final = "error"
"""The kind of what is no report: the scenario raised something, such as an AssertionError of its own."""

WASTE: Final = "waste"
"""The kind of what harms nobody, such as a page that is taken and given back; its place is its name in a result."""


@attrs.frozen
class Signature:
    """Which problem it is: a kind of violation, in which function, at which line of the scenario.

    What differs from schedule to schedule, addresses, times, who was interrupted, is no part of it.
    """

    kind: str
    place: str
    line: str

    @property
    def sought(self) -> tuple[str, ...]:
        """The waste that has to be sought for it to be shown."""
        return (self.place,) if self.kind == WASTE else ()

    @property
    def file_name(self) -> str:
        """By kind and place, without a suffix: for who keeps it in a file."""
        place = re.sub(r"[^a-zA-Z0-9_]+", "-", self.place)
        return f"{self.kind}-{place}" if place else self.kind

    def __str__(self) -> str:
        if self.kind == WASTE:
            return f"{WASTE}, {self.place}"
        where = self.place if not self.line or self.line == self.place else f"{self.place}, {self.line}"
        return f"{self.kind} in {where}" if where else self.kind


@attrs.frozen(kw_only=True)
class Shown:
    """One problem that a run showed: which, how it was said, at which virtual time (ns), on which CPU (-1: none).

    `known` is the bug that the version is known to have, if it is one of those: its commit and what it is. `called` is
    the kernel's function that the scenario's line had called, where it stands in the call trace; `text` has it, and a
    schedule's file does not say it again.
    """

    signature: Signature
    title: str
    text: str
    time_ns: int
    cpu: int
    known: str = ""
    called: str = attrs.field(default="", eq=False)


def signature_of(violation: Violation) -> Signature:
    """Of a report. One that is made when all is over has a place if it says by whom objects were given up."""
    trace = violation.trace or done_by(violation.text)
    place = trace[0].partition(" (")[0] if trace else ""
    return Signature(violation.kind.value, place, violation.line)


def _called(violation: Violation) -> str:
    trace = violation.trace
    at = next((number for number, function in enumerate(trace) if function.endswith(f"({violation.line})")), 0)
    return trace[at - 1] if at else ""


def _known(violation: Violation, result: Result) -> str:
    bugs = find_era(result.kernel).known_bugs
    return next((f"{bug.label}: {bug.what}" for bug in bugs if bug.explains(violation, result.design)), "")


def shown_by(result: Result, raised: Exception | None, sought: Collection[str] = ()) -> tuple[Shown, ...]:
    """All that a run showed, each problem once, and the waste that is sought, by its names.

    That its bound of steps ended it shows nothing.
    """
    found: dict[Signature, Shown] = {}
    for violation in result.violations:
        signature = signature_of(violation)
        shown = Shown(
            signature=signature,
            title=violation.title,
            text=violation.text,
            time_ns=violation.time_ns,
            cpu=violation.cpu,
            known=_known(violation, result),
            called=_called(violation),
        )
        found.setdefault(signature, shown)
    if raised is not None and not isinstance(raised, KernelBug | StepBoundExceeded):
        error = shown_error(raised, result.end_ns)
        found.setdefault(error.signature, error)
    return (*found.values(), *_wasted(result, sought))


def shown_error(raised: Exception, end_ns: int) -> Shown:
    """The error that ended a run, as what it showed."""
    said = f"{type(raised).__name__}: {text_of(raised)}"
    signature = Signature(ERROR, type(raised).__name__, line_of(raised))
    return Shown(signature=signature, title=said, text=said, time_ns=end_ns, cpu=-1)


def _wasted(result: Result, sought: Collection[str]) -> list[Shown]:
    """The waste of a run that is sought. Only the end of the run knows of it."""
    found = []
    for name, times in result.waste.items():
        if name in sought:
            said = f"waste, which is no violation: {name} {times:,}"
            signature = Signature(WASTE, name, "")
            found.append(Shown(signature=signature, title=said, text=said, time_ns=result.end_ns, cpu=-1))
    return found
