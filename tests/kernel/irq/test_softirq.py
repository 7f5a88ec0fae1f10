"""Softirqs: where they are served, and what the serving context looks like (rcuactors/kernel/softirq.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.context.lockdep.usage import get_usage_chars
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

        await k.local_bh_disable()
        await k.local_bh_disable()
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


@pytest.mark.parametrize(
    ("work_ns", "wakes", "rounds"),
    [(0, False, 5), (0, True, 2), (5_000_000, False, 1)],
    ids=["alone", "wanted", "long"],
)
def test_the_next_round_is_left_to_ksoftirqd(work_ns: int, wakes: bool, rounds: int) -> None:
    """When somebody wants the CPU, or the rounds have taken two milliseconds (MAX_SOFTIRQ_TIME)."""

    async def script(k: Kernel) -> None:
        count, done = [0], k.completion("done")

        async def tasklet() -> None:
            count[0] += 1
            k.pr_info("tasklet")
            await k.udelay(work_ns // 1000)
            if wakes and count[0] == 2:
                await k.complete(done)
            if count[0] < 5:
                await k.tasklet_schedule(tasklet)

        async def urgent() -> None:
            await k.wait_for_completion(done)

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        await k.kthread_run(urgent, cpu=0, name="urgent", urgent=True)
        await k.msleep(1)
        await k.raise_irq(handler)
        await k.msleep(40)
        assert count[0] == 5
        await k.complete(done)

    result, sink = run_with_events(script)
    assert result.clean
    assert comms(sink, "tasklet") == ["script"] * rounds + ["ksoftirqd/0"] * (5 - rounds)


def test_on_rt_it_is_served_in_a_preemptible_thread() -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.in_serving_softirq()
            assert k.preempt_count() == 0
            assert k.in_interrupt()
            assert not k.in_hardirq()
            seen.append(k.preemptible())
            k.pr_info("tasklet")

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)

        await k.local_bh_disable()
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

    result = run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y")
    assert result.outcome() == "invalid-wait-context"
    (violation,) = result.violations
    assert violation.context == "softirq"
    assert "(M)" in violation.text


# -- bottom halves off on PREEMPT_RT -----------------------------------------------------------------------

RT = {"PREEMPT_RT": "y"}


def test_on_rt_two_threads_of_a_cpu_exclude_each_other() -> None:
    """softirq_ctrl.lock: the second one sleeps until the first has enabled them."""
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("urgent wants")
            await k.local_bh_disable()
            order.append("urgent has")
            await k.local_bh_enable()

        await k.local_bh_disable()
        assert k.preempt_count() == 0
        assert k.in_interrupt()
        assert k.machine.this_cpu.ctx.rcu_nesting == 2
        await k.local_bh_disable()
        await k.kthread_run(urgent, urgent=True)
        await k.udelay(50)
        order.append("first done")
        await k.local_bh_enable()
        await k.local_bh_enable()
        assert not k.in_interrupt()
        assert k.machine.this_cpu.ctx.rcu_nesting == 0

    settings = {**RT, "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}
    assert run(scenario()(script), RunOptions(settings=settings)).clean
    assert order == ["urgent wants", "first done", "urgent has"]


def test_on_rt_the_thread_that_enables_them_serves_what_was_raised() -> None:
    sink = ListSink()
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            assert k.in_serving_softirq()
            assert k.preemptible()
            k.pr_info("tasklet")
            order.append("tasklet")

        async def irq() -> None:
            await k.tasklet_schedule(tasklet)

        await k.local_bh_disable()
        await k.raise_irq(irq)
        await k.udelay(50)
        order.append("enables")
        await k.local_bh_enable()
        order.append("enabled")
        # Nobody else had to be woken for it.
        assert k.machine.this_cpu.ksoftirqd is None

    assert run(scenario()(script), RunOptions(sinks=(sink,), settings=RT)).clean
    assert order == ["enables", "tasklet", "enabled"]
    assert comms(sink, "tasklet") == ["script"]


def test_on_rt_the_thread_leaves_it_to_ksoftirqd_if_it_is_not_preemptible() -> None:
    sink = ListSink()

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            k.pr_info("tasklet")

        async def irq() -> None:
            await k.tasklet_schedule(tasklet)

        k.preempt_disable()
        await k.local_bh_disable()
        await k.raise_irq(irq)
        await k.local_bh_enable()
        await k.preempt_enable()
        await k.usleep_range(100, 100)

    assert run(scenario()(script), RunOptions(sinks=(sink,), settings=RT)).clean
    assert comms(sink, "tasklet") == ["ksoftirqd/0"]


@pytest.mark.parametrize(("kernel", "thread"), [("v6.1-stable", "ktimers/0"), ("v6.18", "ktimers/0")])
def test_on_rt_timers_preempt_and_tasklets_wait_for_their_turn(kernel: str, thread: str) -> None:
    """Recorded of a10 v=tasklet: ksoftirqd is a thread like any other, ktimers/N a real-time one."""
    sink = ListSink()
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            k.pr_info("tasklet")
            seen.append(1)

        async def timer() -> None:
            k.pr_info("timer")
            seen.append(2)

        await k.tasklet_schedule(tasklet)
        await k.udelay(100)
        assert not seen
        await k.msleep(1)
        await k.mod_timer(k.timer_setup(timer), 1)
        await k.udelay(20_000)
        assert seen == [1, 2]

    assert run(scenario()(script), RunOptions(sinks=(sink,), kernel=kernel, settings=RT)).clean
    assert comms(sink, "tasklet") == ["ksoftirqd/0"]
    assert comms(sink, "timer") == [thread]


@pytest.mark.parametrize(
    ("kernel", "thread"), [("v6.1-stable", "ktimers/0"), ("v6.12", "script"), ("v6.18", "ktimers/0")]
)
def test_on_rt_whether_a_timer_is_served_by_whoever_enables_bottom_halves(kernel: str, thread: str) -> None:
    """6.12 has no threads of their own for them (49a17639508c is v6.13's): recorded of f5 v=timer op=rawspin."""
    sink = ListSink()

    async def script(k: Kernel) -> None:
        async def timer() -> None:
            k.pr_info("timer")

        await k.mod_timer(k.timer_setup(timer), 1)
        await k.local_bh_disable()
        await k.udelay(20_000)
        await k.local_bh_enable()
        await k.msleep(1)

    assert run(scenario()(script), RunOptions(sinks=(sink,), kernel=kernel, settings=RT)).clean
    assert comms(sink, "timer") == [thread]


@pytest.mark.parametrize("where", ["tasklet", "timer", "hrtimer", "bottom halves off"])
def test_on_rt_who_sleeps_there_sleeps_in_a_reader(where: str) -> None:
    """Recorded on a 6.1 PREEMPT_RT kernel for softirq_tasklet, softirq_timer and hrtimer_soft."""

    async def script(k: Kernel) -> None:
        async def sleeps() -> None:
            await k.usleep_range(10, 10)

        if where == "tasklet":
            await k.tasklet_schedule(sleeps)
        elif where == "timer":
            await k.mod_timer(k.timer_setup(sleeps), 1)
        elif where == "hrtimer":
            await k.hrtimer_start(k.hrtimer(sleeps, soft=True), 1000)
        else:
            await k.local_bh_disable()
            await sleeps()
            await k.local_bh_enable()
        await k.usleep_range(20_000, 20_000)

    assert run(scenario()(script), **RT).kinds == {ViolationKind.VOLUNTARY_SWITCH}
    # schedule() has wiped out the preempt_count, which the softirq's end notices, and so does a timer's.
    leak = set() if where == "bottom halves off" else {ViolationKind.BAD_CONTEXT}
    assert run(scenario()(script)).kinds == {ViolationKind.SCHEDULING_WHILE_ATOMIC} | leak


def test_a_report_says_what_turned_bottom_halves_off() -> None:
    async def script(k: Kernel) -> None:
        await k.local_bh_disable()
        k.might_sleep()
        await k.local_bh_enable()

    (violation,) = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").violations
    assert "Preemption disabled at:\n script (test_softirq.py:" in violation.text


# -- what lockdep learns when they go on again -------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, RT])
@pytest.mark.parametrize("what", ["irqs", "bottom halves"])
def test_a_lock_held_when_they_go_on_was_held_with_them_on(what: str, settings: dict[str, str]) -> None:
    """lockdep_hardirqs_on(), lockdep_softirqs_on(): taken with them off, but not let go before they are on."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def handler() -> None:
            flags = await k.raw_spin_lock_irqsave(lock)
            await k.raw_spin_unlock_irqrestore(lock, flags)

        if what == "irqs":
            await k.raise_irq(handler)
            flags = k.local_irq_save()
            await k.raw_spin_lock(lock)
            await k.local_irq_restore(flags)
        else:
            await k.tasklet_schedule(handler)
            await k.usleep_range(100, 100)
            await k.local_bh_disable()
            await k.raw_spin_lock(lock)
            await k.local_bh_enable()
        await k.raw_spin_unlock(lock)

    result = run(scenario()(script), **settings)
    if what == "irqs" or not settings:
        assert result.outcome() == "inconsistent-lock-state"
        assert "script (test_softirq.py:" in result.violations[0].text
    else:
        # The thread that serves them holds what this one takes to disable them: there is no interrupt to fear.
        assert result.outcome() != "inconsistent-lock-state"


def test_on_rt_lockdep_notes_it_too() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")
        await k.local_bh_disable()
        await k.spin_lock(lock)
        assert get_usage_chars(lock.lock_class.usage_mask) == "+..."
        await k.local_bh_enable()
        assert get_usage_chars(lock.lock_class.usage_mask) == "+.+."
        await k.spin_unlock(lock)

    assert run(scenario()(script), **RT).clean
