"""call_rcu(), synchronize_rcu(), rcu_barrier(), queue_rcu_work() (rcuactors/rcu/)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, Run, RunOptions, run, scenario
from rcuactors.kernel.workqueue import Work
from rcuactors.rcu.callbacks import BLIMIT
from rcuactors.rcu.rcu_work import RcuWork

MS = 1_000_000
CONFIGS = [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}]


def test_on_rt_a_callback_that_leaks_preemption_stops_rcuc_and_with_it_the_softirqs() -> None:
    """Recorded of f5 v=rcu op=leakpre: rcuc/N keeps the CPU's lock, and timers of that CPU come no more."""

    async def script(k: Kernel) -> None:
        async def leaks() -> None:
            k.preempt_disable()

        await k.call_rcu(leaks)
        await k.rcu_barrier()
        await k.msleep(100)

    options = RunOptions(kernel="v6.1-stable", settings={"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"})
    titles = [violation.title for violation in run(scenario()(script), options).violations]
    assert titles[0].startswith("BUG: sleeping function called from invalid context")
    assert titles[1].startswith("BUG: scheduling while atomic: rcuc/0/")
    assert titles[1].endswith("/0x00000002")
    assert titles[2] == "WARNING: Voluntary context switch within RCU read-side critical section!"
    assert any(title.startswith("DEADLOCK") for title in titles[3:])


@pytest.mark.parametrize("settings", CONFIGS)
def test_callbacks_come_in_order_in_softirq_after_a_grace_period(settings: dict[str, str]) -> None:
    order: list[int] = []

    async def script(k: Kernel) -> None:
        def callback(number: int):
            async def fn() -> None:
                # rcuc/N has bottom halves off, and serves no softirq.
                assert k.in_serving_softirq() == ("PREEMPT_RT" not in settings)
                assert k.in_softirq()
                assert k.machine.gp.completed >= 1
                order.append(number)

            return fn

        for number in range(3 * BLIMIT):
            await k.call_rcu(callback(number))

    assert run(scenario()(script), **settings).clean
    assert order == list(range(3 * BLIMIT))


@pytest.mark.parametrize("settings", CONFIGS)
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable"])
@pytest.mark.parametrize("nr_cpus", ["1", "2", "4"])
def test_synchronize_rcu_waits_for_a_reader_on_every_cpu(settings: dict[str, str], kernel: str, nr_cpus: str) -> None:
    async def script(k: Kernel) -> None:
        ended: list[int] = []

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(9_000)
                ended.append(k.now)

        readers = int(nr_cpus) - 1
        for cpu in range(1, readers + 1):
            await k.kthread_run(reader, cpu=cpu)
        await k.udelay(100)
        before, called = k.machine.gp.completed, k.now
        await k.synchronize_rcu()
        assert len(ended) == readers
        # PREEMPT=n on one CPU: whoever may sleep has no reader beside it (rcu_blocking_is_gp()). v6.1 waits even so.
        at_once = nr_cpus == "1" and settings.get("PREEMPT") == "n" and kernel != "v6.1-stable"
        assert (k.machine.gp.completed == before) is at_once
        # Recorded: 12 ms on an idle machine of one CPU, which is three jiffies.
        assert (k.now - called < 1_000_000) is at_once

    assert run(scenario()(script), kernel=kernel, nr_cpus=nr_cpus, **settings).clean


def test_a_grace_period_that_runs_already_is_not_enough() -> None:
    async def script(k: Kernel) -> None:
        machine = k.machine
        ended: list[str] = []

        async def reader(name: str, us: int) -> None:
            with k.rcu_reader():
                await k.udelay(us)
                ended.append(name)

        async def waiter() -> None:
            await k.synchronize_rcu()

        await k.kthread_run(reader, "first", 30_000, cpu=1)
        await k.udelay(10)
        await k.kthread_run(waiter, cpu=0)
        while not machine.gp.gp_seq & 3:
            await k.msleep(1)
        await k.kthread_run(reader, "second", 60_000, cpu=2)
        await k.udelay(10)
        await k.synchronize_rcu()
        assert ended == ["first", "second"]

    assert run(scenario()(script), nr_cpus="3").clean


def test_synchronize_rcu_in_atomic_context_is_reported() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.synchronize_rcu()
        await k.preempt_enable()

    found = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").outcome()
    assert found == "sleeping-function, scheduling-while-atomic"


def test_rcu_barrier_waits_for_the_callbacks_of_every_cpu() -> None:
    async def script(k: Kernel) -> None:
        done: list[int] = []

        async def queue() -> None:
            for _ in range(25):
                await k.call_rcu(callback)

        async def callback() -> None:
            done.append(k.smp_processor_id())

        for cpu in (1, 2, 3):
            await k.kthread_join(await k.kthread_run(queue, cpu=cpu))
        # The CPUs are idle now, with callbacks that have no grace period yet.
        assert not done
        await k.rcu_barrier()
        assert sorted(done) == [1] * 25 + [2] * 25 + [3] * 25

    assert run(scenario()(script), nr_cpus="5").clean


