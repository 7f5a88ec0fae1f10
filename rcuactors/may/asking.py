"""A question asked: each condition on each kernel with every check, and where that found something as it is built."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import attrs

from ..context.violation import ViolationKind
from ..runs.run import patient_collector
from .answer import Answer, Case, Cell
from .calls import Asked
from .conditions import FIRST, Condition, conditions_of
from .kernels import AskedKernel
from .places import Place
from .trial import Finding, Trial
from .unreported import not_looked_at, wrong_in_nmi, wrong_trylock


@attrs.define
class _Asking:
    """One call in one place. What kernels have in common is tried once."""

    asked: Asked
    place: Place
    _known: dict[tuple[object, ...], Finding] = attrs.field(factory=dict)

    def find(self, kernel: AskedKernel, condition: Condition) -> Finding:
        key = (*kernel.key, condition.name)
        if key not in self._known:
            self._known[key] = Trial(self.asked, self.place, condition, kernel.options()).run()
        return self._known[key]

    def cell(self, kernel: AskedKernel) -> Cell:
        """The answer of one kernel."""
        checked = self._all_conditions(kernel.checked(self.asked.form.check))
        missing = next((finding.missing for finding in checked if finding.missing), "")
        if missing:
            return Cell(kernel=kernel, place=self.place, missing=missing)
        # Where others hold its lock a trylock fails, and nothing is changed without it.
        unlocked = any(finding.unlocked for finding in checked if not finding.condition.holds_locks)
        tried = [attrs.evolve(finding, unlocked=unlocked) for finding in checked if not finding.absent]
        cases = tuple(self._case(kernel, finding) for finding in tried)
        return Cell(kernel=kernel, place=self.place, cases=cases)

    def _all_conditions(self, kernel: AskedKernel) -> list[Finding]:
        """What is found in each condition, those first that include others."""
        found: dict[str, Finding] = {}
        conditions = conditions_of(self.asked.form, self.place)
        for condition in sorted(conditions, key=lambda one: not one.includes):
            if condition.name in found:
                continue
            finding = found[condition.name] = self.find(kernel, condition)
            if condition.includes and finding.clean and not finding.missing:
                found[condition.includes] = Finding(condition=FIRST)
        return [found[condition.name] for condition in conditions]

    def _case(self, kernel: AskedKernel, checked: Finding) -> Case:
        condition = checked.condition
        if not checked.clean:
            own = checked if _tells_as_well(kernel, checked) else self.find(kernel, condition)
            return Case(condition=condition, checked=checked, own=own)
        why = wrong_trylock(self.asked.form, self.place, rt=kernel.rt) or wrong_in_nmi(
            self.asked.form, self.place, checked
        )
        if why:
            return Case(condition=condition, checked=checked, own=checked, unreported=why)
        unseen = not_looked_at(self.place, kernel.version)
        if unseen and not kernel.rt:
            on_rt = self.find(kernel.on_rt, condition)
            if not on_rt.clean and not on_rt.missing:
                why = f"it sleeps on PREEMPT_RT only, and lockdep does not look at {unseen}"
                return Case(condition=condition, checked=on_rt, own=checked, unreported=why)
        return Case(condition=condition, checked=checked, own=checked)


def _tells_as_well(kernel: AskedKernel, checked: Finding) -> bool:
    """Whether the kernel, as it is built, has the check that has found this: might_sleep() looks at no other check."""
    return checked.kind == ViolationKind.SLEEPING_FUNCTION.value and kernel.settings.get("DEBUG_ATOMIC_SLEEP") == "y"


def ask_each(asked: Asked, places: Sequence[Place], kernels: Sequence[AskedKernel]) -> Generator[Cell]:
    """The answer of each kernel, place by place. Close the generator to end it early."""
    with patient_collector():
        for place in places:
            asking = _Asking(asked, place)
            for kernel in kernels:
                yield asking.cell(kernel)


def ask(asked: Asked, places: Sequence[Place], kernels: Sequence[AskedKernel]) -> Answer:
    """All of them."""
    return Answer(asked=asked, cells=tuple(ask_each(asked, places, kernels)))
