"""explore/record.py: a recorded run is run again to the same digest, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from rcuactors import Kernel, Result, RunOptions, Scenario, run, scenario
from rcuactors.engine.choice import Outcome, Strategy, Taken
from rcuactors.engine.decision import HOLD_UP, Decision
from rcuactors.engine.orders import Anyone
from rcuactors.errors import BadInput, ReplayDiverged
from rcuactors.expectation import promised_kernels
from rcuactors.explore import Decisions, Record, Replay, make_strategy
from rcuactors.userfiles import find_scenarios, load_scenario

BUILDS = {"plain": {}, "rt": {"PREEMPT_RT": "y"}}
SMALL = {
    "cold_cache_burst": {"objects": "2000"},
    "flood": {"objects": "500"},
}
"""Scenarios that are longer than they need to be here."""


def recorded(chosen: Scenario, strategy: str | Strategy, seed: int, options: RunOptions) -> tuple[Result, Decisions]:
    record = Record(make_strategy(strategy) if isinstance(strategy, str) else strategy)
    result = run(chosen, attrs.evolve(options, strategy=record, seed=seed))
    assert record.decisions is not None
    return result, record.decisions


def again(chosen: Scenario, strategy: str | Strategy, decisions: Decisions, options: RunOptions) -> Result:
    made = make_strategy(strategy) if isinstance(strategy, str) else strategy
    # Another seed: what the strategy would draw is not asked for.
    return run(chosen, attrs.evolve(options, strategy=Replay(made, decisions), seed=12345))


def same(first: Result, second: Result) -> bool:
    return (first.digest, first.end_ns, first.steps) == (second.digest, second.end_ns, second.steps)


SLOW = "low_memory_fallback"
"""Some 60,000 decisions, whatever its parameters."""
CELLS = [
    (name, label, tuple(BUILDS)[(row + column) % len(BUILDS)])
    for row, name in enumerate(sorted(find_scenarios()))
    for column, label in enumerate(promised_kernels())
]
"""Each scenario on each version, in one build or the other by turns."""


@pytest.mark.one_in(8)
@pytest.mark.parametrize(("name", "label", "build"), CELLS)
def test_every_scenario_is_run_again_from_its_decisions(name: str, label: str, build: str) -> None:
    assert_run_again(name, label, build, seeds=1)


@pytest.mark.campaign
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("label", promised_kernels())
@pytest.mark.parametrize("name", sorted(find_scenarios()))
def test_every_scenario_is_run_again_in_every_build(name: str, label: str, build: str) -> None:
    assert_run_again(name, label, build, seeds=1 if name == SLOW else 3)


def assert_run_again(name: str, label: str, build: str, *, seeds: int) -> None:
    kernel, design = promised_kernels()[label]
    settings = {**BUILDS[build], **SMALL.get(name, {})}
    chosen = load_scenario(name)
    settings = {key: value for key, value in settings.items() if key.isupper() or key in chosen.parameters}
    for seed in range(seeds):
        options = RunOptions(kernel=kernel, design=design, settings=settings)
        result, decisions = recorded(chosen, "random", seed, options)
        assert same(result, again(chosen, "random", decisions, options))


@scenario(settings={"nr_cpus": "3"})
async def ties(k: Kernel, threads: int = 6) -> None:
    """Threads that are often at the same nanosecond, and allocations that fail."""

    async def frees() -> None:
        for _ in range(8):
            await k.udelay(10)
            page = await k.get_free_page()
            if page is not None:
                await k.free_page(page)
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        for number in range(threads):
            await nursery.start_soon(frees, cpu=number % 3, name="twin")


@pytest.mark.parametrize("strategy", ["timed", "random", "random:present=1"])
@pytest.mark.parametrize("seed", range(4))
def test_ties_and_failures_are_run_again(strategy: str, seed: int) -> None:
    options = RunOptions(settings={"fail_page_alloc": "30"})
    result, decisions = recorded(ties, strategy, seed, options)
    assert {taken.kind for taken in decisions.taken} == {"next actor", "allocation fails"}
    assert same(result, again(ties, strategy, decisions, options))
    assert result.digest != recorded(ties, strategy, seed + 100, options)[0].digest


def test_only_departures_from_option_0_are_kept() -> None:
    _, decisions = recorded(ties, "random", 1, RunOptions())
    assert 0 < len(decisions.taken) < decisions.choices
    assert [taken.number for taken in decisions.taken] == sorted({taken.number for taken in decisions.taken})
    assert recorded(ties, Strategy(), 0, RunOptions())[1].taken == ()


def test_ids_name_actors_and_threads_and_no_pids() -> None:
    _, decisions = recorded(ties, "random", 1, RunOptions())
    options = {taken.option for taken in decisions.taken}
    assert {"cpu0:ties/twin.0", "cpu1:ties/twin.1", "cpu0:ties/twin.3", "cpu0", "hrtimer"} <= options


# -- what does not fit --------------------------------------------------------------------------------------------


def changed(decisions: Decisions, at: int, **changes: Any) -> Decisions:
    taken = list(decisions.taken)
    taken[at] = attrs.evolve(taken[at], **changes)
    return attrs.evolve(decisions, taken=tuple(taken))


@pytest.mark.parametrize("at", [0, 5, -1])
@pytest.mark.parametrize(
    "changes", [{"option": "cpu7:nobody"}, {"kind": "weather"}, {"count": 99}], ids=["option", "kind", "count"]
)
def test_a_changed_decision_is_named(at: int, changes: dict[str, Any]) -> None:
    _, decisions = recorded(ties, "random", 1, RunOptions())
    wrong = changed(decisions, at, **changes)
    told = wrong.taken[at]
    with pytest.raises(ReplayDiverged) as caught:
        again(ties, "random", wrong, RunOptions())
    assert str(caught.value).startswith(
        f"decision {told.number} of the recording is {told.kind}: {told.option}, one of {told.count} options; here"
    )


def test_another_scenario_is_told_by_the_first_decision_that_differs() -> None:
    _, decisions = recorded(ties, "random", 1, RunOptions())
    with pytest.raises(ReplayDiverged, match=r"^decision \d+ of the recording is "):
        again(load_scenario("hardirq_caller"), "random", decisions, RunOptions())


def test_a_run_that_ends_too_early_or_too_late_is_told() -> None:
    _, decisions = recorded(ties, "random", 1, RunOptions())
    late = Taken(number=decisions.choices + 5, kind="next actor", option="cpu0", count=2)
    with pytest.raises(ReplayDiverged, match=f"here the run ended after {decisions.choices} decisions$"):
        again(ties, "random", attrs.evolve(decisions, taken=(*decisions.taken, late)), RunOptions())
    with pytest.raises(ReplayDiverged, match=f"has 7 decisions; here the run took {decisions.choices}$"):
        again(ties, "random", attrs.evolve(decisions, choices=7), RunOptions())


def test_the_error_of_a_run_is_not_hidden_by_a_replay() -> None:
    async def fails(k: Kernel) -> None:
        await k.udelay(5)
        raise LookupError("as it was")

    record = Record(make_strategy("random"))
    with pytest.raises(LookupError):
        run(scenario()(fails), RunOptions(strategy=record))
    assert record.decisions is not None
    with pytest.raises(LookupError, match="as it was"):
        again(scenario()(fails), "random", record.decisions, RunOptions())


# -- strategies that live across runs ----------------------------------------------------------------------------


class Counts(Strategy):
    """Three runs, and no more; keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[Outcome] = []

    def start_run(self, _seed: int) -> bool:
        return len(self.heard) < 3

    def end_run(self, outcome: Outcome) -> None:
        self.heard.append(outcome)


