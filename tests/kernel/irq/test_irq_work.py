"""irq_work: where it runs, and who waits for it (rcuactors/kernel/irq_work.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.kernel.irq.irq_work import IrqWork

HARDIRQ = 0x10000
RT = {"PREEMPT_RT": "y"}


def test_it_runs_at_once_in_hardirq_if_interrupts_are_on() -> None:
    seen: list[tuple[str, int, bool]] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            seen.append(("work", k.preempt_count(), k.irqs_disabled()))

        work = k.irq_work(fn)
        assert await k.irq_work_queue(work)
        seen.append(("thread", k.preempt_count(), k.irqs_disabled()))

    assert run(scenario()(script)).clean
    # irq_work_queue() has preemption off when the interrupt comes.
    assert seen == [("work", HARDIRQ + 1, True), ("thread", 0, False)]


@pytest.mark.parametrize("settings", [{}, RT])
def test_with_interrupts_off_it_waits_and_is_pending_once(settings: dict[str, str]) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            order.append("work")

        work = k.irq_work(fn, hard=True)
        flags = k.local_irq_save()
        assert await k.irq_work_queue(work)
        assert not await k.irq_work_queue(work)
        await k.udelay(10)
        order.append("off")
        await k.local_irq_restore(flags)
        order.append("on")
        assert await k.irq_work_queue(work)

    assert run(scenario()(script), **settings).clean
    assert order == ["off", "work", "on", "work"]


def test_it_may_be_queued_from_an_nmi() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            assert not k.in_nmi()
            order.append("work")

        work = k.irq_work(fn)

        async def nmi() -> None:
            await k.irq_work_queue(work)
            order.append("nmi")

        await k.raise_nmi(nmi)

    assert run(scenario()(script)).clean
    assert order == ["nmi", "work"]


@pytest.mark.parametrize(("hard", "expected"), [(False, "clean"), (True, "invalid-wait-context")])
def test_a_spinlock_in_it(hard: bool, expected: str) -> None:
    """lockdep_irq_work_enter(): on PREEMPT_RT work that is not hard would be in a thread."""

    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def fn() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.irq_work_queue(k.irq_work(fn, hard=hard))

    assert run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y").outcome() == expected


def test_on_rt_it_runs_in_a_thread_unless_it_is_hard() -> None:
    sink = ListSink()

    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def soft() -> None:
            assert k.preemptible()
            assert not k.in_hardirq()
            await k.spin_lock(lock)
            await k.spin_unlock(lock)
            k.pr_info("soft")

        async def after() -> None:
            # The leave that a work has to take spinlock_t ends with it.
            assert not [thread for thread in k.machine.system.threads if thread.ctx.irq_config]

        async def hard() -> None:
            assert k.in_hardirq()
            k.pr_info("hard")

        await k.irq_work_queue(k.irq_work(soft))
        await k.irq_work_queue(k.irq_work(hard, hard=True))
        await k.raise_irq(after)

    settings = {**RT, "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}
    assert run(scenario()(script), RunOptions(sinks=(sink,), settings=settings)).clean
    lines = [(event.comm, event.text) for event in sink.events if event.name == "console"]
    assert lines == [("irq_work/0", "soft"), ("script", "hard")]


@pytest.mark.parametrize(("version", "reader"), [("v5.11", False), ("v6.1-stable", True)])
def test_on_rt_the_thread_is_a_reader_in_newer_stable_kernels(version: str, reader: bool) -> None:
    """run_irq_workd() has guard(rcu)() there: sleeping in it is a voluntary switch in a reader, as recorded."""

    async def script(k: Kernel) -> None:
        done = k.completion()

        async def fn() -> None:
            assert bool(k.machine.this_cpu.ctx.rcu_nesting) is reader
            await k.msleep(1)
            await k.complete(done)

        await k.irq_work_queue(k.irq_work(fn))
        await k.wait_for_completion(done)

    result = run(scenario()(script), RunOptions(kernel=version, settings=RT))
    assert result.kinds == ({ViolationKind.VOLUNTARY_SWITCH} if reader else set())


@pytest.mark.parametrize("settings", [{}, RT])
@pytest.mark.parametrize("hard", [False, True])
def test_sync_waits_until_the_function_has_returned(settings: dict[str, str], hard: bool) -> None:
    async def script(k: Kernel) -> None:
        ended: list[int] = []

        async def fn() -> None:
            await k.udelay(200)
            ended.append(k.now)

        work = k.irq_work(fn, hard=hard)

        async def other() -> None:
            await k.irq_work_queue(work)

        await k.kthread_run(other, cpu=1)
        while not work.busy:
            await k.udelay(1)
        await k.irq_work_sync(work)
        assert 0 < k.now - ended[0] < 50_000
        assert not work.busy
        await k.irq_work_sync(work)

    assert run(scenario()(script), **settings).clean


def test_the_report_says_what_turned_interrupts_off() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            k.might_sleep()

        await k.irq_work_queue(k.irq_work(fn))

    (violation,) = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").violations
    assert "hardirqs last disabled at:\n sysvec_irq_work\n" in violation.text
    assert "Preemption disabled at:\n irq_work_queue\n" in violation.text


@pytest.mark.parametrize(("settings", "comm"), [({}, "script"), (RT, "irq_work/0")])
def test_what_is_lazy_waits_for_the_tick(settings: dict[str, str], comm: str) -> None:
    """IRQ_WORK_LAZY on a CPU that has one: no interrupt is raised, and irq_work_tick() takes it along."""
    sink = ListSink()

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.jiffies)
            k.pr_info("lazy")

        work = k.irq_work(fn, lazy=True)
        jiffy = k.jiffies
        assert await k.irq_work_queue(work)
        assert not await k.irq_work_queue(work)
        await k.udelay(10)
        assert not ran
        await k.udelay(10_000)
        assert ran == [jiffy + 1]
        await k.irq_work_sync(work)

    ran: list[int] = []
    assert run(scenario()(script), RunOptions(sinks=(sink,), settings=settings)).clean
    assert [event.comm for event in sink.events if event.text == "lazy"] == [comm]


def test_what_is_lazy_does_not_wait_on_an_idle_cpu() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.now)

        async def irq() -> None:
            queued.append(k.now)
            await k.irq_work_queue(k.irq_work(fn, lazy=True))

        await k.raise_irq(irq, cpu=1)
        await k.msleep(50)

    ran: list[int] = []
    queued: list[int] = []
    assert run(scenario()(script)).clean
    assert ran[0] - queued[0] < 100_000


@pytest.mark.parametrize("settings", [{}, RT])
def test_a_lazy_one_keeps_the_tick_of_a_cpu_that_goes_idle(settings: dict[str, str]) -> None:
    """irq_work_needs_cpu(): its only thread sleeps for ever, and no timer is due."""
    at: list[int] = []

    async def script(k: Kernel) -> None:
        done = k.completion("done")

        async def fn() -> None:
            at.append(k.now)
            await k.complete(done)

        began = k.now
        assert await k.irq_work_queue(k.irq_work(fn, lazy=True))
        assert not at
        await k.wait_for_completion(done)
        assert at[0] - began <= 2 * 4_000_000

    assert run(script, nr_cpus=1, HZ=250, **settings).clean
    assert at


@pytest.mark.parametrize("lazy", [False, True])
def test_one_that_is_initialised_while_it_is_queued_leads_nowhere(lazy: bool) -> None:
    """init_irq_work() sets node.next to NULL: the newest is the first of a llist, so what came before is lost."""
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        def named(name: str) -> IrqWork:
            async def function() -> None:
                ran.append(name)

            return k.irq_work(function, lazy=lazy, name=name)

        a, b, c = named("a"), named("b"), named("c")
        irq_works, flags = k.machine.system.irq_works, k.local_irq_save()
        for work in (a, b, c):
            assert await k.irq_work_queue(work)
            assert not await k.irq_work_queue(work)
        irq_works.init_irq_work(k.machine.current.cpu, b)
        assert [(work.listed, work.pending, work.busy) for work in (a, b, c)] == [
            (False, True, True),
            (True, False, False),
            (True, True, True),
        ]
        unused = named("d")
        irq_works.init_irq_work(k.machine.current.cpu, unused)
        assert (unused.listed, unused.pending, unused.busy) == (False, False, False)
        await k.local_irq_restore(flags)
        await k.msleep(10)
        assert [(work.listed, work.pending, work.busy) for work in (b, c)] == [(False, False, False)] * 2

    run(scenario()(script), RunOptions(kernel="v6.12"))
    assert sorted(ran) == ["b", "c"]
