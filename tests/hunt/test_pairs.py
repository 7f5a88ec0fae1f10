"""Ordered pairs of accesses: what came before what, whoever looks on and whoever decides."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from rcuactors import Kernel, Scenario, load_scenario, scenario
from rcuactors.explore import make_strategy
from rcuactors.explore.dpor import Dpor
from rcuactors.hunt.growth import Growth
from rcuactors.hunt.pairs import ALL_UNTIL, ONE_IN, Pair, is_looked_at
from rcuactors.hunt.plan import PORTFOLIO, plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.hunt.tally import Tally, tally_lines
from rcuactors.hunt.trial import tried
from rcuactors.runs.spec import RunSpec
from tests.searches import all_of, attempt_of
from tests.small import TWO

HERE = Path(__file__).name
UNSEEN = ALL_UNTIL + 2
"""The number of a schedule that is not looked at."""


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().split("\n")
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


@scenario(settings=TWO)
async def in_turns(k: Kernel) -> None:
    """CPU 1 has a lock first, and looks at an object; CPU 0 has the lock later, and frees it."""
    lock = k.raw_spinlock("turns")
    table = await k.kmalloc(64)

    async def early() -> None:
        await k.raw_spin_lock(lock)  # early
        k.rcu_read_lock()
        k.deref(k.rcu_dereference(table))  # looks
        k.rcu_read_unlock()
        await k.raw_spin_unlock(lock)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(early, cpu=1)
        await k.udelay(50)
        await k.raw_spin_lock(lock)  # late
        await k.raw_spin_unlock(lock)
        await k.raw_spin_lock(lock)  # again
        await k.raw_spin_unlock(lock)
        await k.kfree(table)


def pairs_of(chosen: Scenario, strategy: str = "timed", seed: int = 0) -> frozenset[Pair]:
    found = tried(attempt_of(chosen), make_strategy(strategy), number=0, name=strategy, seed=seed).pairs
    assert found is not None
    return found


def test_who_has_it_after_whom() -> None:
    places = {
        name: f"{function} ({HERE}:{line_of(text)})"
        for name, function, text in [
            ("early", "early", "await k.raw_spin_lock(lock)  # early"),
            ("late", "in_turns", "await k.raw_spin_lock(lock)  # late"),
            ("looks", "early", "k.deref(k.rcu_dereference(table))  # looks"),
        ]
    }
    found = pairs_of(in_turns)
    # The same CPU takes it again: that is in its order, whatever the schedule.
    assert {pair for pair in found if pair[0] == "turns"} == {("turns", places["early"], places["late"])}
    # Whoever made the object and whoever freed it are one CPU, and both come together with the other one's look.
    assert {pair[1:] for pair in found if pair[0] == "KObject"} == {(places["looks"], "kfree")}


def test_cpus_are_not_told_apart() -> None:
    found = {place for pair in pairs_of(load_scenario("stale_batch")) for place in pair[1:]}
    assert "cpu" in found
    assert not any(place.startswith("cpu") and place[3:].isdigit() for place in found)


def test_other_schedules_have_other_pairs() -> None:
    usual = pairs_of(in_turns)
    assert any(pairs_of(in_turns, "walk", seed) - usual for seed in range(10))


@pytest.mark.parametrize("name", ["stale_batch", "churn", "hotplug_short_grace_period"])
def test_a_schedule_is_the_same_whether_it_is_looked_at_or_not(name: str) -> None:
    plan = plan_of(RunSpec.of(load_scenario(name)), ())
    for number in range(1, 9):
        strategy, seed = plan.drawn(number)
        looked, unseen = (
            tried(plan.attempt, make_strategy(strategy), number=which, name=strategy, seed=seed)
            for which in (0, UNSEEN)
        )
        assert looked.pairs
        assert unseen.pairs is None
        assert attrs.evolve(looked, number=UNSEEN, pairs=None) == unseen


@scenario(settings=TWO)
async def own_locks(k: Kernel) -> None:
    """Each CPU takes a lock of its own: none is in the other's way."""

    async def takes(name: str, delay_us: int) -> None:
        lock = k.raw_spinlock(name)
        await k.udelay(delay_us)
        await k.raw_spin_lock(lock)
        await k.ndelay(100)
        await k.raw_spin_unlock(lock)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(takes, "one", 1, cpu=1)
        await takes("other", 3)


@pytest.mark.parametrize("looked_at", [True, False])
def test_footprints_are_the_same_whether_somebody_looks_or_not(
    looked_at: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is noted for those who look on is none of the machine's: else all that take locks were in each other's way,
    and that in some schedules only."""
    monkeypatch.setattr("rcuactors.hunt.trial.is_looked_at", lambda _number: looked_at)
    search = Dpor(window=700)
    assert all_of(attempt_of(own_locks), search).schedules == 51
    assert (search.frontier.repeated, search.frontier.astray) == (0, 0)


def test_each_strategy_of_the_default_has_its_share_of_those_that_are_looked_at() -> None:
    plan = plan_of(RunSpec.of(in_turns), ())
    numbers = [number for number in range(ALL_UNTIL, 1000) if is_looked_at(number)]
    assert len(numbers) == len(range(ONE_IN, 1000, ONE_IN))
    shares = [sum(plan.drawn(number)[0].startswith(name) for number in numbers) for name in PORTFOLIO]
    assert max(shares) - min(shares) <= 1


def tally_of(strategy: str, schedules: int, jobs: int = 1) -> Tally:
    progress = Progress()
    plan = plan_of(RunSpec.of(load_scenario("kunit_kfree_rcu")), (strategy,))
    tally = Tally(plan, progress)
    for trial in explore(plan, progress, schedules=schedules, jobs=jobs):
        tally.take(trial)
    return tally


def test_an_exploration_tells_how_they_grew_in_any_number_of_processes() -> None:
    one, two = tally_of("random", 100), tally_of("random", 100, jobs=2)
    assert one.as_json() == two.as_json()
    told = one.as_json()["ordered_pairs"]
    looked = sum(map(is_looked_at, range(100)))
    assert told["schedules"] == looked < 100
    assert told["distinct"] > 5
    (line,) = (line for line in tally_lines(one) if line.startswith("pairs"))
    assert line.startswith(
        f"pairs             {told['distinct']} of accesses, by their order, looked for in {looked} s"
    )


def test_growth_says_whether_new_ones_still_come() -> None:
    growth = Growth()
    for number in range(19):
        growth.take([number])
    assert growth.said() == "too few to say whether more would come"
    growth.take([19, 20])
    assert growth.said() == "5 of the last 5 schedules had a new one: not saturated"
    for _ in range(80):
        growth.take([1, 2])
    assert (growth.distinct, growth.new_of_late) == (21, (0, 10))
    assert growth.said().endswith(": saturated")
