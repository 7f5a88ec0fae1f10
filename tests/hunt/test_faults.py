"""hunt/faults.py: what may go wrong besides who goes next; each really does, finds something, and is replayed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import GFP_KERNEL, Kernel, scenario
from rcuactors.config import field_names
from rcuactors.engine.events import DigestSink
from rcuactors.errors import BadInput
from rcuactors.hunt.attempt import SpecAttempt, options_of
from rcuactors.hunt.faults import fault_settings
from rcuactors.hunt.keep import keep, replay, replay_of, shrink
from rcuactors.hunt.plan import PORTFOLIO, plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.hunt.tally import Tally
from rcuactors.hunt.trial import Trial
from rcuactors.lab.faults import FAULTS
from rcuactors.runs import Run
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario

Script = Callable[[Kernel], Awaitable[None]]

KINDS = {
    "alloc": "allocation fails",
    "late-timer": "late timer",
    "interrupt": "an interrupt comes",
    "nmi": "an NMI comes",
    "migrate": "which CPU a thread wakes on",
    "hotplug": "a CPU goes or comes",
    "slow-worker": "slow worker",
    "reclaim": "reclaim now",
    "waiters": "which thread",
}


def with_faults(script: Script, names: str = "", **settings: str) -> RunSpec:
    asked = dict(setting.split("=") for setting in fault_settings(names, ())) if names else {}
    return RunSpec.of(scenario()(script), **settings, **asked)


def tried(spec: RunSpec, strategy: str, schedules: int) -> list[Trial]:
    return list(explore(plan_of(spec, (strategy,)), Progress(), schedules=schedules))


def first_that_shows(spec: RunSpec, strategy: str, schedules: int) -> Trial | None:
    return next((trial for trial in tried(spec, strategy, schedules) if trial.shown), None)


async def mixture(k: Kernel) -> None:
    """Timers, works, pages, and threads that wait for a CPU."""

    async def works() -> None:
        await k.udelay(5)

    async def does() -> None:
        for _ in range(3):
            await k.free_page(await k.get_free_page(GFP_KERNEL))
            await k.schedule_work(k.work(works))
            await k.usleep_range(300, 300)
        await k.msleep(12)

    async with k.open_nursery() as nursery:
        for number in range(6):
            await nursery.start_soon(does, cpu=number % 2)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("strategy", PORTFOLIO)
@pytest.mark.parametrize("name", FAULTS)
def test_each_really_happens_and_is_counted(name: str, strategy: str) -> None:
    """The canary: a fault of which nothing but the usual is ever taken finds nothing. Without it, nobody is asked."""
    spec = with_faults(mixture, name, nr_cpus="2")
    plan = plan_of(spec, (strategy,))
    tally = Tally(plan, Progress())
    for trial in explore(plan, Progress(), schedules=10):
        tally.take(trial)
    counts = tally.taken[KINDS[name]]
    assert 0 < counts.other < counts.asked
    assert not any(said.startswith(KINDS[name]) for said in tally.never_taken())
    assert not any(KINDS[name] in trial.taken for trial in tried(with_faults(mixture, nr_cpus="2"), strategy, 3))


def test_each_is_a_setting() -> None:
    assert KINDS.keys() == FAULTS.keys()
    assert {fault.setting for fault in FAULTS.values()} <= set(field_names())


# -- what they find --------------------------------------------------------------------------------------------------


async def needs_memory(k: Kernel) -> None:
    """It does not look whether it has got a page."""
    page = await k.get_free_page(GFP_KERNEL)
    assert page is not None, "no page"
    await k.free_page(page)


async def allocates_in_its_shrinkers_lock(k: Kernel) -> None:
    """Its shrinker takes the lock that it holds when it asks for memory."""
    lock = k.mutex("cache")

    async def count() -> int:
        await k.mutex_lock(lock)
        await k.mutex_unlock(lock)
        return 0

    async def scan(_number: int) -> int:
        return 0

    await k.register_shrinker("cache", count, scan)
    await k.mutex_lock(lock)
    await k.free_page(await k.get_free_page(GFP_KERNEL))
    await k.mutex_unlock(lock)


async def counts_with_preemption_off(k: Kernel) -> None:
    """It takes preemption off for enough against a softirq of its own CPU."""
    count = 0

    async def softirq() -> None:
        nonlocal count
        count += 1

    k.preempt_disable()
    await k.tasklet_schedule(softirq)
    seen = count
    await k.udelay(1)
    count = seen + 1
    await k.preempt_enable()
    await k.usleep_range(100, 100)
    assert count == 2, "an update is lost"


async def trusts_its_worker(k: Kernel) -> None:
    """It takes a while for enough for its work to have run, since that has the CPU to itself."""
    done = False

    async def work() -> None:
        nonlocal done
        done = True

    await k.schedule_work(k.work(work))
    await k.usleep_range(900, 900)
    assert done, "not done"
    await k.msleep(120)


FINDS = [
    (needs_memory, "alloc", "random"),
    (allocates_in_its_shrinkers_lock, "reclaim", "random"),
    (counts_with_preemption_off, "interrupt", "random:present=1000000"),
    (trusts_its_worker, "slow-worker", "random:present=1000000"),
]


@pytest.mark.parametrize(("script", "name", "strategy"), FINDS, ids=[name for _, name, _ in FINDS])
def test_a_fault_finds_what_is_not_found_without(script: Script, name: str, strategy: str) -> None:
    """And it is cut down to that fault, and run again from its file."""
    assert first_that_shows(with_faults(script), strategy, 200) is None
    spec = with_faults(script, name)
    trial = first_that_shows(spec, strategy, 400)
    assert trial is not None
    kept = shrink(keep(SpecAttempt(spec), trial, trial.shown[0].signature))
    assert [taken.kind for taken in kept.departures] == [KINDS[name]]
    assert kept.schedule.spec.settings[FAULTS[name].setting] == FAULTS[name].value
    digest = DigestSink()
    run = Run(scenario()(script), options_of(kept.schedule.spec, replay_of(kept.schedule), 0, digest))
    replayed = replay(kept.schedule, run, digest)
    assert trial.shown[0].signature in {shown.signature for shown in replayed.shown}


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["late_timers", "slow_workers"])
def test_a_search_that_puts_nothing_off_refuses_what_is_only_late(setting: str) -> None:
    spec = RunSpec.of(load_scenario("stale_batch"), **{setting: "y"})
    with pytest.raises(BadInput, match=f"{setting}=y: strategy delays:d=2 decides nothing of that sort"):
        plan_of(spec, ("delays:d=2",))
    assert plan_of(RunSpec.of(load_scenario("stale_batch"), waiters="y"), ("delays:d=2",)).search


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "alloc"])
def test_order_of_time_alone_refuses_all_but_failing_allocations(name: str) -> None:
    with pytest.raises(BadInput, match=f"{FAULTS[name].setting}=y: strategy timed decides nothing of that sort"):
        plan_of(with_faults(mixture, name), ("random", "timed"))


def test_order_of_time_has_allocations_fail() -> None:
    assert first_that_shows(with_faults(needs_memory, "alloc"), "timed", 60) is not None


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("irq", (), "--faults irq"),
        ("", (), "--faults"),
        ("nmi,", (), "--faults"),
        ("nmi,alloc,nmi", (), "--faults nmi,alloc,nmi: nmi twice"),
        ("nmi,alloc", ("mem", "fail_page_alloc"), "--faults alloc: it is fail_page_alloc=10; --set fail_page_alloc is"),
    ],
)
def test_bad_input(text: str, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        fault_settings(text, given)
