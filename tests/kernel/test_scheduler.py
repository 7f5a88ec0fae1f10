"""Who runs on a CPU: preemption, turns by ticks, PREEMPT=n, idle CPUs (rcuactors/kernel/cpu.py, thread.py)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rcuactors import BadInput, Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.kernel.messages import WakeUp

MS = 1_000_000


def made(body, **settings: str) -> Run:
    one = Run(scenario()(body), RunOptions(settings=settings))
    one.run()
    return one


def test_an_urgent_thread_takes_over_at_the_next_point() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("urgent")

        task = await k.kthread_run(urgent, urgent=True)
        order.append("normal")
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert order == ["urgent", "normal"]


@pytest.mark.parametrize("how", ["preempt_disable", "irqs off", "raw lock"])
def test_an_urgent_thread_waits_while_preemption_is_off(how: str) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def urgent() -> None:
            order.append("urgent")

        if how == "preempt_disable":
            k.preempt_disable()
        elif how == "irqs off":
            k.local_irq_disable()
        else:
            await k.raw_spin_lock(lock)
        await k.kthread_run(urgent, urgent=True)
        await k.udelay(10)
        order.append("normal")
        if how == "preempt_disable":
            await k.preempt_enable()
        elif how == "irqs off":
            await k.local_irq_enable()
        else:
            await k.raw_spin_unlock(lock)
        order.append("after")

    assert run(scenario()(script)).clean
    assert order == ["normal", "urgent", "after"]


def test_an_equal_thread_does_not_preempt_before_the_tick() -> None:
    seen: list[tuple[str, int]] = []

    async def script(k: Kernel) -> None:
        async def busy(name: str) -> None:
            for _ in range(12):
                seen.append((name, k.jiffies))
                await k.udelay(1000)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(busy, "a", cpu=1)
            await nursery.start_soon(busy, "b", cpu=1)

    assert run(scenario()(script)).clean
    runners: dict[int, set[str]] = {}
    for name, jiffy in seen:
        runners.setdefault(jiffy, set()).add(name)
    # A turn lasts a tick: within one jiffy only one of them made its steps, and they alternate.
    turns = [next(iter(who)) for _, who in sorted(runners.items()) if len(who) == 1]
    assert len(turns) >= 4
    assert all(first != second for first, second in pairwise(turns))


def test_nobody_is_preempted_without_preemption() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("urgent")

        assert not k.preemptible()
        k.preempt_disable()
        assert k.preempt_count() == 0
        assert not k.in_atomic()
        await k.preempt_enable()
        task = await k.kthread_run(urgent, urgent=True)
        await k.udelay(20_000)  # five ticks
        order.append("normal")
        await k.cond_resched()
        order.append("after")
        await k.kthread_join(task)

    assert run(scenario()(script), PREEMPT="n", PROVE_LOCKING="n").clean
    assert order == ["normal", "urgent", "after"]


def test_debug_atomic_sleep_brings_the_count_but_no_preemption() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        assert k.preempt_count() == 1
        await k.preempt_enable()
        assert k.preemptible()

    assert run(scenario()(script), PREEMPT="n", DEBUG_ATOMIC_SLEEP="y").clean


@pytest.mark.parametrize("atomic", ["n", "y"])
def test_sleeping_with_a_count_is_scheduling_while_atomic(atomic: str) -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.msleep(1)
        await k.preempt_enable()

    assert run(scenario()(script), DEBUG_ATOMIC_SLEEP=atomic).outcome() == "scheduling-while-atomic"


def test_a_wake_up_that_arrives_late_does_not_end_the_next_sleep() -> None:
    async def script(k: Kernel) -> None:
        async def sleeper() -> None:
            first = task.thread.sleeps
            await k.usleep_range(100, 100)
            began = k.now
            # A wake-up for the sleep before, which was on its way for long.
            k.machine.conductor.post(
                k.machine.this_cpu, WakeUp(sender="late", time_ns=k.now, thread=task.thread, sleep=first)
            )
            await k.usleep_range(500, 500)
            assert k.now - began >= 500_000

        task = await k.kthread_run(sleeper, cpu=1)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean


def test_an_idle_cpu_has_no_tick_and_an_untouched_one_does_not_exist() -> None:
    async def script(k: Kernel) -> None:
        async def brief() -> None:
            await k.udelay(1)

        task = await k.kthread_run(brief, cpu=3)
        await k.kthread_join(task)
        await k.usleep_range(4_000_000, 4_000_000)

    one = made(script, nr_cpus="1024")
    assert sorted(one.machine.system.cpus) == [0, 3]
    # Four virtual seconds, a thousand jiffies, and hardly a tick, since nobody was busy.
    assert one.machine.system.ticks.count < 10
    assert one.result().end_ns > 4_000 * MS


def test_sleeping_in_an_interrupt_on_the_idle_thread_is_reported() -> None:
    async def script(k: Kernel) -> None:
        async def handler() -> None:
            assert k.in_hardirq()
            await k.msleep(1)

        await k.raise_irq(handler, cpu=1)
        await k.msleep(20)

    sink = ListSink()
    result = run(scenario()(script), RunOptions(sinks=(sink,)))
    violation, afterwards = result.violations
    assert violation.kind is ViolationKind.SCHEDULING_WHILE_ATOMIC
    # The scheduler enables interrupts in what lockdep takes for the handler ("bad: scheduling from the idle thread!").
    assert afterwards.title == "WARNING: DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())"
    assert (violation.cpu, violation.context) == (1, "hardirq")
    assert "swapper/1" in violation.text
    # The tracer calls it otherwise, as in the recordings of real kernels.
    console = next(event for event in sink.events if event.name == "console")
    assert console.line().startswith("          <idle>-0       [001] d.h")


def test_threads_keep_to_their_cpu() -> None:
    async def script(k: Kernel) -> None:
        async def body(cpu: int) -> None:
            for _ in range(3):
                assert k.smp_processor_id() == cpu
                await k.usleep_range(10, 10)

        async with k.open_nursery() as nursery:
            for cpu in (0, 1, 2):
                await nursery.start_soon(body, cpu, cpu=cpu)

    assert run(scenario()(script), nr_cpus="3").clean


def test_cpus_run_side_by_side() -> None:
    """Two CPUs that are busy for a millisecond take one millisecond together."""

    async def script(k: Kernel) -> None:
        async def busy() -> None:
            await k.udelay(1000)

        began = k.now
        async with k.open_nursery() as nursery:
            await nursery.start_soon(busy, cpu=1)
            await nursery.start_soon(busy, cpu=2)
        assert 1 * MS <= k.now - began < 1.2 * MS

    assert run(scenario()(script), nr_cpus="3").clean


# -- sleeping and waking by hand ---------------------------------------------------------------------------


def test_a_thread_sleeps_until_it_is_woken() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def sleeper() -> None:
            k.set_current_state("TASK_UNINTERRUPTIBLE")
            await k.schedule()
            order.append("woken")

        task = await k.kthread_run(sleeper, cpu=1)
        await k.usleep_range(100, 100)
        order.append("wakes")
        assert await k.wake_up_process(task)
        await k.kthread_join(task)
        assert not await k.wake_up_process(task)

    assert run(scenario()(script)).clean
    assert order == ["wakes", "woken"]


def test_a_wake_up_before_schedule_is_not_lost() -> None:
    async def script(k: Kernel) -> None:
        async def sleeper() -> None:
            k.set_current_state("TASK_UNINTERRUPTIBLE")
            await k.udelay(200)
            await k.schedule()

        task = await k.kthread_run(sleeper, cpu=1)
        await k.udelay(100)
        assert await k.wake_up_process(task)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean


def test_a_state_that_was_set_back_is_a_yield() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def other() -> None:
            order.append("other")

        await k.kthread_run(other)
        k.set_current_state("TASK_UNINTERRUPTIBLE")
        k.set_current_state("TASK_RUNNING")
        await k.schedule()
        order.append("script")

    assert run(scenario()(script)).clean
    assert order == ["other", "script"]


def test_there_are_two_states() -> None:
    async def script(k: Kernel) -> None:
        k.set_current_state("TASK_DEAD")  # type: ignore[arg-type]

    with pytest.raises(BadInput, match="there are TASK_RUNNING, TASK_UNINTERRUPTIBLE"):
        run(scenario()(script))


# -- preempt=voluntary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "preempts"), [({}, True), ({"preempt_voluntary": "y"}, False), ({"PREEMPT": "n"}, False)]
)
@pytest.mark.parametrize("polite", [False, True])
def test_who_is_preempted_where(how: dict[str, str], preempts: bool, polite: bool) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("urgent")

        await k.kthread_run(urgent, urgent=True)
        await k.udelay(100)
        order.append("busy")
        if polite:
            await k.cond_resched()
        order.append("done")

    assert run(scenario()(script), **how).clean
    if preempts:
        assert order == ["urgent", "busy", "done"]
    else:
        assert order == (["busy", "urgent", "done"] if polite else ["busy", "done", "urgent"])


def test_a_voluntary_kernel_has_a_preempt_count_and_preemptible_rcu() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        assert k.preempt_count() == 1
        await k.preempt_enable()
        with k.rcu_reader():
            assert k.preempt_count() == 0
            # It gives way in a reader, as if preempted.
            await k.kthread_run(k.cpu_relax, urgent=True)
            assert k.machine.this_cpu.need_resched
            await k.cond_resched()
            assert not k.machine.this_cpu.need_resched

    assert run(scenario()(script), preempt_voluntary="y").clean
