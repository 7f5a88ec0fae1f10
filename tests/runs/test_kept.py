"""runs/plain.py with what lockdep has kept of runs before: everything that a run leaves is as it is by itself."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, RunOptions, load_scenario, scenario
from rcuactors.context.lockdep.validated import Kept, Validated
from rcuactors.engine.choice import Strategy
from rcuactors.engine.events import Event
from rcuactors.explore import make_strategy
from rcuactors.hunt.attempt import SpecAttempt
from rcuactors.runs.plain import PlainRun
from rcuactors.runs.spec import RunSpec
from tests.cases.table import Case, read_cases

SCENARIOS = sorted(path.stem for path in (Path(__file__).parents[2] / "scenarios").glob("*.py"))
CASES = list({case.scenario: case for case in read_cases()}.values())
KERNELS = ("v5.11", "v6.12")
STRATEGIES = ("random", "holds")
SEEDS = 4
STEPS = 12_000
"""What comes after so many is as much like it."""


class Lines:
    """A sink: every field of every event."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def take(self, event: Event) -> None:
        self.lines.append(event.json_line())


def left_by(script: Any, kept: Kept | None = None, **options: Any) -> tuple[Any, ...]:
    """All that a run leaves, and whether it was lent something."""
    sink = Lines()
    run = PlainRun(script, RunOptions(**{"max_steps": STEPS, **options}, sinks=(sink,)), kept)
    lent = run.machine.setup.validated.from_before
    raised = run.attempt()
    left = attrs.evolve(run.result(), digest=None)  # of one of many there is none
    return lent, (sink.lines, left, f"{raised!r} {getattr(raised, '__notes__', None)}")


