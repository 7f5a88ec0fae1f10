"""Schedules for tests: time is obeyed, but somebody is held up at one moment of the run.

A bug that needs others to come at the wrong moment is shown by one decision: who is held up, at which of its points,
for how long. All such moments are tried, so that the fixed version is right at each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final

import attrs

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.engine.choice import Outcome, Strategy, Taken, Timed
from rcuactors.engine.decision import HOLD_UP, Decision
from rcuactors.explore.random import Random
from rcuactors.explore.record import Decisions, Record, Replay

MOST: Final = 400
Body = Callable[[Kernel], Awaitable[None]]


@attrs.frozen
class Moment:
    """Whoever's name contains `who` is held up for `ns` at its point of that number, of those from `since_ns` on.

    A point is where one step is done and others may see that: the first is 1.
    """

    who: str
    point: int
    ns: int
    since_ns: int = 0


class HeldUp(Timed):
    """Time is obeyed, but for these moments."""

    name = "held-up"
    holds_up = True

    def __init__(self, *moments: Moment) -> None:
        super().__init__()
        self.moments = moments
        self.points: Counter[Moment] = Counter()

    def choose(self, decision: Decision) -> int:
        if decision.kind is not HOLD_UP:
            return 0
        for moment in self.moments:
            if decision.now >= moment.since_ns and moment.who in decision.option(0):
                self.points[moment] += 1
                if self.points[moment] == moment.point:
                    return min(moment.ns, decision.count - 1)
        return 0


@attrs.frozen(kw_only=True)
class Schedule:
    """A run in which somebody was held up: what came of it, and the one decision by which it comes again."""

    body: Body
    kernel: str
    settings: Mapping[str, str]
    result: Result
    decisions: Decisions

    def again(self, kernel: str | None = None) -> Result:
        """The same run from its decisions, on that version if it takes the same."""
        strategy = Replay(HeldUp(), self.decisions)
        options = RunOptions(kernel=kernel or self.kernel, strategy=strategy, events=False, settings=self.settings)
        return run(scenario()(self.body), options)


def held_up(body: Body, kernel: str, *moments: Moment, **settings: str) -> Schedule:
    """That run."""
    record = Record(HeldUp(*moments))
    result = run(scenario()(body), RunOptions(kernel=kernel, strategy=record, events=False, settings=settings))
    assert record.decisions is not None
    return Schedule(body=body, kernel=kernel, settings=settings, result=result, decisions=record.decisions)


def held_up_anywhere(
    body: Body, kernel: str, first: Moment, *others: Moment, points: int = 0, **settings: str
) -> Iterator[Schedule]:
    """All schedules with one such moment, from the first on until there is none any more; or so many `points`.

    `others` are moments besides.
    """
    for point in range(first.point, (points or MOST) + 1):
        tried = held_up(body, kernel, attrs.evolve(first, point=point), *others, **settings)
        if len(tried.decisions.taken) <= len(others):
            assert point > first.point, f"{first.who} comes to no point"
            return
        yield tried
    assert points, f"{first.who} comes to more than {MOST} points"


def wrong_at(schedules: Iterable[Schedule], wrong: Callable[[Result], bool]) -> list[Schedule]:
    """Those that go wrong: they do so again when their decisions are replayed."""
    found = [schedule for schedule in schedules if wrong(schedule.result)]
    for schedule in found:
        assert wrong(schedule.again())
    return found


class Follow(Replay):
    """Decides as was decided up to a point, and from there on has nothing special happen: on a neighbour, too."""

    def __init__(self, recorded: Strategy, decisions: Decisions, until: int) -> None:
        super().__init__(recorded, attrs.evolve(decisions, taken=decisions.taken[:until]))

    def end_run(self, outcome: Outcome) -> None:
        """The number of decisions is whatever it is; those that were taken must have been."""
        if outcome.failure is None:
            assert self._due() is None, "it came apart before"


def follow(body: Body, kernel: str, order: Strategy, decisions: Decisions, until: int, **settings: str) -> Result:
    """The run in which the first so many of the decisions are taken, in the election of `order`."""
    strategy = Follow(order, decisions, until)
    return run(scenario()(body), RunOptions(kernel=kernel, strategy=strategy, events=False, settings=settings))


@attrs.frozen
class Found:
    """The shortest beginning of a random run after which nothing special need happen any more for it to go wrong."""

    body: Body
    kernel: str
    settings: Mapping[str, str]
    decisions: Decisions
    until: int

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The decisions."""
        return self.decisions.taken[: self.until]

    def on(self, kernel: str) -> Result:
        """The same decisions on another version, which has to be the same until then. Raises ReplayDiverged."""
        return follow(self.body, kernel, Random(), self.decisions, self.until, **self.settings)


def found_by_random(
    body: Body, kernel: str, wrong: Callable[[Result], bool], seeds: Iterable[int], **settings: str
) -> Found:
    """The first of these random runs that goes wrong, cut down to its beginning."""
    for seed in seeds:
        record = Record(Random())
        options = RunOptions(kernel=kernel, strategy=record, seed=seed, events=False, settings=settings)
        if wrong(run(scenario()(body), options)):
            assert record.decisions is not None
            for until in range(len(record.decisions.taken) + 1):
                if wrong(follow(body, kernel, Random(), record.decisions, until, **settings)):
                    return Found(body, kernel, settings, record.decisions, until)
    raise AssertionError(f"no run of {kernel} went wrong")
