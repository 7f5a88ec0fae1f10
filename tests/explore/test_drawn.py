"""walk, pct and holds: each does what it is named after, and a canary fails where what it does is never applied."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.choice import Strategy, Wrapper
from rcuactors.engine.decision import HOLD_UP, NEXT_ACTOR, Decision
from rcuactors.engine.orders import Anyone, ByClock
from rcuactors.explore import Record, Replay, make_strategy
from rcuactors.explore.holds import IN_READER, Holds
from rcuactors.explore.pct import Pct
from rcuactors.hunt.attempt import SpecAttempt
from rcuactors.hunt.follow import Keyed
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario

SEEDS = range(12)


@scenario(settings={"nr_cpus": "3"})
async def readers(k: Kernel, rounds: int = 4) -> None:
    async def reads() -> None:
        for _ in range(rounds):
            k.rcu_read_lock()
            await k.udelay(2)
            k.rcu_read_unlock()
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        for cpu in range(3):
            await nursery.start_soon(reads, cpu=cpu)


class Tells(Wrapper):
    """Keeps what was decided: kind, which option, and what was known of it."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.told: list[tuple[str, int, str, tuple[str, ...], int]] = []

    def choose(self, decision: Decision) -> int:
        picked = self.inner.choose(decision)
        name = decision.option(picked)
        self.told.append((decision.kind.name, picked, name, decision.hints(picked), decision.now))
        return picked


def told(strategy: str | Strategy, seed: int) -> list[tuple[str, int, str, tuple[str, ...], int]]:
    tells = Tells(make_strategy(strategy) if isinstance(strategy, str) else strategy)
    assert run(readers, RunOptions(strategy=tells, seed=seed, kernel="v5.11")).clean
    return tells.told


@pytest.mark.parametrize("name", ["walk", "pct", "holds", "random"])
def test_canary_each_strategy_makes_runs_that_order_of_time_does_not(name: str) -> None:
    usual = run(readers, RunOptions(kernel="v5.11")).digest
    seen = [run(readers, RunOptions(kernel="v5.11", strategy=name, seed=seed)).digest for seed in SEEDS]
    assert sum(digest != usual for digest in seen) >= 10
    assert len(set(seen)) >= 8
    assert run(readers, RunOptions(kernel="v5.11", strategy=name, seed=3)).digest == seen[3]


@pytest.mark.parametrize("name", ["walk", "pct", "holds"])
def test_what_they_decide_is_run_again(name: str) -> None:
    record = Record(make_strategy(name), labels=True)
    first = run(readers, RunOptions(kernel="v5.11", strategy=record, seed=5))
    assert record.decisions is not None
    replay = Replay(make_strategy(name), record.decisions)
    assert run(readers, RunOptions(kernel="v5.11", strategy=replay)).digest == first.digest


# -- walk ----------------------------------------------------------------------------------------------------------


def test_walk_takes_each_option_alike() -> None:
    picked: Counter[tuple[int, int]] = Counter()

    class Sees(Wrapper):
        def choose(self, decision: Decision) -> int:
            index = self.inner.choose(decision)
            if decision.kind is NEXT_ACTOR:
                picked[(decision.count, index)] += 1
            return index

    for seed in range(20):
        run(readers, RunOptions(kernel="v5.11", strategy=Sees(make_strategy("walk")), seed=seed))
    for count in {count for count, _ in picked}:
        times = [picked[(count, index)] for index in range(count)]
        if sum(times) > 1000:
            assert min(times) > 0.85 * sum(times) / count
    assert max(count for count, _ in picked) >= 3


# -- pct -----------------------------------------------------------------------------------------------------------


class Ready(Decision):
    """So many who could go on, each for ever."""

    kind = NEXT_ACTOR

    def __init__(self, names: tuple[str, ...], time: int = -1) -> None:
        super().__init__(len(names))
        self.names, self.time = names, time

    def option(self, index: int) -> str:
        return self.names[index]


def test_pct_changes_who_is_first_exactly_d_minus_1_times() -> None:
    for d, seed in itertools.product((1, 2, 4), range(20)):
        strategy = Pct(d=d, points=100)
        strategy.start_run(seed)
        ready = Ready(("a", "b", "c", "d", "e", "f"))
        picks = [strategy.choose(ready) for _ in range(100)]
        changes = sum(one != other for one, other in itertools.pairwise(picks))
        # Two of the points may be one.
        assert changes <= d - 1
        if seed == 0:
            assert changes == d - 1