def compare(script: Any, kept: Kept, **options: Any) -> bool:
    """The same by itself and after others; whether it was really after others."""
    _, expected = left_by(script, **options)
    lent, found = left_by(script, kept, **options)
    assert found == expected
    return bool(lent)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_leaves_the_same(name: str) -> None:
    number = SCENARIOS.index(name)
    script, kernel, strategy = load_scenario(name), KERNELS[number % 2], STRATEGIES[number // 2 % 2]
    kept = Kept()
    for seed in range(SEEDS):
        compare(script, kept, strategy=strategy, kernel=kernel, seed=seed)


@pytest.mark.parametrize("case", CASES, ids=[case.scenario for case in CASES])
def test_every_case_leaves_the_same(case: Case) -> None:
    script, kept = load_scenario(str(case.path)), Kept()
    for seed in range(2):
        compare(script, kept, strategy="random", kernel=case.kernel, seed=seed, settings=case.chosen)


@scenario(settings={"nr_cpus": "3"})
async def now_and_then(k: Kernel) -> None:
    """In which order two locks are taken, and whether in both, is decided by who of three threads comes first."""
    one, other = k.spinlock("one"), k.spinlock("other")
    turns: list[int] = []

    async def thread(number: int) -> None:
        await k.udelay(1)
        turns.append(number)

    async with k.open_nursery() as nursery:
        for number in range(3):
            await nursery.start_soon(thread, number, cpu=number)
    order = [one, other] if turns[0] == 0 else [other, one]
    for first, second in (order, order if turns[1] != 2 else order[::-1]):
        await k.spin_lock(first)
        await k.spin_lock(second)
        await k.spin_unlock(second)
        await k.spin_unlock(first)


def reports(kept: Kept | None = None, seeds: int = 60) -> list[str]:
    found = []
    for seed in range(seeds):
        run = PlainRun(now_and_then, RunOptions(strategy="random", seed=seed), kept)
        assert run.attempt() is None
        found.append(run.result().outcome())
    return found


def test_what_only_some_schedules_show_is_neither_lost_nor_made_up() -> None:
    """Silent ones are at odds with one another here: some take the locks in one order only, some in the other."""
    expected = reports()
    assert {"clean", "circular-locking"} <= set(expected)
    assert reports(Kept()) == expected


def test_a_filter_that_is_believed_makes_reports_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test before would notice."""

    def belief(kept: Kept, *kind: Any) -> Validated:
        validated = take(kept, *kind)
        validated.from_before = False
        return validated

    take = Kept.take
    expected = reports()
    monkeypatch.setattr(Kept, "take", belief)
    assert reports(Kept()).count("clean") < expected.count("clean")


class Hoarder(Kept):
    """Keeps also what has been reported."""

    def take(self, rules: Any, config: Any) -> Any:
        validated = super().take(rules, config)
        self.leave(validated, rules, config)
        return validated

    def in_vain(self) -> None:
        pass


def test_keeping_what_was_reported_loses_reports() -> None:
    assert reports(Hoarder()).count("clean") > reports().count("clean")


@scenario()
async def small(k: Kernel) -> None:
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")


@pytest.mark.parametrize(("strategy", "lent"), [("random", True), ("holds", True), ("timed", False)])
def test_runs_in_which_time_alone_decides_begin_anew(strategy: str, lent: bool) -> None:
    kept = Kept()
    compare(small, kept, strategy=strategy)
    assert compare(small, kept, strategy=strategy, seed=1) is lent


def test_on_v5_9_every_run_begins_anew() -> None:
    kept = Kept()
    for seed in range(3):
        assert not compare(small, kept, strategy="random", kernel="v5.9", seed=seed)


def test_another_configuration_begins_anew() -> None:
    kept = Kept()
    compare(small, kept, strategy="random")
    assert not compare(small, kept, strategy="random", settings={"PREEMPT_RT": "y"})


def test_a_lock_of_another_machine_is_found_all_the_same() -> None:
    """Its class is known here."""
    made: list[Any] = []

    @scenario()
    async def borrows(k: Kernel) -> None:
        lock = k.spinlock("lent")
        made.append(lock)
        await k.spin_lock(made[0])
        await k.spin_unlock(made[0])

    kept = Kept()
    raised = []
    for seed in range(2):
        run = PlainRun(borrows, RunOptions(strategy="random", seed=seed), kept)
        raised.append(str(run.attempt()).partition(" (")[0])
    assert run.machine.setup.validated.from_before
    assert raised == ["None", "lock lent: made by another machine; each run has to make its own"]


class Asked(Strategy):
    """Notes which runs it is told of, and how they end."""

    def __init__(self) -> None:
        self._inner = make_strategy("random")
        self.order, self.holds_up = self._inner.order, self._inner.holds_up
        self.told: list[str] = []
        self.answers: list[int] = []

    def start_run(self, seed: int) -> bool:
        self.told.append("start")
        return self._inner.start_run(seed)

    def choose(self, decision: Any) -> int:
        self.answers.append(self._inner.choose(decision))
        return self.answers[-1]

    def end_run(self, outcome: Any) -> None:
        self.told.append(outcome.verdict)


def test_the_strategy_hears_of_one_run_and_is_asked_once() -> None:
    def asked(kept: Kept | None) -> list[tuple[list[str], list[int]]]:
        found = []
        for seed in range(30):
            strategy = Asked()
            PlainRun(now_and_then, RunOptions(strategy=strategy, seed=seed), kept).attempt()
            found.append((strategy.told, strategy.answers))
        return found

    expected = asked(None)
    assert {told[1] for told, _ in expected} == {"clean", "circular-locking"}
    assert asked(Kept()) == expected


def test_an_attempt_keeps_unless_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[bool] = []

    def go(run: PlainRun, listen: Any = None) -> None:
        lent.append(run.machine.setup.validated.from_before)
        plain_go(run, listen)

    plain_go = PlainRun.go
    monkeypatch.setattr(PlainRun, "go", go)
    attempt = SpecAttempt(RunSpec.of(load_scenario("reader_holds_object"), RunOptions()))
    run = functools.partial(attempt.run, make_strategy("random"))
    run(1)
    run(2)
    run(3, listen=lambda _machine: None)
    run(4)
    assert lent == [False, True, False, True]