def test_a_strategy_hears_the_outcome_and_what_was_decided_and_may_have_enough() -> None:
    from rcuactors.errors import NothingLeft

    async def frees_twice(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)

    strategy = Counts()
    for chosen in (ties, scenario()(frees_twice), ties):
        run(chosen, RunOptions(strategy=Record(strategy)))
    assert [outcome.verdict for outcome in strategy.heard] == ["clean", "double-free", "clean"]
    assert [outcome.taken for outcome in strategy.heard] == [(), (), ()]
    assert strategy.heard[0].choices > 0
    assert not any(outcome.failure or outcome.cut_short for outcome in strategy.heard)
    with pytest.raises(NothingLeft, match="tried everything"):
        run(ties, RunOptions(strategy=Record(strategy)))


# -- durations are decisions ---------------------------------------------------------------------------------------


class Holds(Strategy):
    """Holds whoever runs up at one point, for one drawn duration; everything else is as time has it."""

    name = "holds"
    holds_up = True

    def __init__(self, at: int, duration_ns: int) -> None:
        self.at, self.duration_ns = at, duration_ns
        self.points = 0

    def start_run(self, _seed: int) -> bool:
        self.points = 0
        return True

    def choose(self, decision: Decision) -> int:
        if decision.kind is not HOLD_UP:
            return 0
        self.points += 1
        return self.duration_ns if self.points == self.at else 0


