"""The timer wheel, delays and sleeps (rcuactors/kernel/timer.py, sleeping.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.kernel.time.wheel import wheel_expiry

MS = 1_000_000


@given(now=st.integers(0, 1 << 40), delay=st.integers(0, 1 << 23))
def test_a_timer_is_never_early_and_late_by_one_slot_of_its_level_at_most(now: int, delay: int) -> None:
    runs = wheel_expiry(now, now + delay)
    assert runs > now
    assert runs > now + delay or delay == 0
    # LVL_GRAN: level n holds distances up to 63 << 3n, in slots of 8^n jiffies.
    level = 0
    while delay >= 63 << (3 * level):
        level += 1
    granularity = 8**level
    assert runs - (now + delay) <= granularity
    assert runs % granularity == 0


@given(now=st.integers(0, 1 << 40), delay=st.integers(1, 1 << 22), later=st.integers(0, 1 << 12))
def test_a_later_timer_does_not_run_before_an_earlier_one(now: int, delay: int, later: int) -> None:
    assert wheel_expiry(now, now + delay) <= wheel_expiry(now, now + delay + later)


@given(now=st.integers(0, 1 << 40))
def test_1250_jiffies_are_5_00_to_5_26_seconds(now: int) -> None:
    """Recorded on real 6.1 and 6.12 kernels with HZ=250: 5.02 to 5.26 s."""
    assert 5.0 <= (wheel_expiry(now, now + 1250) - now) * 0.004 <= 5.26


def test_a_delayed_work_of_1250_jiffies() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.now - began)

        began = k.now
        assert await k.queue_delayed_work(k.system_wq, k.delayed_work(fn), 1250)

    assert run(scenario()(script)).clean
    assert len(ran) == 1
    assert 5_000 * MS <= ran[0] <= 5_260 * MS


@pytest.mark.parametrize("hz", ["100", "250", "300", "1000"])
@pytest.mark.parametrize("ms", [1, 10, 100])
def test_msleep_sleeps_at_least_that_long_and_some_jiffies_more(hz: str, ms: int) -> None:
    took: list[int] = []

    async def script(k: Kernel) -> None:
        await k.ndelay(123_457)
        began = k.now
        await k.msleep(ms)
        took.append(k.now - began)

    assert run(scenario()(script), HZ=hz).clean
    jiffy = 1_000_000_000 // int(hz)
    assert ms * MS <= took[0] <= ms * MS * 9 // 8 + 4 * jiffy


def test_usleep_range_and_udelay_are_exact_to_a_few_microseconds() -> None:
    async def script(k: Kernel) -> None:
        began = k.now
        await k.usleep_range(250, 300)
        assert 250_000 <= k.now - began <= 255_000
        began = k.now
        await k.udelay(250)
        assert 250_000 <= k.now - began <= 255_000
        began = k.now
        await k.ndelay(1)
        assert k.now == began + 1

    assert run(scenario()(script)).clean


def test_udelay_keeps_the_cpu_and_usleep_range_gives_it_up() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def other() -> None:
            order.append("other")

        await k.kthread_run(other)
        await k.udelay(50)
        order.append("delayed")
        await k.usleep_range(50, 50)
        order.append("slept")

    assert run(scenario()(script)).clean
    assert order == ["delayed", "other", "slept"]


@pytest.mark.parametrize("call", ["udelay", "ndelay", "msleep"])
def test_a_negative_time_is_bad_input(call: str) -> None:
    async def script(k: Kernel) -> None:
        await getattr(k, call)(-1)

    with pytest.raises(BadInput, match=rf"{call}\(-1\)"):
        run(scenario()(script))


def test_usleep_range_wants_its_numbers_in_order() -> None:
    async def script(k: Kernel) -> None:
        await k.usleep_range(20, 10)

    with pytest.raises(BadInput, match="that is not smaller than the first"):
        run(scenario()(script))


def test_a_timer_put_on_an_idle_cpu_starts_its_tick() -> None:
    """schedule_delayed_work_on(): the target sleeps without a tick and has to look again."""
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.smp_processor_id())

        async def nothing() -> None:
            pass

        await k.kthread_join(await k.kthread_run(nothing, cpu=1))
        await k.msleep(20)
        workqueues = k.machine.workqueues
        await workqueues.queue_delayed_work(
            k.machine.this_cpu, k.system_wq, k.delayed_work(fn), 5, on=k.machine.system.cpu(1)
        )

    assert run(scenario()(script)).clean
    assert ran == [1]


# -- the API -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}])
def test_a_timer_runs_in_softirq_at_its_jiffy(settings: dict[str, str]) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            assert k.in_serving_softirq()
            ran.append(k.jiffies)

        timer = k.timer_setup(fn)
        began = k.jiffies
        assert not await k.mod_timer(timer, 5)
        # Moved, it runs once, at the later time.
        assert await k.mod_timer(timer, 10)
        await k.msleep(100)
        assert not timer.pending
        assert [when - began for when in ran] == [11]
        assert not await k.timer_delete(timer)

    assert run(scenario()(script), **settings).clean
    assert ran


def test_a_deleted_timer_does_not_run() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            raise AssertionError("it ran")

        timer = k.timer_setup(fn)
        await k.mod_timer(timer, 5)
        assert await k.timer_delete(timer)
        await k.msleep(100)

    assert run(scenario()(script)).clean


def test_a_delay_is_a_whole_number() -> None:
    async def script(k: Kernel) -> None:
        await k.mod_timer(k.timer_setup(k.cpu_relax), -1)

    with pytest.raises(BadInput, match=r"mod_timer\(-1\)"):
        run(scenario()(script))


def test_schedule_timeout_returns_what_is_left_of_it() -> None:
    async def script(k: Kernel) -> None:
        began = k.jiffies
        assert await k.schedule_timeout_uninterruptible(3) == 0
        assert 3 <= k.jiffies - began <= 5

        async def sleeper() -> None:
            left.append(await k.schedule_timeout_uninterruptible(100))

        task = await k.kthread_run(sleeper, cpu=1)
        await k.msleep(20)
        assert await k.wake_up_process(task)
        await k.kthread_join(task)
        k.set_current_state("TASK_UNINTERRUPTIBLE")
        assert await k.schedule_timeout(2) == 0
        # Without that it goes on at once.
        assert await k.schedule_timeout(2) == 2

    left: list[int] = []
    assert run(scenario()(script), HZ="250").clean
    assert 85 < left[0] < 100


@pytest.mark.parametrize("rt", ["n", "y"])
def test_an_irqsafe_timer_runs_with_interrupts_off(rt: str) -> None:
    """Recorded of f5 v=timerirqsafe op=dump: in the softirq, or ktimers/N, all the same."""

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            seen.append((k.irqs_disabled(), k.in_serving_softirq(), k.in_hardirq()))

        async def deletes() -> None:
            # Of a plain timer that is a WARN_ON() in hardirq.
            assert not await k.timer_delete_sync(timer)

        timer = k.timer_setup(handler, irqsafe=True)
        await k.mod_timer(timer, 1)
        await k.msleep(20)
        await k.raise_irq(deletes)
        await k.udelay(100)

    seen: list[tuple[bool, bool, bool]] = []
    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), PREEMPT_RT=rt).clean
    assert seen == [(True, True, False)]


@pytest.mark.parametrize("kernel", ["v6.1-stable", "v6.12"])
def test_a_timer_that_was_shut_down_is_started_by_nobody(kernel: str) -> None:
    """timer_shutdown_sync() (v6.2, and stable 6.1)."""
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def t_fn() -> None:
            ran.append(k.now)

        timer = k.timer_setup(t_fn)
        await k.mod_timer(timer, 1)
        assert await k.timer_shutdown_sync(timer)
        assert not await k.mod_timer(timer, 1)
        await k.msleep(20)
        other = k.timer_setup(t_fn)
        assert not await k.timer_shutdown(other)
        await k.add_timer(other, 1)
        await k.msleep(20)
        assert not ran

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1.0"])
def test_older_versions_have_no_shutdown(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async def t_fn() -> None:
            pass

        with pytest.raises(BadInput, match=r"^timer_shutdown_sync\(\): \S+ has no such function; it came with v6\.2"):
            await k.timer_shutdown_sync(k.timer_setup(t_fn))

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize(("kernel", "jiffies"), [("v6.1-stable", 4), ("v6.6", 4), ("v6.12.0", 3), ("v6.12", 3)])
def test_msleep_adds_a_jiffy_or_not(kernel: str, jiffies: int) -> None:
    """Commit 4381b895f544. One more is the wheel's."""

    async def script(k: Kernel) -> None:
        await k.msleep(8)
        assert k.now // 4_000_000 == jiffies

    assert run(scenario()(script), RunOptions(kernel=kernel), HZ=250).clean
