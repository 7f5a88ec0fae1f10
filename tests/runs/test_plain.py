"""runs/plain.py: without Trio a run is the same to the byte; one of a scenario that needs Trio is on it, by itself."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trio

from rcuactors import Kernel, Result, RunOptions, VirtualClock, load_scenario, scenario
from rcuactors.engine.actor import Mailbox, PlainMailbox
from rcuactors.engine.choice import Outcome
from rcuactors.engine.errors import NeedsTrio
from rcuactors.engine.events import Event
from rcuactors.engine.plain import PlainConductor
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput, NothingLeft, ScenarioError
from rcuactors.explore.delays import Delays
from rcuactors.explore.random import Random
from rcuactors.machine import Machine, MachineStatistics
from rcuactors.runs import Run
from rcuactors.runs.plain import PlainRun, needs_trio, run_plain

SCENARIOS = sorted(path.stem for path in (Path(__file__).parents[2] / "scenarios").glob("*.py"))
SHORT: dict[str, dict[str, int]] = {
    "flood": {"objects": 500},
    "low_memory_fallback": {"objects": 60, "reclaimable": 40},
    "shrinker_pressure": {"objects": 60},
    "cold_cache_burst": {"objects": 500, "burst": 500},
}
"""Parameters with which the long ones are short."""
KERNELS = ("v5.11", "v6.12")
STRATEGIES = ("timed", "random", "holds")


class Lines:
    """A sink: every field of every event."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def take(self, event: Event) -> None:
        self.lines.append(event.json_line())


Left = tuple[list[str], Result, MachineStatistics, str]


def left_by(kind: type[Run], script: Any, **options: Any) -> tuple[Left, Run]:
    """All that a run leaves, and the run."""
    sink, raised = Lines(), ""
    run = kind(script, RunOptions(**options, sinks=(sink,)))
    try:
        run.go()
    except (Exception, KeyboardInterrupt) as error:
        raised = f"{type(error).__name__}: {error} {getattr(error, '__notes__', None)}"
    return (sink.lines, run.result(), run.machine.statistics(), raised), run


def compare(script: Any, *, plain: bool = True, **options: Any) -> Left:
    """The same run on both; `plain` says whether it could go without Trio."""
    expected, _ = left_by(Run, script, **options)
    found, run = left_by(PlainRun, script, **options)
    assert found[0] == expected[0]
    assert found == expected
    assert isinstance(run.machine.conductor, PlainConductor) is plain
    return found


