"""Who holds a CPU is pinned: no function of the model goes on with a CPU that its thread has left.

Runs with migration on and schedules by chance, on CPUs that look: whatever is done with a CPU has to be done by what
runs on it. Nothing new is reported, and everything is freed.
"""

from __future__ import annotations

import inspect
import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors import GFP_ATOMIC, Kernel, Run, RunOptions, load_scenario, scenario
from rcuactors.context.locks import Lock
from rcuactors.eras import ERAS
from rcuactors.explore import Random
from rcuactors.kernel.cpu import Cpu
from tests.one_argument import one_argument

SCENARIOS = sorted(path.stem for path in Path("scenarios").resolve().glob("*.py"))
LONG = ("cold_cache_burst", "flood")
BY_SCHEDULE = "driver_thread_sleeps"
"""On v5.9 it has 5c0930ccaad5, whether threads move or not: with which schedules is chance."""
"""Schedules by chance take them too many steps."""
OWN = ("local_irq_save", "local_irq_restore", "preempt_disable", "preempt_enable", "point", "attend", "schedule")
OWN += ("wake_up_process", "migrate_enable", "hardirq")
"""What only code that runs on the CPU may call."""


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every use of another CPU's functions, as text."""
    found: list[str] = []

    def look(cpu: Cpu, name: str) -> None:
        running = cpu.conductor.running
        if isinstance(running, Cpu) and running is not cpu and not cpu.conductor.over:
            found.append(f"{name}() of {cpu.name} on {running.name}, in {inspect.stack()[2].function}()")

    def watched(name: str, own: Any) -> Any:
        if inspect.iscoroutinefunction(own):

            async def asynchronous(self: Cpu, *args: Any, **options: Any) -> Any:
                look(self, name)
                return await own(self, *args, **options)

            return asynchronous

        def plain(self: Cpu, *args: Any, **options: Any) -> Any:
            look(self, name)
            return own(self, *args, **options)

        return plain

    for name in OWN:
        monkeypatch.setattr(Cpu, name, watched(name, getattr(Cpu, name)))
    return found


def kinds(run: Run) -> set[str]:
    """What kinds of reports the run has left."""
    return {violation.kind.value for violation in run.run().violations}


def go(chosen: Any, kernel: str, seed: int, **settings: str) -> Run:
    return Run(chosen, RunOptions(kernel=kernel, strategy=Random(), seed=seed, settings=settings))


@pytest.mark.one_in(6)
@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kernel", ["v5.9", "v6.1-stable"])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in (*LONG, BY_SCHEDULE)])
def test_no_bundled_scenario_reports_more_when_threads_move(
    looking: list[str], name: str, kernel: str, rt: str
) -> None:
    chosen = load_scenario(name)
    still = kinds(go(chosen, kernel, 1, PREEMPT_RT=rt))
    moving = kinds(go(chosen, kernel, 1, PREEMPT_RT=rt, migrate="y"))
    assert moving <= still
    assert not looking


