"""What cannot be cut down is sought by another schedule (rcuactors/hunt/anew.py)."""

from __future__ import annotations

import attrs
import pytest

from rcuactors import Kernel, scenario
from rcuactors.engine.choice import Strategy
from rcuactors.engine.events import DigestSink, Sink
from rcuactors.engine.orders import Anyone
from rcuactors.explore.holds import Holds
from rcuactors.hunt.attempt import Outcome, SpecAttempt
from rcuactors.hunt.follow import Follow
from rcuactors.hunt.keep import Kept, keep, prepared, replay, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.retold import AS_HOLD_UPS, HeldUp
from rcuactors.hunt.schedule import find_policy
from rcuactors.hunt.search import explore
from rcuactors.hunt.shrink import MOST_REPLAYS
from rcuactors.hunt.story import story_lines
from rcuactors.runs.run import Listen
from rcuactors.runs.spec import RunSpec


@scenario(settings={"nr_cpus": "2"})
async def sessions(k: Kernel, rounds: int = 12) -> None:
    """A look of a microsecond, and who replaces what is looked up waits for nobody."""
    current = await k.kmalloc(64)

    async def lookup() -> None:
        for _ in range(rounds):
            k.rcu_read_lock()
            seen = k.rcu_dereference(current)
            await k.udelay(1)
            k.deref(seen)
            k.rcu_read_unlock()
            await k.usleep_range(1000, 1000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(lookup, cpu=1)
        for _ in range(rounds):
            await k.usleep_range(700, 700)
            old, current = current, await k.kmalloc(64)
            await k.kfree(old)
    await k.kfree(current)


@attrs.frozen
class AllOrNothing(SpecAttempt):
    """Shows what was found only as long as the `whole` of it is there, as what needs an exact moment does."""

    whole: int
    by_others: bool = True

    def run(self, strategy: Strategy, seed: int, *sinks: Sink, listen: Listen | None = None) -> Outcome:
        part = isinstance(strategy, Follow) and strategy.order is Anyone and len(strategy.wanted) < self.whole
        if part or isinstance(strategy, HeldUp) or (isinstance(strategy, Holds) and not self.by_others):
            strategy = find_policy("in order of time")
        return super().run(strategy, seed, *sinks, listen=listen)


@pytest.fixture(scope="module")
def found() -> Kept:
    plan = plan_of(RunSpec.of(sessions, kernel="v6.12"), ("walk",))
    trial = next(trial for trial in explore(plan, Progress(), schedules=400) if trial.shown)
    return keep(plan.attempt, trial, trial.shown[0].signature)


def stubborn(kept: Kept, *, by_others: bool = True) -> Kept:
    whole = len(kept.departures)
    assert whole > 2 * MOST_REPLAYS
    return attrs.evolve(kept, attempt=AllOrNothing(kept.attempt.spec, whole, by_others))


def test_another_schedule_of_the_same_problem_is_cut_down_in_its_place(found: Kept) -> None:
    less = shrink(stubborn(found))
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert less.shrunk.replays < 200
    assert less.schedule.policy == AS_HOLD_UPS
    assert less.schedule.shown.signature == found.schedule.shown.signature
    assert [one.kind for one in less.departures] == ["hold up"]
    told = " ".join(story_lines(less)[1:4])
    assert f"{len(found.departures)} departures of the schedule that was found were left" in told
    assert "this is another one, strategy holds:points=" in told
    digest = DigestSink()
    assert replay(less.schedule, prepared(less.schedule, digest), digest).shown


def test_where_there_is_none_all_replays_are_for_the_one_that_was_found(found: Kept) -> None:
    less = shrink(stubborn(found, by_others=False), 100)
    assert less.shrunk is not None
    assert not less.shrunk.minimal
    assert not less.shrunk.anew
    assert less.shrunk.replays == 100
    assert less.departures == found.departures
    assert story_lines(less)[0].endswith("; not down to the least: no replay was left")


def test_what_can_be_cut_down_is(found: Kept) -> None:
    less = shrink(found)
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert not less.shrunk.anew