@pytest.mark.one_in(3)
@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=SCENARIOS)
def test_every_scenario_leaves_the_same(number: int) -> None:
    """Every one of them, each kernel and each strategy, but not each with each: that takes a campaign."""
    name, strategy, kernel = SCENARIOS[number], ("timed", "random")[number % 2], KERNELS[number // 2 % 2]
    compare(load_scenario(name), strategy=strategy, seed=number, kernel=kernel, settings=SHORT.get(name, {}))


@pytest.mark.campaign
@pytest.mark.parametrize("kernel", ERAS)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_leaves_the_same_on_every_kernel(name: str, strategy: str, kernel: str) -> None:
    for seed in (0, 1):
        compare(load_scenario(name), strategy=strategy, seed=seed, kernel=kernel)


@cache
def everything_at_once() -> Any:
    """The scenario of the tests of determinism, which uses Trio in many ways."""
    path = Path(__file__).parents[1] / "data" / "determinism" / "everything_at_once.py"
    spec = importlib.util.spec_from_file_location("everything_at_once", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.everything_at_once


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_needs_trio_is_on_trio(strategy: str) -> None:
    compare(everything_at_once(), plain=False, strategy=strategy, seed=3)


async def busy(k: Kernel, rounds: int = 3) -> None:
    for _ in range(rounds):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.usleep_range(100, 200)


def a_foreign(wait: Callable[[], Any]) -> Any:
    """A scenario that waits for something of Trio's in its middle, and hides what comes of it."""

    @scenario()
    async def foreign(k: Kernel) -> None:
        p = await k.kmalloc(64)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(busy, k, cpu=1)
            await busy(k)
            try:
                await wait()
            except Exception as error:
                k.pr_info(f"caught {type(error).__name__}")
            finally:
                k.pr_info("waited")
            await busy(k)
        await k.kvfree_rcu(p, "rcu")

    return foreign


async def asks_whether_it_can() -> None:
    if trio.current_time() >= 0:
        await trio.sleep(0.003)


WAITS: dict[str, Callable[[], Any]] = {
    "sleep": functools.partial(trio.sleep, 0.002),
    "checkpoint": trio.lowlevel.checkpoint,
    "time": asks_whether_it_can,
}


@pytest.mark.parametrize("what", WAITS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_wait_of_trios_in_the_middle_is_noticed(what: str, strategy: str) -> None:
    """Sinks hear each event once; nothing that the scenario makes of our signal is to be seen."""
    script = a_foreign(WAITS[what])
    lines, *_ = compare(script, plain=False, strategy=strategy, seed=1)
    assert sum("waited" in line for line in lines) == 1
    assert not any("caught" in line for line in lines)
    assert needs_trio(script.body)


def test_only_the_first_run_is_begun_in_vain() -> None:
    script, begun = a_foreign(WAITS["sleep"]), []

    def listen(machine: Machine) -> None:
        begun.append(isinstance(machine.conductor, PlainConductor))

    for seed in range(3):
        PlainRun(script, seed=seed).run(listen)
    assert begun == [True, False, False, False]


def test_a_search_is_asked_once() -> None:
    """A strategy that lives across runs does not hear that one of them was begun twice."""

    class Counted(Delays):
        ends = 0

        def end_run(self, outcome: Outcome) -> None:
            self.ends += 1
            super().end_run(outcome)

    counts = []
    for kind in (Run, PlainRun):
        search, script = Counted(d=1), a_foreign(WAITS["checkpoint"])
        runs = [kind(script, strategy=search).run().digest for _ in range(6)]
        assert search.ends == 6
        counts.append((runs, search.counts, search.path))
    assert counts[0] == counts[1]


def test_a_search_that_has_nothing_left_says_so() -> None:
    search = Delays(d=0)
    PlainRun(busy, strategy=search).go()
    with pytest.raises(NothingLeft):
        PlainRun(busy, strategy=search).go()


async def raises(k: Kernel) -> None:
    await busy(k)
    raise LookupError("of the scenario's own")


async def interrupted(k: Kernel) -> None:
    await busy(k)
    raise KeyboardInterrupt


async def wrongly_called(k: Kernel) -> None:
    await busy(k)
    await k.kmalloc(-1)


async def not_awaited(k: Kernel) -> None:
    await busy(k)
    k.kmalloc(64)  # type: ignore[unused-coroutine]  # that is the mistake


async def deadlocked(k: Kernel) -> None:
    lock = k.mutex("m")
    await k.mutex_lock(lock)
    await k.mutex_lock(lock)


@pytest.mark.parametrize("script", [raises, interrupted, wrongly_called, not_awaited, deadlocked])
def test_what_goes_wrong_goes_wrong_alike(script: Any) -> None:
    _, result, _, raised = compare(script)
    assert raised or not result.clean


def test_the_first_report_ends_it_when_that_is_asked_for() -> None:
    _, _, _, raised = compare(load_scenario("nmi_caller"), settings={"panic_on_warn": "y"})
    assert raised.startswith("KernelBug")


def test_within_a_run_of_trios_it_says_what_run_says() -> None:
    """There cannot be a second `trio.run` in one thread, and code there would find the first one."""

    async def main() -> None:
        for kind in (Run, PlainRun):
            with pytest.raises(RuntimeError, match="from inside"):
                kind(busy).run()

    trio.run(main)


def test_one_that_was_made_before_a_run_of_trios_is_on_that() -> None:
    runs = [PlainRun(busy, seed=4), PlainRun(busy, seed=4)]

    async def main() -> Result:
        with pytest.raises(RuntimeError, match="from inside"):
            runs[0].run()
        return await runs[1].arun()

    assert trio.run(main, clock=VirtualClock()) == run_plain(busy, seed=4) == Run(busy, seed=4).run()


def test_the_result_is_that_of_run() -> None:
    options = RunOptions(strategy=Random(), seed=9, kernel="v6.12")
    assert run_plain(busy, options) == Run(busy, options).run()
    assert run_plain(busy, options, events=False).digest is None


def test_nobody_sees_the_signal() -> None:
    assert not issubclass(NeedsTrio, Exception)
    with pytest.raises(BadInput):
        PlainRun(busy, kernel="v1")
    with pytest.raises(ScenarioError):
        PlainRun(not_awaited).run()


def test_actors_exchange_messages_over_channels_of_trio_s_where_it_runs_them() -> None:
    run, plain = Run(load_scenario("flood")), PlainRun(load_scenario("flood"), RunOptions(), None)
    for made, kind in ((run, Mailbox), (plain, PlainMailbox)):
        assert made.attempt() is None
        system = made.machine.system
        assert {type(actor.mailbox) for actor in [*system.cpus.values(), system.hrtimers.device]} == {kind}
