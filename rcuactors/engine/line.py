"""The line: who goes next. Queue, tickets, elections, decisions, steps and the horizon, as plain data: no Trio here.

`horizon` is the hot path's whole contract: a running actor may go on without asking while its clock is below it.
Whoever gives up the baton, or has come to the horizon, stands in line and asks for an election.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..errors import StepBoundExceeded, TimeIsUp
from . import real_time
from .choice import Outcome, Strategy
from .decision import Decision, Duration, HoldUp, Identified
from .errors import RunOver
from .fairness import HELD_UP_NS, Fairness
from .orders import BLOCKED, FOREVER, STAYS
from .probe import EngineProbes

if TYPE_CHECKING:
    from .actor import Actor

DEFAULT_MAX_STEPS: Final = 10_000_000
"""How many steps a run may take.

They are points at which the conductor was asked, and microseconds that its busiest actor was busy.
"""

LONG_UNSEEN_NS: Final = 12_000_000
"""How long an actor may go on unseen though nobody else is due: longer than a jiffy, so that no tick is missed."""


class Line:
    """Who goes next, in one run.

    `now` is the clock of who was elected last, in virtual nanoseconds. `asks` counts the reasons for which the running
    actor has to ask at each point. `limit` is a virtual time at which it has to ask whatever stands in line; `halt`
    that, or the time at which it will have been unseen for too long. `holds_up`: the strategy may hold actors up.
    `answers` are the strategy's, kept where that was asked for. `unasked` counts the hold-ups since the last question
    about one that the strategy was not asked about, since it would have said no (`Strategy.unmoved`). `ends` is when
    real time is up, if it is bounded.
    """

    __slots__ = (
        "_decision_told",
        "_elected",
        "_hold_up",
        "_next",
        "_order",
        "_put",
        "_stay",
        "_strategy",
        "_tickets",
        "_unmoved",
        "answers",
        "asks",
        "choices",
        "earliest",
        "elect_at_point",
        "ends",
        "failure",
        "fairness",
        "halt",
        "holds_up",
        "horizon",
        "limit",
        "max_steps",
        "now",
        "over",
        "probes",
        "running",
        "steps",
        "unasked",
    )

    def __init__(
        self, strategy: Strategy, *, max_steps: int = DEFAULT_MAX_STEPS, probes: EngineProbes | None = None
    ) -> None:
        self.probes = probes if probes is not None else EngineProbes()
        self._decision_told = self.probes.decision
        self.now = 0
        self.horizon = FOREVER
        self.limit = self.halt = FOREVER
        self.steps = 0
        self.choices = 0
        self.max_steps = max_steps
        self.ends = real_time.end()
        self.over = False
        self.failure: BaseException | None = None
        self.running: Actor | None = None
        self.fairness = Fairness()
        self._strategy = strategy
        self._tickets = 0
        self._elected = 0
        self.holds_up = strategy.holds_up
        self._order = strategy.order(self)
        self._put, self._stay = self._order.put, self._order.stay
        self._next: Callable[[], Actor | None] = self._order.elect
        self.earliest: Callable[[], int] = self._order.earliest
        self.answers: list[int] | None = None
        self._hold_up = HoldUp() if strategy.holds_up else None
        self._unmoved = 0
        self.unasked = 0
        elect_at_point = self._order.elect_at_point
        self.elect_at_point: Callable[[Actor], Actor | None] = (
            elect_at_point if elect_at_point is not None else self._at_any_point
        )
        self.asks = int(self._order.asks_always or strategy.holds_up)

    def finish(self, failure: BaseException | None = None) -> None:
        """End the run; the first failure given is what the run is remembered for."""
        if not self.over:
            self.over = True
            self.failure = failure
            self.horizon = -1

    def outcome(self, verdict: str, *, cut_short: bool) -> Outcome:
        """What the strategy hears at the end."""
        return Outcome(
            verdict=verdict,
            failure=self.failure,
            cut_short=cut_short,
            choices=self.choices,
            end_ns=self.now,
            unasked=self.unasked,
        )

    # -- standing in line --------------------------------------------------------------------------------------------

    def enqueue(self, actor: Actor, due: int, *, paused: bool = False) -> None:
        """Put an actor in line for virtual time `due`, in place of where it stood before."""
        self._tickets = ticket = self._tickets + 1
        actor.ticket = ticket
        actor.paused = paused
        actor.due = due
        put = self._put
        put((due, actor.index, ticket, actor))
        if due < self.horizon:  # noqa: PLR1730 - faster than min(), on the hot path
            self.horizon = due

    def goes_on(self, actor: Actor) -> bool:
        """Whether an actor at a point goes on without an election, since everybody else is due later."""
        if self.asks or self.over:
            return False
        clock, earliest = actor.clock, self.earliest()
        if clock >= earliest:
            return False
        if earliest < self.halt:
            self.horizon = earliest
        else:
            # Counted from its election: an actor that is at points all the time may be alone for long, too.
            self._see_ahead(earliest)
            if clock >= self.halt:
                return False
        self.count_step(clock)
        return True

    def _see_ahead(self, earliest: int) -> None:
        """Set halt and horizon of the running actor."""
        self.halt = min(self.limit, self._elected + LONG_UNSEEN_NS)
        self.horizon = min(earliest, self.halt)

    def move_limit(self, limit: int) -> None:
        """From another point of time on the running actor has to ask."""
        self.limit = limit
        self.halt = min(self.halt, limit)
        if self.horizon >= 0 and not self.asks:
            self._see_ahead(self.earliest())

    def go_on_unseen(self, clock: int) -> None:
        """The running actor has come to a halt that was no point of the model's, and goes on."""
        self._elected = clock
        self._see_ahead(self.earliest())

    def stop(self, actor: Actor) -> None:
        """An actor at a point stands in line again, held up there if the strategy wants that."""
        clock = actor.clock
        # Its busy time counts before anybody else is elected, whose clock says nothing of it.
        if clock > self.now or self.steps >= self.max_steps:
            self.count_step(clock)
        else:
            self.steps += 1
        if self._hold_up is None:
            actor.ticket = STAYS
            actor.paused = True
            actor.due = clock
            stay = self._stay  # a method that is kept is found at once as a value, and slowly as a method
            stay(actor)
        else:
            hold = self.hold_up(actor)
            self.enqueue(actor, actor.clock + hold, paused=not hold)

    def _at_any_point(self, actor: Actor) -> Actor | None:
        """Who goes next, now that the running actor is at a point from which it could go on."""
        self.stop(actor)
        return self.elect()

    def hold_up(self, actor: Actor) -> int:
        """For how many nanoseconds the strategy holds that actor up, which is at a point."""
        fairness, now = self.fairness, self.now
        if (fairness.rest if now < fairness.ends else fairness.left(now)) <= 0:
            return 0
        if self._unmoved > 0 and not self._decision_told.on:
            self._unmoved -= 1
            self.unasked += 1
            self.choices += 1
            if self.answers is not None:
                self.answers.append(0)
            return 0
        decision = self._hold_up
        assert decision is not None
        decision.unasked, self.unasked = self.unasked, 0
        hold = self.put_off(decision, actor)
        self._unmoved = self._strategy.unmoved
        return hold

    def put_off(self, decision: Duration, subject: Identified, longest_ns: int = HELD_UP_NS) -> int:
        """For how long the strategy puts that off, in nanoseconds, within what fairness leaves."""
        longest = min(longest_ns, self.fairness.left(self.now))
        if longest <= 0:
            return 0
        chosen = self.choose(decision.ask_of(subject, self.now, longest))
        if chosen:
            self.fairness.spend(self.now, chosen)
        return chosen

    # -- electing ----------------------------------------------------------------------------------------------------

    def elect(self) -> Actor | None:
        """Who goes next, out of the line; None when nobody is in line, or when that was the last step."""
        ended = self.over
        if ended:
            return None
        next_one = self._next
        actor = next_one()
        if actor is None:
            return None
        actor.ticket = BLOCKED
        actor.yields = False
        self.now = actor.clock
        if self.asks:
            self.horizon = -1
        else:
            self._elected = actor.clock
            earliest = self.earliest()
            if earliest < self.halt:
                self.horizon = earliest
            else:
                self._see_ahead(earliest)
        self.running = actor
        # As in count_step(), which would be one call more at each election; nobody was busy since it was seen.
        self.steps = steps = self.steps + 1
        if self.ends is not None:
            self._look_at_the_time()
        if self.over or (steps > self.max_steps and not self.within_bounds(actor.clock)):
            # When that was the last step, whoever asked unwinds, and nobody else moves: Trio would choose when.
            return None
        return actor

    def choose(self, decision: Decision) -> int:
        """Ask the strategy.

        When it fails, or answers with something that is not an option, the run ends with that error: nobody who stands
        here could make anything of it. What still happens until then happens as by option 0.
        """
        self.choices += 1
        try:
            picked = self._strategy.choose(decision)
            if not 0 <= picked < decision.count:
                raise IndexError(
                    f"strategy {self._strategy.name} chose option {picked} of {decision.count} at {decision.kind.name}"
                )
        except Exception as error:
            self.finish(error)
            return 0
        if self.answers is not None:
            self.answers.append(picked)
        if self._decision_told.on:
            # When a listener fails that ends the run, as it does when the strategy fails.
            with contextlib.suppress(RunOver):
                self._decision_told(decision, picked)
        return picked

    def count_step(self, clock: int) -> bool:
        """One step, and one for each microsecond that an actor was busy since it was seen; False after the last."""
        steps = self.steps + 1
        if clock > self.now:
            steps += (clock - self.now) // 1000
            self.now = clock
        self.steps = steps
        return not self.over if steps <= self.max_steps else self.within_bounds(clock)

    def _look_at_the_time(self) -> None:
        if self.ends is not None and time.monotonic() >= self.ends:
            self.finish(TimeIsUp("the time was up before the scenario had ended"))

    def within_bounds(self, clock: int) -> bool:
        """Whether the run goes on: an actor that has come to `clock` without being seen may be too long busy."""
        if self.steps + (clock - self.now) // 1000 > self.max_steps:
            self.finish(
                StepBoundExceeded(
                    f"the scenario took more than {self.max_steps} steps: does it end? (--max-steps raises the bound)"
                )
            )
        return not self.over
