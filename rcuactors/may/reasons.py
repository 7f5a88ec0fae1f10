"""Why an answer is not yes: what was found, once for all kernels that it was found on alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ..eras import ERAS
from ..spelling import one_of
from .advice import Advice, advice_for
from .answer import Answer, Cell, Silence, Verdict
from .trial import Finding


@attrs.define(kw_only=True)
class Reason:
    """Why it is not yes, alike on some kernels: the conditions, and what was found in the first of them.

    `always`: in every condition. `silent` are builds that say nothing of it, `partly` those that do in some of the
    conditions only, each with what it lacks.
    """

    rt: bool
    when: tuple[str, ...]
    always: bool
    finding: Finding
    unreported: str
    versions: list[str] = attrs.field(factory=list)
    builds: list[str] = attrs.field(factory=list)
    silent: dict[str, str] = attrs.field(factory=dict)
    partly: dict[str, str] = attrs.field(factory=dict)

    @property
    def condition(self) -> str:
        """When it is so: `no once the CPU's page list is empty`."""
        return "no" if self.always else f"no {one_of(self.when)}"

    @property
    def kernels(self) -> str:
        """Of which kernels: `v6.6 - v7.3 (plain, prove)`."""
        return f"{version_ranges(self.versions)} ({', '.join(self.builds)})"


def reasons_of(answer: Answer) -> list[Reason]:
    """All of an answer's."""
    return reasons_for(answer.cells)


def advice_of(answer: Answer) -> list[Advice]:
    """What to do instead, each once."""
    form = answer.asked.form
    found = [reason.finding for reason in reasons_of(answer)]
    advice = [advice_for(one.kind, one.chain[-1] if one.chain else "", form) for one in found]
    return [one for one in dict.fromkeys(advice) if one is not None]


def reasons_for(cells: Iterable[Cell]) -> list[Reason]:
    """One for each kernel whose answer is not yes, those that are alike as one; PREEMPT_RT comes last."""
    found: dict[tuple[object, ...], Reason] = {}
    for cell in cells:
        if not cell.wrong:
            continue
        first = cell.wrong[0]
        when, always = tuple(case.condition.when for case in cell.wrong), cell.verdict is Verdict.NO
        checked = first.checked
        key = (cell.kernel.rt, when, always, checked.kind, checked.lock, checked.entering, first.unreported)
        if key not in found:
            # On PREEMPT_RT what that itself says, not what lockdep says before.
            finding = first.own if cell.kernel.rt and first.told else checked
            found[key] = Reason(
                rt=cell.kernel.rt, when=when, always=always, finding=finding, unreported=first.unreported
            )
        _count(found[key], cell)
    return sorted(found.values(), key=lambda reason: reason.rt)


def _count(reason: Reason, cell: Cell) -> None:
    kernel = cell.kernel
    for name, names in ((kernel.version, reason.versions), (kernel.build, reason.builds)):
        if name not in names:
            names.append(name)
    if cell.silence is not Silence.TOLD:
        (reason.silent if cell.silence is Silence.SILENT else reason.partly).setdefault(kernel.build, cell.lacking)


def version_ranges(versions: Sequence[str]) -> str:
    """`v5.9`, `v5.9 - v6.6`, `v5.9, v6.1.0 - v7.3`: those that follow one another as one."""
    order = list(ERAS)
    runs: list[list[str]] = []
    for version in sorted(set(versions), key=order.index):
        if runs and order.index(version) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(version)
        else:
            runs.append([version])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} - {run[-1]}" for run in runs)
