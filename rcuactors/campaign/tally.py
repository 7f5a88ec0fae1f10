"""The figures of a campaign: what was run, which known bugs were met, and what is news."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import attrs

from ..eras import KnownBug, find_era
from ..spelling import counted, plural
from .judge import ERROR, Judged, News
from .plan import Part, Plan

_SHOWN: Final = 20
"""Runs ended by the bound, and pieces of news, that are shown in text; JSON has all."""


@attrs.define
class Met:
    """How often something was met: in how many runs, by how many reports, and first in which run."""

    first: Part
    runs: int = 0
    reports: int = 0

    def add(self, reports: int) -> None:
        """One run more."""
        self.runs += 1
        self.reports += reports

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        first = self.first
        faults, command = list(first.faults), first.command
        return {"runs": self.runs, "reports": self.reports, "first": first.number, "faults": faults, "command": command}


@attrs.frozen
class Bounded:
    """A run that the bound of steps ended, whether a known bug had spoilt it, and where its CPUs stood."""

    part: Part
    spoilt: bool
    stood: str


@attrs.define
class Wasted:
    """What was done for nothing: in how many runs, how often in all, and in which run most often."""

    worst: Part
    runs: int = 0
    times: int = 0
    most: int = 0

    def add(self, part: Part, times: int) -> None:
        """One run more."""
        self.runs += 1
        self.times += times
        if times > self.most:
            self.most, self.worst = times, part


@attrs.define(eq=False)
class Tally:
    """What came of a campaign's runs, from number `first` on, taken in their order.

    `known` is by version and bug, `own` by scenario and kind, `news` by version, design and what it is; `bounded` are
    the runs that the bound of steps ended; `behind` is what else came of such
    bugs, by version and kind. `longest` is in steps, of those that came to their end. `waste` is by version and name:
    nothing that needs to be looked at, and told only to who seeks it.
    """

    plan: Plan
    first: int
    runs: int = 0
    failing: int = 0
    unseen: int = 0
    steps: int = 0
    longest: int = 0
    by_kernel: Counter[str] = attrs.field(factory=Counter)
    by_build: Counter[str] = attrs.field(factory=Counter)
    by_scenario: Counter[str] = attrs.field(factory=Counter)
    by_fault: Counter[str] = attrs.field(factory=Counter)
    known: dict[tuple[str, KnownBug], Met] = attrs.field(factory=dict)
    own: dict[tuple[str, str], Met] = attrs.field(factory=dict)
    behind: dict[tuple[str, str], Met] = attrs.field(factory=dict)
    news: dict[tuple[str, str, News], Met] = attrs.field(factory=dict)
    bounded: list[Bounded] = attrs.field(factory=list)
    waste: dict[tuple[str, str], Wasted] = attrs.field(factory=dict)

    def take(self, judged: Judged) -> None:
        """Count one run in."""
        part = judged.part
        kernel = part.options.kernel
        self.runs += 1
        self.failing += not judged.in_order
        self.unseen += judged.unseen
        self.steps += judged.steps
        self.longest = max(self.longest, 0 if judged.bounded else judged.steps)
        self.by_kernel[kernel] += 1
        self.by_build[part.build] += 1
        self.by_scenario[part.scenario] += 1
        self.by_fault.update(part.faults or ("none",))
        for bug, reports in judged.known.items():
            self.known.setdefault((kernel, bug), Met(part)).add(reports)
        for kind, reports in judged.own.items():
            self.own.setdefault((part.scenario, kind), Met(part)).add(reports)
        for kind, reports in judged.behind.items():
            self.behind.setdefault((kernel, kind), Met(part)).add(reports)
        design = str(part.options.design or find_era(kernel).design)
        for item, reports in Counter(judged.news).items():
            self.news.setdefault((kernel, design, item), Met(part)).add(reports)
        if judged.bounded:
            self.bounded.append(Bounded(part, judged.spoilt, judged.stood))
        for name, times in judged.waste.items():
            self.waste.setdefault((kernel, name), Wasted(part)).add(part, times)

    @property
    def in_order(self) -> bool:
        """Whether there is nothing that needs to be looked at."""
        return not self.failing

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "seed": self.plan.seed,
            "first": self.first,
            "runs": self.runs,
            "steps": self.steps,
            "longest": self.longest,
            "by_kernel": dict(self.by_kernel),
            "by_build": dict(self.by_build),
            "by_scenario": dict(self.by_scenario),
            "by_fault": dict(self.by_fault),
            "not_drawn": list(self.plan.untold),
            "known": [
                {"kernel": kernel, **attrs.asdict(bug), "kind": bug.kind.value, **met.as_json()}
                for (kernel, bug), met in self.known.items()
            ],
            "own": [{"scenario": name, "kind": kind, **met.as_json()} for (name, kind), met in self.own.items()],
            "behind": [
                {"kernel": kernel, "kind": kind, **met.as_json()} for (kernel, kind), met in self.behind.items()
            ],
            "bounded": [
                {"number": one.part.number, "command": one.part.command, "spoilt": one.spoilt, "stood": one.stood}
                for one in self.bounded
            ],
            "unseen": self.unseen,
            "news": [
                {
                    "kernel": kernel,
                    "design": design,
                    **attrs.asdict(item),
                    **met.as_json(),
                    "run": met.first.spec.to_json(),
                }
                for (kernel, design, item), met in self.news.items()
            ],
        }


def tally_lines(tally: Tally) -> list[str]:
    """The figures as text; what needs to be looked at comes last, with the commands that show it."""
    plan = tally.plan
    last = tally.first + tally.runs - 1
    numbers = f"number {tally.first:,} to {last:,}" if tally.runs else "none"
    lines = [
        f"campaign with seed {plan.seed}: {plural(tally.runs, 'run')}, {numbers}",
        f"  {plural(tally.steps, 'step')}, the longest run {tally.longest:,}",
        _shares("versions", tally.by_kernel),
        _shares("builds", tally.by_build),
        _shares("scenarios", tally.by_scenario),
        _shares("faults", tally.by_fault),
        *(f"  not drawn: {name}, whose bug is a deadlock that nothing tells from news" for name in plan.untold),
        "",
        "known bugs:",
        *_known_lines(tally),
    ]
    lines += [f"  {kernel} behind these {kind}: {_how_often(met)}" for (kernel, kind), met in _in_order(tally.behind)]
    lines += ["", "the scenarios' own doing:"] if tally.own else []
    lines += [f"  {scenario} {kind}: {_how_often(met)}" for (scenario, kind), met in _in_order(tally.own)]
    return [*lines, *_bounded_lines(tally), *_unseen_lines(tally), "", *_news_lines(tally)]


def waste_lines(tally: Tally) -> list[str]:
    """What was done for nothing, as text, by version and name: with the command that shows the most of it."""
    lines = ["waste, which is no violation:" if tally.waste else "waste, which is no violation: none"]
    for kernel in tally.plan.kernels:
        for name, wasted in sorted((name, wasted) for (of, name), wasted in tally.waste.items() if of == kernel):
            often = f"{wasted.times:,} in {plural(wasted.runs, 'run')}, at most {wasted.most:,} in one"
            lines += [f"  {kernel} {name}: {often}", f"    {wasted.worst.command}"]
    return lines


def waste_as_json(tally: Tally) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [
        {
            "kernel": kernel,
            "name": name,
            "runs": wasted.runs,
            "times": wasted.times,
            "most": wasted.most,
            "worst": wasted.worst.number,
            "command": wasted.worst.command,
        }
        for (kernel, name), wasted in tally.waste.items()
    ]


def _shares(what: str, counter: Counter[str]) -> str:
    return f"  {what}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items()))


def _how_often(met: Met) -> str:
    return f"{plural(met.runs, 'run')}, {plural(met.reports, 'report')}"


def _in_order(met: dict[tuple[str, str], Met]) -> list[tuple[tuple[str, str], Met]]:
    return sorted(met.items(), key=lambda item: item[0])


def _known_lines(tally: Tally) -> list[str]:
    lines = []
    for kernel in tally.plan.kernels:
        bugs = find_era(kernel).known_bugs
        lines += [f"  {kernel}: none is known"] if not bugs else []
        for bug in bugs:
            met = tally.known.get((kernel, bug))
            only = f" (design {', '.join(bug.designs)})" if bug.designs else ""
            often = _how_often(met) if met is not None else "not met"
            lines.append(f"  {kernel} {bug.label} {bug.kind.value} in {bug.function}{only}: {often}")
    return lines


def _bounded_lines(tally: Tally) -> list[str]:
    if not tally.bounded:
        return ["", f"ended by the bound of {tally.plan.max_steps:,} steps: none"]
    lines = ["", f"ended by the bound of {tally.plan.max_steps:,} steps: {plural(len(tally.bounded), 'run')}"]
    # Those that count first.
    for one in sorted(tally.bounded, key=lambda one: (one.spoilt, one.part.number))[:_SHOWN]:
        why = "behind a known bug" if one.spoilt else "for no known reason"
        lines.append(f"  number {one.part.number}, {why}{_with(one.part)}: {one.stood}")
        lines.append(f"    {one.part.command}")
    return [*lines, *_left_out(len(tally.bounded))]


def _unseen_lines(tally: Tally) -> list[str]:
    return [f"reports that were not looked at, since a run keeps 1,000: {tally.unseen:,}"] if tally.unseen else []


def _with(part: Part) -> str:
    """What might go wrong in it besides, which the command under it says as settings."""
    return f", with {', '.join(part.faults)}" if part.faults else ""


def _news_lines(tally: Tally) -> list[str]:
    if not tally.news:
        return ["not known: nothing"]
    lines = [f"not known: {counted(len(tally.news), 'thing')}"]
    found = sorted(tally.news.items(), key=lambda item: -item[1].runs)
    for (kernel, design, item), met in found[:_SHOWN]:
        where = f" in {item.function}" if item.function else ""
        what = f"{item.function}: {item.title}" if item.kind == ERROR else f"{item.kind}{where}: {item.title}"
        lines.append(f"  {kernel}, design {design}: {what} ({_how_often(met)}){_with(met.first)}")
        lines.append(f"    {met.first.command}")
    return [*lines, *_left_out(len(tally.news))]


def _left_out(count: int) -> list[str]:
    return [f"  ... and {count - _SHOWN:,} more"] if count > _SHOWN else []
