"""hrtimers: when and in which context they expire (rcuactors/kernel/hrtimer.py)."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel, run, scenario


def test_a_0_ns_timer_started_with_interrupts_off_fires_when_they_come_on() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            order.append("timer")

        flags = k.local_irq_save()
        await k.hrtimer_start(k.hrtimer(fn), 0)
        await k.udelay(100)
        order.append("off")
        await k.local_irq_restore(flags)
        order.append("on")

    assert run(scenario()(script)).clean
    assert order == ["off", "timer", "on"]


@pytest.mark.parametrize(
    ("rt", "hard", "expected"),
    [
        # It interrupts an idle CPU: the idle thread's preempt_count is 1, as recorded in every context of that kind.
        ("n", False, (True, False, 0x10001)),
        ("n", True, (True, False, 0x10001)),
        ("y", False, (False, True, 0)),
        ("y", True, (True, False, 0x10001)),
    ],
)
def test_the_context_of_the_handler(rt: str, hard: bool, expected: tuple[bool, bool, int]) -> None:
    seen: list[tuple[bool, bool, int]] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            seen.append((k.in_hardirq(), k.in_serving_softirq(), k.preempt_count()))

        await k.hrtimer_start(k.hrtimer(fn, hard=hard), 1000)
        await k.usleep_range(50, 50)

    assert run(scenario()(script), PREEMPT_RT=rt).clean
    assert seen == [expected]


@pytest.mark.parametrize(("hard", "expected"), [(False, "clean"), (True, "invalid-wait-context")])
def test_a_spinlock_in_a_handler_is_reported_for_a_hard_timer_only(hard: bool, expected: str) -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def fn() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.hrtimer_start(k.hrtimer(fn, hard=hard), 0)

    assert run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y").outcome() == expected


def test_timers_fire_in_the_order_of_their_expiry_and_never_early() -> None:
    fired: list[tuple[int, int]] = []

    async def script(k: Kernel) -> None:
        def timer(expires: int):
            async def fn() -> None:
                fired.append((expires, k.now))

            return k.hrtimer(fn)

        for delay in (50_000, 3_000, 20_000, 3_000, 900_000):
            await k.hrtimer_start(timer(k.now + delay), delay)
        await k.msleep(2)

    assert run(scenario()(script)).clean
    assert len(fired) == 5
    assert [expires for expires, _ in fired] == sorted(expires for expires, _ in fired)
    for expires, now in fired:
        assert expires <= now < expires + 5_000


def test_starting_a_queued_timer_moves_it() -> None:
    fired: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            fired.append(k.now)

        timer = k.hrtimer(fn)
        await k.hrtimer_start(timer, 1_000_000)
        await k.hrtimer_start(timer, 10_000)
        await k.hrtimer_start(timer, 500_000)
        await k.msleep(4)

    assert run(scenario()(script)).clean
    assert len(fired) == 1
    assert 500_000 <= fired[0] < 520_000


@pytest.mark.parametrize("settings", [{}, {"PROVE_RAW_LOCK_NESTING": "y"}, {"PREEMPT_RT": "y"}])
def test_starting_one_is_clean_under_the_run_queues_lock(settings: dict[str, str]) -> None:
    fired: list[bool] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            fired.append(True)

        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.hrtimer_start(k.hrtimer(fn), 0)
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)
        await k.usleep_range(50, 50)

    assert run(scenario()(script), **settings).clean
    assert fired == [True]


def test_a_timer_wakes_an_idle_cpu() -> None:
    fired: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            assert k.smp_processor_id() == 1
            fired.append(k.now)

        async def starter() -> None:
            await k.hrtimer_start(k.hrtimer(fn), 5_000_000)

        task = await k.kthread_run(starter, cpu=1)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert len(fired) == 1
    assert fired[0] >= 5_000_000


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}])
@pytest.mark.parametrize(("mode", "hardirq"), [("hard", True), ("soft", False)])
def test_hard_and_soft_are_the_same_on_every_kernel(settings: dict[str, str], mode: str, hardirq: bool) -> None:
    seen: list[tuple[bool, bool]] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            seen.append((k.in_hardirq(), k.in_serving_softirq()))

        await k.hrtimer_start(k.hrtimer(fn, **{mode: True}), 10_000)
        await k.usleep_range(100, 100)

    assert run(scenario()(script), **settings).clean
    assert seen == [(hardirq, not hardirq)]


@pytest.mark.parametrize(("mode", "expected"), [("hard", "invalid-wait-context"), ("soft", "clean"), ("", "clean")])
def test_which_of_them_may_take_a_spinlock(mode: str, expected: str) -> None:
    """lockdep_hrtimer_enter(): a timer that is not hard is in hardirq here, but would not be on PREEMPT_RT."""

    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def fn() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.hrtimer_start(k.hrtimer(fn, **({mode: True} if mode else {})), 10_000)
        await k.usleep_range(100, 100)

    assert run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y").outcome() == expected


def test_hard_and_soft_at_once() -> None:
    async def script(k: Kernel) -> None:
        k.hrtimer(k.cpu_relax, hard=True, soft=True)

    with pytest.raises(BadInput, match="in hardirq or in softirq"):
        run(scenario()(script))
