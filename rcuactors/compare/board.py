"""The board: the answers of all tasks, put together by design. Tables and reasons are read off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .costs import CostRun, Spread, spreads, worst_outcome
from .probe import Finding
from .tasks import Answer, Plan, Task
from .verdict import AT_THE_END, Verdict, verdict_of

Place = tuple[str, str]
"""(kernel, context or scenario), or (kernel, workload)."""


@attrs.frozen(kw_only=True)
class Cost:
    """A row of a cost table: the figures over the seeds, the outcome, and in how many seeds it was not clean: which."""

    figures: Mapping[str, Spread]
    outcome: str = "clean"
    failed: int = 0
    seeds: int = 1
    failing: tuple[int, ...] = ()

    @property
    def keeps(self) -> bool:
        """Objects were left over, and nothing else was reported."""
        return set(self.outcome.split(", ")) <= AT_THE_END


@attrs.frozen(kw_only=True)
class Card:
    """All that is known of one design. What was not measured is missing."""

    design: str
    about: str
    version: str = ""
    """Set where a version stands for its own design: the runs were on that one."""
    verdicts: Mapping[Place, Verdict]
    costs: Mapping[Place, Cost]

    @property
    def keeps(self) -> bool:
        """It keeps objects for ever: they were left over when a machine that had not died was idle."""
        return any(verdict.keeps for verdict in self.verdicts.values()) or any(
            cost.keeps for cost in self.costs.values()
        )


@attrs.frozen(kw_only=True)
class Board:
    """All designs, and of how many tasks the answers are known."""

    plan: Plan
    cards: tuple[Card, ...]
    done: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Every task was done."""
        return self.done == self.wanted


def make_board(plan: Plan, tasks: Sequence[Task], answers: Mapping[int, Answer]) -> Board:
    """Put the answers together. A cell counts when it is known for at least one seed."""
    probed: dict[str, dict[Place, dict[int, list[Finding]]]] = {design.name: {} for design in plan.designs}
    measured: dict[str, dict[Place, dict[int, CostRun]]] = {design.name: {} for design in plan.designs}
    for number, task in enumerate(tasks):
        answer = answers.get(number)
        place = task.kernel.name, task.subject
        if isinstance(answer, CostRun):
            measured[task.design.name].setdefault(place, {})[task.options.seed] = answer
        elif answer is not None:
            probed[task.design.name].setdefault(place, {})[task.options.seed] = answer
    cards = tuple(
        Card(
            design=design.name,
            about=design.about,
            version=design.version,
            verdicts=(
                {place: _verdict_of_runs(runs) for place, runs in measured[design.name].items()}
                if plan.scenarios
                else {place: verdict_of(found) for place, found in probed[design.name].items()}
            ),
            costs={place: _cost_of(runs) for place, runs in measured[design.name].items()},
        )
        for design in plan.designs
    )
    return Board(plan=plan, cards=cards, done=len(answers), wanted=len(tasks))


def _failing(runs: Mapping[int, CostRun]) -> tuple[int, ...]:
    return tuple(seed for seed, run in runs.items() if run.outcome != "clean")


def _cost_of(runs: Mapping[int, CostRun]) -> Cost:
    all_runs = list(runs.values())
    outcome, failed = worst_outcome(all_runs)
    return Cost(figures=spreads(all_runs), outcome=outcome, failed=failed, seeds=len(runs), failing=_failing(runs))


def _verdict_of_runs(runs: Mapping[int, CostRun]) -> Verdict:
    """Of a scenario: its first report, where the contexts' probes have theirs."""
    failing = _failing(runs)
    if not failing:
        return Verdict(seeds=len(runs))
    dirty = [runs[seed] for seed in failing]
    worst = next((run for run in dirty if run.fatal), dirty[0])
    return Verdict(
        kind=worst.outcome.partition(",")[0],
        title=worst.first,
        fatal=worst.fatal,
        failed=len(dirty),
        seeds=len(runs),
        failing=failing,
    )
