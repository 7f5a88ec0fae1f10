"""The possible states, carried: loaded into the one place when something is done to them, else saved.

A state is loaded only when it is needed; two that are equal are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from .expected import Expecter
from .expedited import know_expedited
from .factors import GLOBAL
from .foresight import foresee
from .handlers import know_handlers
from .lines import Line, Told
from .operations import Driver, Operation
from .orders import Orders, Step
from .periods import Made, PeriodSteps
from .place import Place
from .registers import Registers
from .standins import Deferred
from .state import State, merged
from .tracks import Make

if TYPE_CHECKING:
    from ..eras.era import Era

MOST_STATES: Final = 4000
"""As many at once are too many to decide anything."""


_HZ: Final = re.compile(r"\bHZ=(\d{2,4})\b", re.ASCII)
_USUAL_HZ: Final = 250


def hz_of(kernel: str) -> int:
    """CONFIG_HZ, where a recording tells it of its kernel."""
    match = _HZ.search(kernel)
    return int(match[1]) if match is not None else _USUAL_HZ


class TooMany(Exception):
    """More states than can be carried."""


class Carried:
    """One recording, one version, one place."""

    def __init__(self, told: Told, era: Era) -> None:
        self.told = told
        know_handlers(told)
        know_expedited(told)
        foresee(told)
        self.place = Place(era, told.header.params, max(told.nr_cpus, 1), hz_of(told.header.kernel))
        polls = era.rules.kvfree.snapshots is not None
        self.expecter = Expecter(told, later_kernel=polls)
        self.registers = Registers(self.place, told, timers_shown=self.expecter.shows("timer_start"))
        self.driver = Driver(self.place, self.registers, self.expecter)
        self.at = 0
        """The line that is looked at."""
        self.period_steps = PeriodSteps(told if polls else None)
        self._loaded: State | None = None
        self._orders = Orders()
        """The orders of hidden steps that were tried for the line that is looked at."""
        self._scope: frozenset[int] = frozenset()
        """The CPUs that the states at hand are about."""
        self.leaves_open = False
        """It began where no state was told: some of it was left open."""
        self._active_starts: list[int] = []
        self._active_reads: list[int] = []

    def _distinct(self, states: list[State]) -> list[State]:
        if len(states) < 2:
            return states
        states = [state for state in states if not state.doomed] or states
        found: dict[tuple[Any, ...], State] = {}
        for state in states:
            self._forget_done(state)
            self._make_whole(state)
            key = state.key()
            other = found.get(key)
            if other is None or state.jiffies < other.jiffies:
                found[key] = state
        if self.leaves_open:
            for cpu_id in self._scope:
                found = merged(found.values(), cpu_id, self.registers.may_be_open)
        if len(found) > MOST_STATES:
            raise TooMany(f"line {self.told.lines[self.at].number}: {len(found)} possible states")
        return list(found.values())

    def _forget_done(self, state: State) -> None:
        """A call that is over, and behind which its task starts no timer, says nothing more; nor does a shrinker."""
        for ctx in [ctx for ctx, stack in state.under_way.items() if len(stack) == 1]:
            op = state.under_way[ctx][0]
            if op.kind in GLOBAL and op.done and op.promised is None:
                del state.under_way[ctx]
            elif op.kind == "call" and op.done:
                following = self._following(op)
                if following is None or following.event not in ("timer_start", "hrtimer_start"):
                    del state.under_way[ctx]

    def _make_whole(self, state: State) -> None:
        """All that it is compared by is known."""
        for stack in state.under_way.values():
            for op in stack:
                if op.is_open:
                    if op.coroutine is None:
                        self._activate(state)
                        self.driver.make_again(op)
                    op.key()
        if state.saved is None:
            state.saved = self.registers.save()

    def _activate(self, state: State) -> None:
        """Load it. Whoever was loaded is saved."""
        if self._loaded is state and state.saved is None:
            return
        if self._loaded is not None and self._loaded.saved is None:
            self._loaded.saved = self.registers.save()
        assert state.saved is not None
        self.registers.load(state.saved)
        self.place.cookies.known = state.cookies
        state.saved, self._loaded = None, state

    def _fork(self, state: State) -> State:
        if state.saved is None:
            state.saved = self.registers.save()
            self._loaded = None
        return State(
            state.saved,
            {ctx: [op.copy() for op in stack] for ctx, stack in state.under_way.items() if stack},
            dict(state.started),
            state.read,
            state.cookies,
            state.periods,
            state.jiffies,
            dict(state.told),
            order=state.order,
            trail=state.trail,
            doomed=state.doomed,
        )

    def _period_comes(self, state: State, come: Made, make: Make) -> State:
        """The next step of a grace period."""
        self._activate(state)
        make(self.place.periods)
        state.order = Step((make.__doc__ or "a grace period goes on").rstrip("."), self.at, state.order, early=True)
        state.periods = come
        return state

    def _periods_come(self, state: State, line: Line) -> list[State]:
        """All steps of grace periods are made that come before this line, in each order that is possible."""
        come: list[State] = []
        todo, seen = [state], set()
        while todo:
            one = todo.pop()
            if not self.period_steps.must(one.periods, line.at):
                one.periods = self.period_steps.behind(one.periods, line.at)
                come.append(one)
                continue
            steps = list(self.period_steps.next(one.periods, line.at))
            # A state of its own for each, and no copy for the last.
            for number, (made, make) in enumerate(steps, 1):
                after = self._period_comes(one if number == len(steps) else self._fork(one), made, make)
                key = (made, self.place.periods.registers())
                if key not in seen:
                    seen.add(key)
                    todo.append(after)
        return come

    def _refuse(self, state: State, why: str) -> list[State]:
        self._orders.refuse(state.order, why)
        return []

    def _number(self, at: int) -> int:
        return self.told.lines[at].number

    def _works(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Those that are looked at now."""
        return ((cpu_id, self.place.works[cpu_id]) for cpu_id in sorted(self._scope))

    def _may_bear(self, work: Deferred, line: Line) -> bool:
        """A line names a work by its hashed address: that is the work's name, or nobody's yet."""
        name = line.told.get("name", 0)
        if work.name or not name:
            return work.name == name or not name
        return all(other.name != name for _, works in self._works() for other in works.values())

    @staticmethod
    def _is_named(work: Deferred, line: Line) -> None:
        if (name := line.told.get("name")) is not None:
            work.name = int(str(name))

    def _following(self, op: Operation) -> Line | None:
        after = self.told.lines[op.at].after
        return self.told.lines[after] if after >= 0 else None
