"""One run of a campaign, and what each of its reports is: a known bug, a scenario's own doing, or news."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..builds import USUAL_BUILDS
from ..context.violation import KernelBug, Violation, ViolationKind
from ..eras import KnownBug, find_era
from ..errors import StepBoundExceeded
from ..expectation import promised_kernels
from ..machine import Machine
from ..runs import Result, Run
from ..scenario import Scenario
from ..spelling import counted
from .plan import Part, Plan, draw, loaded

_SHORT_OF_MEMORY: Final = (ViolationKind.OUT_OF_MEMORY, ViolationKind.PAGE_ALLOCATION_FAILURE)
_ASKS_FOR_MEMORY: Final = ("kmalloc", "vmalloc", "get_free_page")
"""What a scenario asks memory of. Where there is none it is told so, which is nobody's bug."""

_ADDRESS: Final = re.compile(r"\bffff[0-9a-f]{12}\b")

ERROR: Final = "error"
"""The kind of a piece of news that is no report: the run ended with an exception."""


@attrs.frozen
class News:
    """Something nobody has written down: a report's kind, title, and the innermost function, or an exception.

    The title, which may have addresses and numbers in it, makes no other thing of it.
    """

    kind: str
    function: str
    title: str = attrs.field(eq=False)


@attrs.frozen(kw_only=True)
class Judged:
    """One run, judged.

    `known` counts the reports that are a known bug, `own` by kind those that are the scenario's doing: what it shows on
    every kernel, and that there was no memory when it asked for some. `unseen` are reports beyond those that a run
    keeps. `bounded`: the bound of steps ended it, and `stood` says where its CPUs were then.

    A known bug that has `spoilt` the machine may have anything for its end: a deadlock, objects that nobody frees, no
    end at all. `behind` counts such reports, by kind: those that were made when nothing ran any more, or that say
    themselves that the kernel's state is wrong.
    `waste` is what was done for nothing, by the names of docs/results.md: it needs no look.
    """

    part: Part
    known: dict[KnownBug, int]
    own: dict[str, int]
    behind: dict[str, int]
    spoilt: bool
    news: tuple[News, ...]
    unseen: int
    bounded: bool
    stood: str
    steps: int
    waste: dict[str, int] = attrs.field(factory=dict)

    @property
    def in_order(self) -> bool:
        """Whether nothing of it needs to be looked at.

        A run that does not end is a matter of its own, unless a known bug had spoilt it.
        """
        return not self.news and not self.unseen and (not self.bounded or self.spoilt)


def try_part(plan: Plan, number: int) -> Judged:
    """Draw the run of that number, run it, and judge it."""
    part = draw(plan, number)
    chosen = loaded(part.scenario)
    run = Run(chosen, part.options)
    raised = run.attempt()
    return judge(part, chosen, run.result(), raised, stood=_stood(run.machine))


def _stood(machine: Machine) -> str:
    """Where each CPU is: what it runs, in which context, and what waits to interrupt it once more."""
    said = []
    for cpu in machine.system.cpus.values():
        ctx, nmis = cpu.ctx, cpu.nmis_waiting()
        waits = f", {counted(nmis, 'NMI')} waiting" if nmis else ""
        said.append(f"CPU {cpu.cpu_id} in {ctx.comm}/{ctx.pid} ({ctx.kind()}{waits})")
    return ", ".join(said)


def judge(part: Part, chosen: Scenario, result: Result, raised: Exception | None = None, *, stood: str = "") -> Judged:
    """What each report of a run is."""
    bugs, own_kinds = find_era(result.kernel).known_bugs, shown_everywhere(chosen, part.build)
    known: Counter[KnownBug] = Counter()
    own: Counter[str] = Counter()
    behind: Counter[str] = Counter()
    since = _spoilt_since(bugs, result)
    news: list[News] = []
    freed: dict[str, KnownBug] = {}
    for violation in result.violations:
        bug = next((bug for bug in bugs if bug.explains(violation, result.design)), None) or _freed_so(violation, freed)
        if bug is not None:
            known[bug] += 1
            freed.update(dict.fromkeys(_ADDRESS.findall(violation.title), bug))
        elif violation.kind.value in own_kinds or _asked_for_memory(violation):
            own[violation.kind.value] += 1
        elif since is not None and violation.time_ns >= since and (not violation.trace or _shows_the_damage(violation)):
            behind[violation.kind.value] += 1
        else:
            news.append(_news_of(violation))
    bounded = isinstance(raised, StepBoundExceeded)
    # An oops is among the reports already.
    if raised is not None and not bounded and not isinstance(raised, KernelBug):
        news.append(News(ERROR, type(raised).__name__, str(raised)))
    unseen = result.violation_count - len(result.violations)
    return Judged(
        part=part,
        known=dict(known),
        own=dict(own),
        behind=dict(behind),
        spoilt=since is not None,
        news=tuple(news),
        unseen=unseen,
        bounded=bounded,
        stood=stood if bounded else "",
        steps=result.steps,
        waste=result.waste,
    )


def _spoilt_since(bugs: Sequence[KnownBug], result: Result) -> int | None:
    """When the machine was spoilt by a known bug first; what is told at the same moment may be told before that."""
    spoils = [bug for bug in bugs if bug.spoils]
    return min(
        (told.time_ns for told in result.violations if any(bug.explains(told, result.design) for bug in spoils)),
        default=None,
    )


def _shows_the_damage(violation: Violation) -> bool:
    """Whether it says that the kernel's own state is wrong, or that somebody sleeps, or spins, for ever."""
    lasts = violation.kind in (ViolationKind.HUNG_TASK, ViolationKind.RCU_STALL)
    return lasts or "DEBUG_LOCKS_WARN_ON(" in violation.title


def _freed_so(violation: Violation, freed: Mapping[str, KnownBug]) -> KnownBug | None:
    """The known bug by which the memory at that address was freed, if that is what is used."""
    if violation.kind is not ViolationKind.USE_AFTER_FREE:
        return None
    return next((freed[address] for address in _ADDRESS.findall(violation.title) if address in freed), None)


def _asked_for_memory(violation: Violation) -> bool:
    """Whether it says that memory is short, to a scenario that has asked for memory itself."""
    if violation.kind not in _SHORT_OF_MEMORY:
        return False
    scenario = f"({violation.line})"
    callers_line = next((at for at, name in enumerate(violation.trace) if name.endswith(scenario)), 0)
    return callers_line > 0 and violation.trace[callers_line - 1] in _ASKS_FOR_MEMORY


def _news_of(violation: Violation) -> News:
    return News(violation.kind.value, violation.trace[0] if violation.trace else "", violation.title)


def shown_everywhere(chosen: Scenario, build: str) -> frozenset[str]:
    """The kinds that a scenario promises to show in that build on every kernel: what it shows is its own doing.

    What it shows on some only is a bug of those. A build for which nothing is promised is as `prove`, whose checks it
    has and more.
    """
    promised = build if build in USUAL_BUILDS else "prove"
    rows = [chosen.expect.get(label, {}).get(promised, "clean") for label in promised_kernels()]
    kinds = [frozenset(row.split(", ")) - {"clean"} for row in rows]
    return frozenset.intersection(*kinds)