def test_pct_draws_all_orders_of_priorities_and_time_is_one_of_them() -> None:
    firsts: Counter[int] = Counter()
    for seed in range(300):
        strategy = Pct(d=1)
        strategy.start_run(seed)
        firsts[strategy.choose(Ready(("a", "b", "hrtimer"), time=2))] += 1
    assert min(firsts[index] for index in range(3)) > 70


def test_pct_is_bounded_by_the_engines_fairness_and_makes_up_no_stall() -> None:
    for seed in range(6):
        assert run(readers, RunOptions(kernel="v5.11", strategy="pct:d=4", seed=seed)).clean


# -- holds ---------------------------------------------------------------------------------------------------------


def held(strategy: str, seed: int) -> list[tuple[str, int, tuple[str, ...], int]]:
    return [
        (name, ns, hints, now) for kind, ns, name, hints, now in told(strategy, seed) if kind == HOLD_UP.name and ns
    ]


def test_holds_holds_up_at_most_d_times_for_drawn_milliseconds() -> None:
    durations = []
    for seed in SEEDS:
        holds = held("holds:d=3,points=100", seed)
        assert len(holds) <= 3
        durations += [ns for _, ns, _, _ in holds]
    assert len(durations) > 2 * len(SEEDS)
    assert all(2_000_000 <= ns <= 64_000_000 for ns in durations)
    assert min(durations) < 8_000_000
    assert max(durations) > 24_000_000
    ends = [ns for seed in SEEDS for _, ns, _, _ in held("holds:d=3,points=100,shortest=7,longest=9", seed)]
    assert ends
    assert all(7_000_000 <= ns <= 9_000_000 for ns in ends)


def test_holds_prefers_readers_and_looks_at_nothing_without_hints() -> None:
    def share(strategy: str) -> float:
        holds = [hints for seed in range(40) for _, _, hints, _ in held(strategy, seed)]
        assert len(holds) > 40
        return sum(IN_READER in hints for hints in holds) / len(holds)

    assert share("holds:points=100") > 0.4
    assert share("holds:points=100,hints=0") < 0.25


def test_holds_delays_a_device_in_the_middle_of_something_and_not_always_at_the_same_part() -> None:
    """As rcutorture delays the kthread of grace periods. Its points come in series of five, one for each part."""
    spec = RunSpec.of(load_scenario("hotplug_short_grace_period"), kernel="v6.6")
    parts: Counter[int] = Counter()
    for seed in range(30):
        keyed = Keyed(make_strategy("holds:points=973"))
        SpecAttempt(spec).run(keyed, seed)
        parts.update(one.nth % 5 for one in keyed.departures if one.whose == "rcu_preempt")
    assert parts.total() > 8
    assert len(parts) > 2


def test_holds_begins_within_one_another() -> None:
    overlaps = 0
    for seed in range(40):
        holds = held("holds:d=2,points=60", seed)
        overlaps += len(holds) == 2 and holds[1][3] < holds[0][3] + holds[0][1]
    assert overlaps >= 8


def test_holds_obeys_time_otherwise() -> None:
    assert Holds.order is ByClock
    assert Holds.holds_up
    assert Pct.order is Anyone


def test_whoever_delays_within_a_reader_can_be_held_up_there() -> None:
    """udelay() is a point to whoever may be held up: no reader is too short to be held up in."""
    names = {name.partition(" for ")[0] for kind, _, name, hints, _ in told("holds:d=1", 0) if IN_READER in hints}
    assert {"cpu1:readers/reads.1", "cpu2:readers/reads.2"} <= names


def test_what_else_is_left_open_is_so_for_holds_too() -> None:
    """Threads that move, late timers and CPUs that go are decisions wherever somebody looks for schedules."""
    settings = {"latitude": "y", "migrate": "y"}
    tells = Tells(make_strategy("holds"))
    run(readers, RunOptions(strategy=tells, kernel="v5.11", settings=settings))
    assert {"late timer", HOLD_UP.name} <= {kind for kind, *_ in tells.told}
    tells = Tells(make_strategy("timed"))
    run(readers, RunOptions(strategy=tells, kernel="v5.11", settings=settings))
    assert "late timer" not in {kind for kind, *_ in tells.told}
