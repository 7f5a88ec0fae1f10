"""kernel/hotplug/: a CPU goes and comes back; what it leaves is found by others, in every version."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import BadInput, Kernel, ViolationKind
from rcuactors.eras import ERAS
from rcuactors.kernel.hotplug.states import CpuhpState
from rcuactors.testing import RcuLab

KINDS = [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}]
"""Kernels that differ in what a thread, a softirq and a lock are."""


@pytest.mark.parametrize("settings", KINDS, ids=["preempt", "rt", "none"])
@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_cpu_goes_and_comes_back(rcu_lab: RcuLab, kernel: str, settings: dict[str, Any]) -> None:
    async def main(k: Kernel) -> None:
        assert k.online_cpus() == [0, 1, 2]
        assert await k.cpu_down(1) == 0
        assert (k.online_cpus(), k.cpu_online(1), k.num_online_cpus()) == ([0, 2], False, 2)
        assert await k.cpu_down(1) == 0
        assert await k.cpu_up(1) == 0
        assert await k.cpu_up(1) == 0
        assert k.online_cpus() == [0, 1, 2]
        here: list[int] = []

        async def look() -> None:
            here.append(k.smp_processor_id())

        await k.kthread_join(await k.kthread_run(look, cpu=1))
        assert here == [1]

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=3, **settings).clean


def test_the_boot_cpu_stays(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        assert await k.cpu_down(0) == -1  # -EPERM
        with pytest.raises(BadInput, match=r"^cpu_down\(2\): the machine has CPUs 0 to 1$"):
            await k.cpu_down(2)

    assert rcu_lab.run(main, nr_cpus=2).clean


def test_cpus_that_were_not_brought_up_at_boot(rcu_lab: RcuLab) -> None:
    """maxcpus=: nothing runs there. Its pools have no workers: a work that is queued there waits.

    When the CPU comes its pool gets a worker first, which need not be there to begin (WORKER_UNBOUND), and makes
    another before it does.
    """
    ran: list[int] = []

    async def main(k: Kernel) -> None:
        async def function() -> None:
            ran.append(k.smp_processor_id())

        assert k.online_cpus() == [0]
        with pytest.raises(BadInput, match=r"^kthread_run\(cpu=1\): CPU 1 is offline$"):
            await k.kthread_run(function, cpu=1)
        work = k.work(function)
        await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(50)
        assert not ran
        assert await k.cpu_up(1) == 0
        await k.flush_work(work)
        await k.queue_work_on(1, k.system_wq, work)
        await k.flush_work(work)

    assert rcu_lab.run(main, nr_cpus=2, maxcpus=1).clean
    assert len(ran) == 2
    assert ran[1] == 1


@pytest.mark.parametrize("settings", KINDS, ids=["preempt", "rt", "none"])
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.12"])
def test_threads_go_on_elsewhere(rcu_lab: RcuLab, kernel: str, settings: dict[str, Any]) -> None:
    """One that runs, one that sleeps, and one that waits for its turn; all were bound to the CPU."""
    seen: dict[str, list[int]] = {}

    async def main(k: Kernel) -> None:
        async def run(name: str, sleeps: bool) -> None:
            mine = seen.setdefault(name, [])
            for _ in range(40):
                mine.append(k.raw_smp_processor_id())
                if sleeps:
                    await k.msleep(4)
                else:
                    await k.udelay(2000)
                    await k.cond_resched()

        async with k.open_nursery() as nursery:
            for name, sleeps in (("runs", False), ("waits", False), ("sleeps", True)):
                await nursery.start_soon(run, name, sleeps, cpu=1)
            await k.msleep(20)
            assert await k.cpu_down(1) == 0
            # Nobody is there any more, whatever he was at.
            left = [t.comm for t in k.machine.system.threads if t.cpu.cpu_id == 1 and not t.per_cpu]
            assert not left

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2, **settings).clean
    for cpus in seen.values():
        assert (cpus[0], cpus[-1]) == (1, 0)
        assert cpus == sorted(cpus, reverse=True)


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.12"])
def test_who_has_migration_off_is_waited_for(rcu_lab: RcuLab, kernel: str, rt: str) -> None:
    order: list[str] = []

    async def main(k: Kernel) -> None:
        async def stays() -> None:
            k.migrate_disable()
            await k.usleep_range(100_000, 100_000)
            order.append(f"still on CPU {k.raw_smp_processor_id()}")
            await k.migrate_enable()

        async with k.open_nursery() as nursery:
            await nursery.start_soon(stays, cpu=1)
            await k.msleep(10)
            assert await k.cpu_down(1) == 0
            order.append("gone")

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2, PREEMPT_RT=rt).clean
    assert order == ["still on CPU 1", "gone"]


@pytest.mark.parametrize("kernel", list(ERAS))
def test_timers_and_works_of_a_dead_cpu_are_found(rcu_lab: RcuLab, kernel: str) -> None:
    """A timer, an hrtimer that somebody sleeps on, a delayed work, a work that runs, another, one queued later."""
    seen: dict[str, int] = {}

    async def main(k: Kernel) -> None:
        def note(name: str) -> None:
            seen[name] = k.raw_smp_processor_id()

        async def timer() -> None:
            note("timer")

        async def delayed() -> None:
            note("delayed")

        async def long() -> None:
            await k.msleep(60)
            note("long")

        async def behind() -> None:
            note("behind")

        async def later() -> None:
            note("later")

        works = {"long": k.work(long), "behind": k.work(behind), "later": k.work(later)}

        async def set_up() -> None:
            await k.mod_timer(k.timer_setup(timer), 20)
            await k.schedule_delayed_work(k.delayed_work(delayed), 20)
            await k.queue_work(k.system_wq, works["long"])
            await k.queue_work(k.system_wq, works["behind"])
            await k.usleep_range(80_000, 80_000)
            note("sleeper")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(set_up, cpu=1)
            await k.msleep(4)
            assert await k.cpu_down(1) == 0
            await k.queue_work_on(1, k.system_wq, works["later"])
            await k.msleep(200)

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2).clean
    assert set(seen) == {"timer", "delayed", "long", "behind", "later", "sleeper"}
    assert set(seen.values()) <= {0, 1}
    assert {seen[name] for name in ("timer", "delayed", "later", "sleeper", "long")} == {0}


def test_works_come_back_with_their_cpu(rcu_lab: RcuLab) -> None:
    seen: list[int] = []

    async def main(k: Kernel) -> None:
        async def function() -> None:
            seen.append(k.raw_smp_processor_id())

        work = k.work(function)
        for step in (None, k.cpu_down, k.cpu_up):
            if step is not None:
                assert await step(1) == 0
            await k.queue_work_on(1, k.system_wq, work)
            await k.flush_work(work)

    assert rcu_lab.run(main, nr_cpus=2).clean
    assert seen == [1, 0, 1]


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12"])
def test_what_interrupts_have_left_runs_elsewhere(rcu_lab: RcuLab, kernel: str) -> None:
    """takeover_tasklets(), irq_work_run() of smpcfd_dying_cpu(): both asked for when interrupts are off for good."""
    seen: list[tuple[str, int]] = []

    async def main(k: Kernel) -> None:
        async def tasklet() -> None:
            seen.append(("tasklet", k.raw_smp_processor_id()))

        async def irq_work() -> None:
            seen.append(("irq_work", k.raw_smp_processor_id()))

        work = k.irq_work(irq_work, hard=True)

        async def dying(_cpu: int) -> None:
            await k.irq_work_queue(work)
            await k.tasklet_schedule(tasklet)

        # Called before smpcfd_dying_cpu(), unlike those of drivers.
        k.machine.system.hotplug.setup_state(
            CpuhpState.AP_HRTIMERS_DYING, "test:dying", teardown=lambda _, cpu_id: dying(cpu_id)
        )
        assert await k.cpu_down(1) == 0
        await k.msleep(4)

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2).clean
    assert seen == [("irq_work", 1), ("tasklet", 0)]


def test_a_call_to_an_offline_cpu_fails(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        async def function() -> None:
            raise AssertionError

        assert await k.cpu_down(1) == 0
        assert await k.smp_call_function_single(1, function) == -6  # -ENXIO
        with pytest.raises(BadInput, match=r"^raise_irq\(cpu=1\): CPU 1 is offline$"):
            await k.raise_irq(function, cpu=1)

    assert rcu_lab.run(main, nr_cpus=2).clean


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12"])
def test_pages_and_slabs_of_a_dead_cpu_go_back(rcu_lab: RcuLab, kernel: str) -> None:
    async def main(k: Kernel) -> None:
        kept = []

        async def fill() -> None:
            await k.free_page(await k.get_free_page())
            kept.extend([await k.kmalloc(1024) for _ in range(6)])
            await k.kfree(kept.pop())

        await k.kthread_join(await k.kthread_run(fill, cpu=1))
        system, slab, zone = k.machine.system, k.machine.slab, k.machine.pages.zone
        cache = slab.cache_for(1024)
        assert zone.list_of(system.cpu(1)).pages
        assert cache.cpus[1].slab is not None
        assert await k.cpu_down(1) == 0
        assert not zone.list_of(system.cpu(1)).pages
        mine = cache.cpus[1]
        assert (mine.slab, mine.free, mine.partial) == (None, [], [])
        assert all(one.listed and not one.frozen for one in cache.partial.values())
        for item in kept:
            await k.kfree(item)
        # All of it is there to be had again, each object once.
        again = [await k.kmalloc(1024) for _ in range(16)]
        assert len({item.address for item in again}) == 16
        for item in again:
            await k.kfree(item)

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2).clean


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("settings", KINDS[:2], ids=["preempt", "rt"])
def test_objects_of_a_dead_cpu_are_freed(rcu_lab: RcuLab, kernel: str, settings: dict[str, Any]) -> None:
    """The krcp stays where it is (no callback is set up for it); its monitor's timer and work go elsewhere.

    Callbacks, too, and what waits for them.
    """
    called: list[int] = []

    async def main(k: Kernel) -> None:
        async def callback() -> None:
            called.append(k.raw_smp_processor_id())

        async def frees() -> None:
            for _ in range(5):
                await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.call_rcu(callback)

        await k.kthread_join(await k.kthread_run(frees, cpu=1))
        assert await k.cpu_down(1) == 0
        await k.rcu_barrier()
        assert len(called) == 1
        await k.msleep(12_000)
        assert not k.machine.oracle.statistics().objects

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2, **settings).clean


def test_it_is_slow_and_sleeps(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        k.preempt_disable()
        await k.cpu_down(1)
        await k.preempt_enable()

    result = rcu_lab.run(main, nr_cpus=2, DEBUG_ATOMIC_SLEEP="y")
    assert result.violations[0].kind is ViolationKind.SLEEPING_FUNCTION


def test_who_holds_the_cpu_holds_it_up(rcu_lab: RcuLab) -> None:
    """stop_machine(): it cannot go before a CPU, any CPU, has preemption on."""
    times: dict[str, int] = {}

    async def main(k: Kernel) -> None:
        async def busy() -> None:
            await k.msleep(20)
            k.preempt_disable()
            await k.udelay(300_000)
            times["busy"] = k.now
            await k.preempt_enable()

        async with k.open_nursery() as nursery:
            await nursery.start_soon(busy, cpu=2)
            await k.msleep(24)
            assert await k.cpu_down(1) == 0
            times["gone"] = k.now

    assert rcu_lab.run(main, nr_cpus=3).clean
    assert times["gone"] > times["busy"]


def test_many_cpus_cost_nothing(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        assert await k.cpu_down(1000) == 0
        assert await k.cpu_up(1000) == 0
        assert len(k.machine.system.cpus) <= 3

    assert rcu_lab.run(main, nr_cpus=1024).clean
