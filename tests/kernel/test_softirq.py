"""Softirqs: where they are served, and what the serving context looks like (rcuactors/kernel/softirq.py)."""

from __future__ import annotations

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.events import ListSink


def comms(sink: ListSink, text: str) -> list[str]:
    return [event.comm for event in sink.events if event.name == "console" and event.text == text]


def run_with_events(script, **settings: str):
    sink = ListSink()
    return run(scenario()(script), RunOptions(sinks=(sink,), settings=settings)), sink


def test_raised_in_an_interrupt_it_is_served_on_the_way_out() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.in_serving_softirq()
            assert k.preempt_count() == 0x100
            assert not k.irqs_disabled()
            k.pr_info("tasklet")
            order.append("tasklet")

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)
            order.append("handler")

        await k.raise_irq(handler)
        order.append("thread")

    result, sink = run_with_events(script)
    assert result.clean
    assert order == ["handler", "tasklet", "thread"]
    assert comms(sink, "tasklet") == ["script"]


def test_raised_in_process_context_it_is_served_in_ksoftirqd() -> None:
    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.preempt_count() == 0x100
            k.pr_info("tasklet")

        await k.tasklet_schedule(tasklet)
        await k.usleep_range(100, 100)

    result, sink = run_with_events(script)
    assert result.clean
    assert comms(sink, "tasklet") == ["ksoftirqd/0"]


def test_bottom_halves_off_put_it_off() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.preempt_count() == 0x100
            order.append("tasklet")

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        k.local_bh_disable()
        k.local_bh_disable()
        assert k.preempt_count() == 0x400
        assert k.in_interrupt()
        assert not k.in_serving_softirq()
        await k.raise_irq(handler)
        await k.udelay(10)
        await k.local_bh_enable()
        order.append("inner")
        await k.local_bh_enable()
        order.append("outer")

    assert run(scenario()(script)).clean
    assert order == ["inner", "tasklet", "outer"]


def test_softirqs_do_not_nest_on_one_cpu() -> None:
    depth = [0]

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            depth[0] += 1
            assert depth[0] == 1
            await k.raise_irq(handler_of_another)
            await k.udelay(20)
            depth[0] -= 1

        async def another() -> None:
            assert depth[0] == 0
            order.append("another")

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        async def handler_of_another() -> None:
            await k.tasklet_schedule(another)

        order: list[str] = []
        await k.raise_irq(handler)
        assert order == ["another"]

    assert run(scenario()(script)).clean


def test_one_that_raises_itself_for_ever_ends_in_ksoftirqd() -> None:
    async def script(k: Kernel) -> None:
        count = [0]

        async def tasklet() -> None:
            count[0] += 1
            k.pr_info("tasklet")
            if count[0] < 15:
                await k.tasklet_schedule(tasklet)

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        await k.raise_irq(handler)
        await k.msleep(1)
        assert count[0] == 15

    result, sink = run_with_events(script)
    assert result.clean
    # MAX_SOFTIRQ_RESTART rounds on the interrupted thread's stack, the rest in the thread.
    assert comms(sink, "tasklet") == ["script"] * 10 + ["ksoftirqd/0"] * 5


def test_on_rt_it_is_served_in_a_preemptible_thread() -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.in_serving_softirq()
            assert k.preempt_count() == 0
            assert not k.in_interrupt()
            seen.append(k.preemptible())
            k.pr_info("tasklet")
            await k.usleep_range(10, 10)

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        k.local_bh_disable()
        assert k.preempt_count() == 0
        await k.local_bh_enable()
        await k.raise_irq(handler)
        await k.usleep_range(100, 100)

    result, sink = run_with_events(script, PREEMPT_RT="y", PROVE_RAW_LOCK_NESTING="y", DEBUG_ATOMIC_SLEEP="y")
    assert result.clean
    assert seen == [True]
    assert comms(sink, "tasklet") == ["ksoftirqd/0"]


def test_a_spinlock_is_fine_and_a_mutex_is_not() -> None:
    async def script(k: Kernel) -> None:
        spin, mutex = k.spinlock("S"), k.mutex("M")

        async def tasklet() -> None:
            await k.spin_lock(spin)
            await k.spin_unlock(spin)
            await k.mutex_lock(mutex)
            await k.mutex_unlock(mutex)

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        await k.raise_irq(handler)

    result = run(scenario()(script), PROVE_RAW_LOCK_NESTING="y")
    assert result.outcome() == "invalid-wait-context"
    (violation,) = result.violations
    assert violation.context == "softirq"
    assert "(M)" in violation.text