def test_rcu_barrier_waits_for_a_callback_that_runs_already() -> None:
    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def callback() -> None:
            state.append("in")
            await k.udelay(3_000)
            state.append("out")

        async def queue() -> None:
            await k.call_rcu(callback)

        await k.kthread_run(queue, cpu=1)
        while not state:
            await k.usleep_range(100, 100)
        assert state == ["in"]
        await k.rcu_barrier()
        assert state == ["in", "out"]

    assert run(scenario()(script)).clean


def test_rcu_barrier_with_nothing_queued_returns_at_once() -> None:
    async def script(k: Kernel) -> None:
        await k.synchronize_rcu()
        began = k.now
        await k.rcu_barrier()
        assert k.now == began

    assert run(scenario()(script)).clean


def test_rcu_barrier_needs_no_grace_period_of_its_own() -> None:
    """Its callback goes right behind the last one (rcu_segcblist_entrain())."""

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            pass

        await k.call_rcu(callback)
        while not k.machine.gp.gp_seq & 3:
            await k.usleep_range(500, 500)
        await k.rcu_barrier()
        assert k.machine.gp.completed == 1

    assert run(scenario()(script)).clean


def test_two_rcu_barriers_at_once() -> None:
    async def script(k: Kernel) -> None:
        done: list[int] = []

        async def callback() -> None:
            done.append(1)

        async def barrier() -> None:
            await k.rcu_barrier()
            assert len(done) == 2

        await k.call_rcu(callback)
        await k.call_rcu(callback)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(barrier, cpu=0)
            await nursery.start_soon(barrier, cpu=1)

    assert run(scenario()(script)).clean


def test_an_idle_cpu_with_callbacks_keeps_its_tick_and_loses_it_afterwards() -> None:
    async def script(k: Kernel) -> None:
        async def callback() -> None:
            pass

        async def queue() -> None:
            await k.call_rcu(callback)

        await k.kthread_join(await k.kthread_run(queue, cpu=1))
        ticks = k.machine.system.ticks
        before = ticks.count
        await k.msleep(40)
        busy = ticks.count - before
        assert busy >= 2
        before = ticks.count
        await k.msleep(400)
        assert ticks.count - before <= 4

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("where", ["hardirq", "softirq", "raw lock", "idle hardirq"])
def test_call_rcu_from_anywhere(where: str) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            ran.append(k.smp_processor_id())

        async def queue() -> None:
            await k.call_rcu(callback)

        async def raise_tasklet() -> None:
            await k.tasklet_schedule(queue)

        if where == "hardirq":
            await k.raise_irq(queue)
        elif where == "idle hardirq":
            await k.raise_irq(queue, cpu=1)
        elif where == "softirq":
            await k.raise_irq(raise_tasklet)
        else:
            lock = k.raw_spinlock("L")
            await k.raw_spin_lock(lock)
            await queue()
            await k.raw_spin_unlock(lock)

    assert run(scenario()(script), PROVE_RAW_LOCK_NESTING="y").clean
    assert ran == [1 if where == "idle hardirq" else 0]


def test_queue_rcu_work_while_pending_asks_for_no_second_grace_period() -> None:
    """The rule under commit 5da7cb193db3's bug: what is added to a pending one rides on the old grace period."""
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn(_cpu) -> None:
            ran.append(k.machine.gp.completed)

        rwork = RcuWork(Work("rwork", fn))
        works = k.machine.kvfree.rcu_works
        assert await works.queue_rcu_work(k.machine.this_cpu, k.system_wq, rwork)
        assert not await works.queue_rcu_work(k.machine.this_cpu, k.system_wq, rwork)
        await k.msleep(100)
        assert ran == [1]
        assert await works.queue_rcu_work(k.machine.this_cpu, k.system_wq, rwork)

    assert run(scenario()(script)).clean
    assert ran == [1, 2]


def test_the_figures_of_a_hundred_waiters_on_two_cpus() -> None:
    """Those who wait at the same time share grace periods."""

    async def script(k: Kernel) -> None:
        async def waiter() -> None:
            await k.synchronize_rcu()

        async with k.open_nursery() as nursery:
            for number in range(100):
                await nursery.start_soon(waiter, cpu=number % 2)

    one = Run(scenario()(script), RunOptions())
    assert one.run().clean
    assert 1 <= one.machine.gp.completed <= 3
    assert one.result().counters["callbacks_invoked"] == 100
