"""engine/orders.py, line.py: the short way past a point is the long one, and who is not asked would have said no."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, RunOptions, scenario
from rcuactors.context.lockdep.validated import Kept
from rcuactors.engine.actor import Actor
from rcuactors.engine.choice import Strategy, Wrapper
from rcuactors.engine.decision import HOLD_UP, Decision, HoldUp
from rcuactors.engine.events import DigestSink
from rcuactors.engine.line import Line
from rcuactors.engine.orders import Anyone, ByClock
from rcuactors.explore import Holds, Random
from rcuactors.hunt.follow import Departure, Follow
from rcuactors.hunt.schedule import find_policy
from rcuactors.hunt.trial import Watched
from rcuactors.runs.plain import run_plain


class Draws(Strategy):
    """Some of each, by a seeded draw; holds somebody up now and then."""

    name = "draws"

    def __init__(self, order: Any, seed: int, *, holds_up: bool) -> None:
        self.order, self.holds_up = order, holds_up
        self._inner = Random()
        self._inner.start_run(seed)
        self._draw = random.Random(seed).random
        self.seen: list[tuple[object, ...]] = []

    def choose(self, decision: Decision) -> int:
        options = [decision.option(index) for index in range(min(decision.count, 5))]
        self.seen.append((decision.kind.name, decision.count, decision.now, decision.current, decision.time, *options))
        if decision.kind is HOLD_UP:
            return 0 if self._draw() < 0.8 else int(self._draw() * 3000)
        return self._inner.choose(decision)


def _line(order: Any, seed: int, *, holds_up: bool, most: int) -> tuple[Line, list[Actor], Draws]:
    strategy = Draws(order, seed, holds_up=holds_up)
    line = Line(strategy, max_steps=most)
    actors = [Actor(name="abc"[index], index=index) for index in range(3)]
    for actor in actors:
        actor.strand = SimpleNamespace(path=f"main/{actor.name}.0")  # type: ignore[assignment]
        line.enqueue(actor, 10 * actor.index, paused=actor.index == 1)
    return line, actors, strategy


def _left(line: Line, actors: list[Actor], strategy: Draws) -> tuple[object, ...]:
    each = [(actor.clock, actor.due, bool(actor.ticket), actor.paused, actor.yields) for actor in actors]
    running = line.running.name if line.running is not None else None
    kept = (line.now, line.steps, line.choices, line.over, line.fairness.rest, line.fairness.counted)
    return running, kept, each, strategy.seen


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([(Anyone, False), (ByClock, True), (Anyone, True), (ByClock, False)]),
    st.integers(0, 1 << 20),
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from(["point", "yields", "sleeps", "wakes"])), max_size=40),
    st.sampled_from([30, 10_000]),
)
def test_at_point_is_stop_and_elect(kind: tuple[Any, bool], seed: int, moves: list[tuple[int, str]], most: int) -> None:
    order, holds_up = kind
    ways = [_line(order, seed, holds_up=holds_up, most=most) for _ in range(2)]
    for short, (line, actors, _) in zip((True, False), ways, strict=True):
        running = line.elect()
        for spent, move in moves:
            if running is None:
                break
            running.clock += spent
            if move == "wakes":
                other = actors[(running.index + 1) % 3]
                line.enqueue(other, max(other.clock, running.clock), paused=True)
            if move == "sleeps":
                line.enqueue(running, running.clock + 700)
                running = line.elect()
                continue
            running.yields = move == "yields"
            if short:
                running = line.elect_at_point(running)
            else:
                line.stop(running)
                running = line.elect()
    assert _left(*ways[0]) == _left(*ways[1])


class Asked(Wrapper):
    """Asks the inner one each time, whatever that would leave out; counts how often."""

    asked = 0

    def choose(self, decision: Decision) -> int:
        self.asked += isinstance(decision, HoldUp)
        return self.inner.choose(decision)


class Passes(Asked):
    """The same, but for what the inner one need not be asked."""

    def choose(self, decision: Decision) -> int:
        picked = super().choose(decision)
        self.unmoved = self.inner.unmoved
        return picked


@scenario(settings={"nr_cpus": "3"})
async def callers(k: Kernel, *, wrong: bool = False) -> None:
    async def reader() -> None:
        for _ in range(3):
            k.rcu_read_lock()
            await k.udelay(30)
            k.rcu_read_unlock()
            await k.usleep_range(500, 500)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        for _ in range(3):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.msleep(5)
        if wrong:
            k.preempt_disable()
            await k.msleep(1)


def _came_to(strategy: Strategy, seed: int, kept: Kept | None = None, *, wrong: bool = False) -> tuple[object, ...]:
    watched, events = Watched(strategy), DigestSink()
    options = RunOptions(kernel="v6.12", strategy=watched, seed=seed, sinks=(events,))
    result = run_plain(callers, options, kept, wrong=wrong)
    found = [violation.title for violation in result.violations]
    return events.hexdigest(), result.end_ns, result.steps, result.counters, found, watched.taken


def test_who_need_not_be_asked_says_the_same_when_asked() -> None:
    """Also where the run begins again by itself, in the middle of what was not asked."""
    seldom, often, kept = 0, 0, Kept()
    for seed in range(6):
        wrong = seed % 2 == 1
        each, passes = Asked(Holds(points=1000)), Passes(Holds(points=1000))
        assert _came_to(each, seed, wrong=wrong) == _came_to(passes, seed, kept, wrong=wrong)
        seldom, often = seldom + passes.asked, often + each.asked
    assert 0 < seldom < often * 2 / 3


@pytest.mark.parametrize("chosen", [0, 2])
def test_who_follows_departures_is_not_asked_after_the_last(chosen: int) -> None:
    wanted = [Departure(HOLD_UP.name, "cpu1:callers/reader.0", nth, "", 3_000_000) for nth in range(chosen)]

    def follows() -> Follow:
        return Follow(find_policy("in order of time, but for hold-ups"), wanted)

    each, passes = Asked(follows()), Passes(follows())
    assert _came_to(each, 0) == _came_to(passes, 0)
    assert passes.asked < each.asked / 2
