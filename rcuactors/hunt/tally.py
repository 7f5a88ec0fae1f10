"""What an exploration has done: how many schedules, how many of them differ, what was decided, and what was found.

Nothing is claimed that did not happen. Each kind of decision is counted with what was taken of it, and one of which an
option was never taken is named; how many new traces still come says whether more schedules of this sort would
show more; and what no schedule of ours can show is said with every "nothing found".
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import attrs

from ..explore import make_any_strategy
from ..spelling import plural
from .finding import WASTE, Signature
from .growth import Growth
from .plan import Plan
from .progress import Progress
from .trial import Taken, Trial

UNSEEN: Final = (
    "weak memory ordering: each step of a CPU is one whole to the others",
    "what docs/assumptions.md leaves out",
)
"""What no schedule of the model shows."""


@attrs.define
class Tally:
    """The figures of one exploration. `firsts` has the first schedule of each problem, in the order of finding.

    What a schedule shows after its first problem may be a consequence of that, and is noted with it (`also`).
    """

    plan: Plan
    progress: Progress
    schedules: int = 0
    choices: int = 0
    cut: int = 0
    seconds: float = 0.0
    firsts: dict[Signature, Trial] = attrs.field(factory=dict)
    times: Counter[Signature] = attrs.field(factory=Counter)
    also: dict[Signature, dict[Signature, None]] = attrs.field(factory=dict)
    taken: dict[str, Taken] = attrs.field(factory=dict)
    by_strategy: Counter[str] = attrs.field(factory=Counter)
    states: set[str] = attrs.field(factory=set)
    traces: Growth = attrs.field(factory=Growth)
    """What each CPU did, in its order."""
    pairs: Growth = attrs.field(factory=Growth)
    """Ordered pairs of accesses, of the schedules in which somebody looked (`pairs`)."""

    def take(self, trial: Trial) -> Signature | None:
        """Count one; returns the problem that it is the first to show first, if there is one."""
        self.traces.take([trial.trace])
        if trial.pairs is not None:
            self.pairs.take(trial.pairs)
        self.states.add(trial.state)
        self.schedules += 1
        self.choices += trial.choices
        self.cut += trial.cut
        self.by_strategy[trial.strategy] += 1
        for name, counts in trial.taken.items():
            self.taken.setdefault(name, Taken()).add(counts)
        if not trial.shown:
            return None
        shown = [one.signature for one in trial.shown]
        first = shown[0]
        if first.kind == WASTE:
            # None of it is a consequence of another.
            first = next((one for one in shown if one not in self.firsts), first)
        self.times[first] += 1
        self.also.setdefault(first, {}).update(dict.fromkeys(one for one in shown if one != first))
        if first in self.firsts:
            return None
        self.firsts[first] = trial
        return first

    @property
    def complete(self) -> bool:
        """A search has covered everything within its bound: none of its schedules was cut short, or went astray."""
        return self.progress.complete and not self.cut and not self.progress.astray

    def never_taken(self) -> list[str]:
        """Warnings: kinds of decision of which something was never taken."""
        said = []
        for name, counts in sorted(self.taken.items()):
            if not counts.asked - counts.usual:
                said.append(f"{name}: asked {plural(counts.asked, 'time')}, and never anything but the usual taken")
            elif counts.actors and not counts.other:
                said.append(f"{name}: nobody was ever passed over for another actor")
        if not self.taken:
            said.append("no decision was asked for: all of these schedules are one")
        return said

    def _search_json(self) -> dict[str, Any] | None:
        """How far a search is, by what it knows of that; None where schedules were drawn."""
        progress = self.progress
        if not self.plan.search:
            return None
        return {
            "places": {"done": progress.subtrees_done, "of": progress.subtrees} if progress.subtrees else None,
            "part": progress.part,
            "classes": progress.classes or None,
            "left": progress.left if progress.classes else None,
            "repeated": progress.repeated,
            "astray": progress.astray,
        }

    def unseen(self) -> list[str]:
        """What no schedule of these shows, however many there are."""
        search = self.plan.search
        return [*UNSEEN, *(getattr(make_any_strategy(search), "unseen", ()) if search else ())]

    def as_json(self) -> dict[str, Any]:
        """As plain data; what was found is added by whoever cut it down."""
        return {
            "schedules": self.schedules,
            "strategies": dict(self.by_strategy),
            "decisions": self.choices,
            "cut_short": self.cut,
            "distinct_traces": self.traces.distinct,
            "final_states": len(self.states),
            "ordered_pairs": {
                "distinct": self.pairs.distinct,
                "schedules": self.pairs.schedules,
                "new_of_late": self.pairs.as_json(),
            },
            "search": self._search_json(),
            "new_of_late": self.traces.as_json(),
            "complete": self.complete,
            "taken": {name: attrs.asdict(counts) for name, counts in sorted(self.taken.items())},
            "never_taken": self.never_taken(),
            "unseen": self.unseen(),
        }


def tally_lines(tally: Tally) -> list[str]:
    """The figures, as text."""
    lines = [
        f"schedules         {tally.schedules:,} ({', '.join(f'{n} {c:,}' for n, c in tally.by_strategy.items())})",
        f"decisions         {tally.choices:,}",
        f"traces            {tally.traces.distinct:,} distinct; {tally.traces.said()}",
        _pairs(tally),
        f"final states      {len(tally.states):,}, without times",
    ]
    for name, counts in sorted(tally.taken.items()):
        time = f", time passed {counts.time:,}" if counts.actors else ""
        lines.append(f"  {name}: {counts.asked:,} asked, usual {counts.usual:,}{time}, other {counts.other:,}")
    if tally.cut:
        by = "the bound of steps (--max-steps) or the time (--time)"
        lines.append(f"cut short         {plural(tally.cut, 'schedule')}, by {by}")
    lines += [f"warning: {said}" for said in tally.never_taken()]
    if tally.plan.search:
        lines += [*_classes(tally), _covered(tally)]
    return lines


def _pairs(tally: Tally) -> str:
    looked = tally.pairs.schedules
    where = "" if looked == tally.schedules else f", looked for in {plural(looked, 'schedule')}"
    return f"pairs             {tally.pairs.distinct:,} of accesses, by their order{where}; {tally.pairs.said()}"


def _beginnings(tally: Tally) -> str:
    return f"{plural(tally.progress.left, 'beginning')} known that no schedule has had, and those to which they lead"


def _classes(tally: Tally) -> list[str]:
    """What a search that reduces has made of its schedules: each of them a class, or it was in vain."""
    progress = tally.progress
    if not progress.classes:
        return []
    vain = f"{progress.repeated:,} repeated one, {progress.astray:,} did not begin as it should"
    return [f"classes           {progress.classes:,} of schedules that differ in something; {vain}"]


def _covered(tally: Tally) -> str:
    """What a search has covered."""
    bound = tally.plan.search
    if tally.progress.astray:
        astray = plural(tally.progress.astray, "schedule")
        return f"covered           not everything within the bound of {bound}: {astray} did not begin as it should"
    if tally.progress.complete and tally.cut:
        return f"covered           all departures within the bound of {bound}, but not the ends of schedules cut short"
    if tally.complete:
        return f"covered           everything within the bound of {bound}: {plural(tally.schedules, 'schedule')}"
    progress = tally.progress
    if progress.part is not None:
        return f"covered           about {progress.part:.0%} of what is within the bound of {bound}; not everything"
    if progress.classes:
        return f"covered           not everything within the bound of {bound}: {_beginnings(tally)}"
    done, all_of_them = tally.progress.subtrees_done, tally.progress.subtrees
    return f"covered           {done:,} of {all_of_them:,} places for the first delay of {bound}; not everything"


def nothing_lines(tally: Tally) -> list[str]:
    """What "nothing found" says, and what it does not."""
    cut = f", of which {tally.cut:,} did not come to their end" if tally.cut else ""
    return [f"nothing found in these schedules{cut}; what cannot be seen:", *(f"  {what}" for what in tally.unseen())]