@scenario()
async def busy(k: Kernel, turns: int = 30) -> None:
    """One thread, and how long it took."""
    began = k.now
    for _ in range(turns):
        await k.udelay(1)
        await k.kfree(await k.kmalloc(64))
    k.pr_info(f"took {k.now - began} ns")


@pytest.mark.parametrize("duration_ns", [2_000_000, 17_345_678, 64_000_000])
def test_a_hold_up_is_one_decision_with_its_duration(duration_ns: int) -> None:
    plain, none = recorded(busy, Holds(0, 0), 0, RunOptions())
    held, decisions = recorded(busy, Holds(60, duration_ns), 0, RunOptions())
    assert none.taken == ()
    (taken,) = decisions.taken
    assert (taken.kind, taken.option) == ("hold up", f"cpu0:busy for {duration_ns} ns")
    assert held.clean
    # The work's own time; the clock may have ticked in between.
    assert plain.end_ns < 50_000_000 or plain.end_ns < held.end_ns
    assert same(held, again(busy, Holds(0, 0), decisions, RunOptions()))
    assert not same(held, plain)


def test_no_hold_up_is_longer_than_the_engine_allows() -> None:
    with pytest.raises(IndexError, match=r"strategy holds chose option 600000000 of 500000001 at hold up"):
        run(busy, RunOptions(strategy=Holds(10, 600_000_000)))


def test_bad_strategy_names_are_bad_input() -> None:
    with pytest.raises(BadInput):
        make_strategy("holds:d=0")


# -- the worst strategies there are ---------------------------------------------------------------------------------


class Starves(Strategy):
    """Never lets the victim go on while anything else can happen: the first of it, or the last, which is time."""

    name = "starves"
    order = Anyone

    def __init__(self, victim: str, pick: int) -> None:
        self.victim, self.pick = victim, pick

    def choose(self, decision: Decision) -> int:
        others = [index for index in range(decision.count) if not decision.option(index).startswith(self.victim)]
        return others[self.pick] if others else 0


@scenario(settings={"nr_cpus": "3"})
async def readers_and_barrier(k: Kernel) -> None:
    """What stalls, hangs or deadlocks when somebody does not go on: readers, locks, grace periods, workers, sleeps."""
    lock = k.mutex("lock")

    async def works() -> None:
        for _ in range(15):
            k.rcu_read_lock()
            await k.udelay(3)
            k.rcu_read_unlock()
            await k.mutex_lock(lock)
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.mutex_unlock(lock)
            await k.usleep_range(100, 200)

    async with k.open_nursery() as nursery:
        for cpu in range(3):
            await nursery.start_soon(works, cpu=cpu)
    await k.synchronize_rcu()


@pytest.mark.parametrize("victim", ["cpu0", "cpu1", "hrtimer", "rcu_preempt", "workqueue"])
@pytest.mark.parametrize("pick", [0, -1], ids=["somebody else first", "time first"])
@pytest.mark.parametrize("build", BUILDS)
def test_no_strategy_makes_up_a_stall_or_a_deadlock(victim: str, build: str, pick: int) -> None:
    options = RunOptions(kernel="v5.11", settings=BUILDS[build])
    result = run(readers_and_barrier, attrs.evolve(options, strategy=Starves(victim, pick)))
    assert result.outcome() == "clean"
    # It did hold things up.
    assert result.end_ns > run(readers_and_barrier, options).end_ns * (3 if pick else 1)
