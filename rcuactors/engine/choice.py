"""Strategies: who answers decisions, the only place where two runs of the same scenario can differ.

A strategy answers decisions (`decision`) and does nothing else; it never sees the machine. Strategies wrap one
another, and live across runs. Which election it decides in (`orders`) is the strategy's own matter.
"""

from __future__ import annotations

import random

import attrs

from .decision import Decision, HoldUp
from .orders import ByClock, Order


@attrs.frozen(kw_only=True)
class Taken:
    """A decision that was not answered with option 0: the how manieth of the run, of which kind, among how many.

    `label` is where the actor of the option stood, when that was noted.
    """

    number: int
    kind: str
    option: str
    count: int
    label: str = ""


@attrs.frozen(kw_only=True)
class Outcome:
    """What a strategy hears at the end of a run.

    `verdict` is what the machine found: "clean", or the kinds of violation. `failure` is the error that ended the run,
    if one did; `cut_short` that somebody cancelled it. `choices` counts the decisions. `taken` is those that depart
    from option 0, in order, for a strategy that is wrapped in `Record`. `unasked` counts the hold-ups after the last
    question about one (`HoldUp.unasked`).
    """

    verdict: str
    failure: BaseException | None
    cut_short: bool
    choices: int
    end_ns: int
    taken: tuple[Taken, ...] | None = None
    unasked: int = 0


class Strategy:
    """Who answers decisions; this one has nothing special happen.

    `order` is the election in which it decides. One that `holds_up` is asked at each point of each actor whether, and
    for how long, that actor is held up there. One without `durations` never puts anything off. `unmoved` is looked at
    after each such question: so many of the next ones it would answer with 0, whoever it is, and is not asked.
    """

    name: str = "nothing special"
    order: type[Order] = ByClock
    holds_up: bool = False
    durations: bool = True
    unmoved: int = 0

    def start_run(self, _seed: int) -> bool:
        """A run begins; the same seed must lead to the same answers. False: there is nothing left to try."""
        return True

    def choose(self, _decision: Decision) -> int:
        """Answer with the index of an option."""
        return 0

    def end_run(self, outcome: Outcome) -> None:
        """The run is over."""


class Wrapper(Strategy):
    """A strategy around another one, to which it leaves everything that it does not do itself."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner
        self.name, self.order, self.holds_up = inner.name, inner.order, inner.holds_up
        self.durations = inner.durations

    def start_run(self, seed: int) -> bool:
        """Ask the inner one."""
        return self.inner.start_run(seed)

    def choose(self, decision: Decision) -> int:
        """Ask the inner one."""
        return self.inner.choose(decision)

    def end_run(self, outcome: Outcome) -> None:
        """Tell the inner one."""
        self.inner.end_run(outcome)


class Answered(Wrapper):
    """The inner strategy in a run that begins again: what it has answered before is not asked for twice.

    `unasked`: of the last answers, so many hold-ups are none of its own, since it was not asked.
    """

    def __init__(self, inner: Strategy, answers: list[int], unasked: int = 0) -> None:
        super().__init__(inner)
        self._answers = iter(answers)
        self._unasked = unasked

    def start_run(self, _seed: int) -> bool:
        """It has begun already."""
        return True

    def choose(self, decision: Decision) -> int:
        """What was answered here; after that ask the inner one."""
        answer = next(self._answers, None)
        if answer is not None:
            return answer
        if isinstance(decision, HoldUp):
            decision.unasked += self._unasked
            self._unasked = 0
        picked = self.inner.choose(decision)
        self.unmoved = self.inner.unmoved
        return picked

    def end_run(self, outcome: Outcome) -> None:
        """Tell the inner one, and what it does not know yet."""
        self.inner.end_run(attrs.evolve(outcome, unasked=outcome.unasked + self._unasked))


class Timed(Strategy):
    """The default: a discrete-event simulation.

    The smallest clock goes first, ties and injected failures fall to a seeded draw.
    """

    name = "timed"

    def __init__(self) -> None:
        self._draw = random.Random(0).random

    def start_run(self, seed: int) -> bool:
        """Seed the draws."""
        self._draw = random.Random(seed).random
        return True

    def choose(self, decision: Decision) -> int:
        """Draw as nature would."""
        return decision.nature(self._draw())