@attrs.frozen
class Busy:
    """What a thread of the stress does, drawn by `rng`."""

    k: Kernel
    rng: random.Random
    mutex: Lock
    spinlock: Lock
    semaphore: Lock

    async def act(self) -> None:
        """Something."""
        names = sorted(name for name in vars(Busy) if name.startswith("do_"))
        await getattr(self, self.rng.choice(names))()

    async def do_reader(self) -> None:
        with self.k.rcu_reader():
            await self.k.udelay(self.rng.randrange(1, 30))

    async def do_reader_bh(self) -> None:
        await self.k.rcu_read_lock_bh()
        await self.k.udelay(2)
        await self.k.rcu_read_unlock_bh()

    async def do_two(self) -> None:
        await self.k.kvfree_rcu(await self.k.kvmalloc(self.rng.choice([32, 256, 5000])), "rcu")

    async def do_one(self) -> None:
        await one_argument(self.k, await self.k.kvmalloc(self.rng.choice([32, 5000])))

    async def do_under_mutex(self) -> None:
        await self.k.mutex_lock(self.mutex)
        await self.k.usleep_range(5, 9)
        await self.k.mutex_unlock(self.mutex)

    async def do_under_spinlock(self) -> None:
        flags = await self.k.spin_lock_irqsave(self.spinlock)
        await self.k.udelay(3)
        await self.k.spin_unlock_irqrestore(self.spinlock, flags)

    async def do_under_semaphore(self) -> None:
        await self.k.down_read(self.semaphore)
        await self.k.udelay(5)
        await self.k.up_read(self.semaphore)
        await self.k.down_write(self.semaphore)
        await self.k.up_write(self.semaphore)

    async def do_bottom_halves(self) -> None:
        await self.k.spin_lock_bh(self.spinlock)
        await self.k.kfree(await self.k.kmalloc(64, GFP_ATOMIC))
        await self.k.spin_unlock_bh(self.spinlock)

    async def do_pages(self) -> None:
        taken = [await self.k.get_free_page() for _ in range(self.rng.randrange(1, 9))]
        for page in taken:
            await self.k.free_page(page)
        await self.k.drain_local_pages()

    async def do_objects(self) -> None:
        taken = [await self.k.kmalloc(self.rng.choice([64, 1024, 2048])) for _ in range(self.rng.randrange(1, 12))]
        await self.k.usleep_range(1, 2)
        await self.k.kfree_bulk([p for p in taken if p is not None])

    async def do_works(self) -> None:
        work = self.k.work(lambda: self.k.udelay(1), name="stress")
        await self.k.schedule_work(work)
        await self.k.flush_work(work)
        interrupt = self.k.irq_work(lambda: self.k.udelay(1), name="stress")
        await self.k.irq_work_queue(interrupt)
        await self.k.irq_work_sync(interrupt)

    async def do_calls(self) -> None:
        await self.k.smp_call_function_single(self.rng.randrange(3), lambda: self.k.udelay(1))
        await self.k.tasklet_schedule(lambda: self.k.udelay(1))

    async def do_callbacks(self) -> None:
        await self.k.call_rcu(lambda: self.k.udelay(1), name="stress")
        await self.k.rcu_barrier()

    async def do_affinity(self) -> None:
        await self.k.set_cpus_allowed(None, self.rng.choice([{0}, {1, 2}, {2}]))
        await self.k.udelay(2)
        await self.k.set_cpus_allowed(None, range(3))

    async def do_pinned(self) -> None:
        self.k.migrate_disable()
        await self.k.usleep_range(2, 3)
        await self.k.migrate_enable()


async def everything(k: Kernel, *, rounds: int, seed: int) -> None:
    """Four threads that may move, and one that is urgent and bound, do a bit of everything."""
    locks = (k.mutex("mutex"), k.spinlock("spinlock"), k.rwsem("semaphore"))

    async def busy(number: int) -> None:
        busy_one = Busy(k, random.Random(seed * 100 + number), *locks)
        for _ in range(rounds):
            await busy_one.act()

    async def urgent() -> None:
        for _ in range(rounds * 8):
            await k.usleep_range(50, 60)
            await k.udelay(10)

    async with k.open_nursery() as nursery:
        for number in range(4):
            await nursery.start_soon(busy, number, name=f"busy/{number}")
        for cpu in range(2):
            await nursery.start_soon(urgent, cpu=cpu, urgent=True, name=f"urgent/{cpu}")


BUILDS: dict[str, dict[str, str]] = {
    "plain": {},
    "none": {"PREEMPT": "n"},
    "rt": {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"},
    "unchecked": {"PROVE_LOCKING": "n"},
    "hooks": {"KASAN": "y", "page_owner": "y", "debug_pagealloc": "y"},
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("kernel", list(ERAS))
def test_threads_that_move_do_everything_and_lose_nothing(
    looking: list[str], kernel: str, build: str, seed: int
) -> None:
    @scenario()
    async def stress(k: Kernel) -> None:
        await everything(k, rounds=20, seed=seed)

    run = go(stress, kernel, seed, migrate="y", nr_cpus="3", mem="16M", **BUILDS[build])
    result = run.run()
    assert not looking
    assert [violation.text for violation in result.violations] == []
    assert run.machine.system.migration.moved > 5


@pytest.mark.one_in(3)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("kernel", ["v5.9", "v6.12", "v7.3"])
def test_cpus_that_go_while_threads_do_everything_lose_nothing(looking: list[str], kernel: str, build: str) -> None:
    @scenario()
    async def stress(k: Kernel) -> None:
        await everything(k, rounds=50, seed=1)

    run = go(stress, kernel, 1, migrate="y", hotplug="y", nr_cpus="3", mem="16M", **BUILDS[build])
    result = run.run()
    assert not looking
    assert [violation.text for violation in result.violations] == []
    assert run.machine.system.hotplug.downs > 1
    assert run.machine.system.hotplug.ups > 1


def test_what_looks_would_see_a_cpu_that_was_left(looking: list[str]) -> None:
    @scenario()
    async def stale(k: Kernel) -> None:
        cpu = k.machine.this_cpu
        await k.set_cpus_allowed(None, {1})
        cpu.local_irq_save()

    Run(stale, RunOptions()).run()
    assert any(line.startswith("local_irq_save() of cpu0 on cpu1") for line in looking)
