"""An answer: yes, no, depends, or not modelled, for each kernel; and what that comes of.

`yes` is only said where nothing was found in any condition with every check on. Where something was found in each, it
is `no`; where in some only, it depends, and the conditions say on what. A kernel that says nothing of what is wrong is
silent, which changes nothing about the answer.
"""

from __future__ import annotations

import enum
from collections import Counter

import attrs

from ..context.violation import ViolationKind
from .calls import Asked
from .conditions import Condition
from .kernels import PROVE_RCU_LIST, AskedKernel
from .places import Place
from .trial import Finding


class Verdict(enum.Enum):
    """Whether it may be called there."""

    YES = "yes"
    NO = "no"
    DEPENDS = "depends"
    NOT_MODELLED = "not modelled"


class Silence(enum.Enum):
    """Whether the kernel, as it is built, says what is wrong."""

    TOLD = "told"
    PARTLY = "silent in part"
    SILENT = "silent"


_CHECK_FOR = {
    ViolationKind.INVALID_WAIT_CONTEXT.value: "PROVE_RAW_LOCK_NESTING",
    ViolationKind.SLEEPING_FUNCTION.value: "DEBUG_ATOMIC_SLEEP",
    ViolationKind.PREEMPTIBLE_CPU_ID.value: "DEBUG_PREEMPT",
    ViolationKind.SUSPICIOUS_RCU.value: PROVE_RCU_LIST,
}


@attrs.frozen(kw_only=True)
class Case:
    """One condition on one kernel.

    `checked` is what was found with every check on, `own` as it is built. `unreported` says what is wrong although
    nothing reports it there: then `checked` is what PREEMPT_RT found, or nothing.
    """

    condition: Condition
    checked: Finding
    own: Finding
    unreported: str = ""

    @property
    def wrong(self) -> bool:
        """The call must not be made in this condition."""
        return not self.checked.clean or bool(self.unreported)

    @property
    def told(self) -> bool:
        """This kernel says so."""
        return not self.own.clean

    @property
    def finding(self) -> Finding:
        """What is to be shown of it: what this kernel says, or else what the checks found."""
        return self.own if self.told else self.checked


@attrs.frozen(kw_only=True)
class Cell:
    """The answer of one kernel. `missing` says why there is none."""

    kernel: AskedKernel
    place: Place
    cases: tuple[Case, ...] = ()
    missing: str = ""

    @property
    def wrong(self) -> tuple[Case, ...]:
        """The conditions in which it must not be called."""
        return tuple(case for case in self.cases if case.wrong)

    @property
    def verdict(self) -> Verdict:
        """The answer."""
        if self.missing:
            return Verdict.NOT_MODELLED
        if not self.wrong:
            return Verdict.YES
        # That an NMI does nothing wrong where it finds a lock held makes what is always wrong no better.
        usual = [case for case in self.cases if not case.condition.interrupts]
        return Verdict.NO if all(case.wrong for case in usual) else Verdict.DEPENDS

    @property
    def silence(self) -> Silence:
        """Whether this kernel says what is wrong."""
        told = [case for case in self.wrong if case.told]
        if len(told) == len(self.wrong):
            return Silence.TOLD
        return Silence.PARTLY if told else Silence.SILENT

    @property
    def lacking(self) -> str:
        """For lack of what it is silent."""
        off = self.kernel.unchecked
        needed = [_CHECK_FOR.get(case.checked.kind, "") for case in self.wrong if not case.told and not case.unreported]
        return " and ".join(dict.fromkeys(name for name in needed if name in off))

    @property
    def word(self) -> str:
        """For a table."""
        silent = self.silence is not Silence.TOLD and self.wrong
        return f"{self.verdict.value}{f', {self.silence.value}' if silent else ''}"


@attrs.frozen(kw_only=True)
class Answer:
    """What was asked, and the answers: by place, then by kernel.

    `unreached`: of the cells that were asked for so many are not there, since somebody ended it; of the last place in
    `cells` some may be missing.
    """

    asked: Asked
    cells: tuple[Cell, ...]
    unreached: int = 0

    @property
    def whole_places(self) -> tuple[Place, ...]:
        """Those of which every cell is there."""
        count = Counter(cell.place for cell in self.cells)
        most = max(count.values(), default=0)
        if self.unreached and len(count) == 1:
            return ()
        return tuple(place for place, cells in count.items() if cells == most)

    @property
    def verdict(self) -> Verdict:
        """Of all kernels and places together."""
        verdicts = {cell.verdict for cell in self.cells} - {Verdict.NOT_MODELLED}
        if not verdicts:
            return Verdict.NOT_MODELLED
        return verdicts.pop() if len(verdicts) == 1 else Verdict.DEPENDS
