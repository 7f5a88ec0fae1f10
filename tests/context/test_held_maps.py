"""What is held in a handler: its maps, and on PREEMPT_RT the locks of whoever serves softirqs (tests/recorded.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel
from tests.recorded import A, R, asked, held_in

BH = ["(local_bh)", "((softirq_ctrl.lock))", "(rcu_read_lock)", "(rcu_read_lock)"]

Enter = Callable[[Kernel, Callable[[], Awaitable[None]]], Awaitable[None]]


async def _rcu(k: Kernel, body) -> None:
    await k.call_rcu(body)
    await k.rcu_barrier()


async def _timer(k: Kernel, body) -> None:
    await k.mod_timer(k.timer_setup(body, name="c_t"), 2)
    await k.msleep(20)


async def _hrtimer(k: Kernel, body) -> None:
    await k.hrtimer_start(k.hrtimer(body), 1000)
    await k.msleep(2)


async def _soft_hrtimer(k: Kernel, body) -> None:
    await k.hrtimer_start(k.hrtimer(body, soft=True), 1000)
    await k.msleep(2)


async def _hard_hrtimer(k: Kernel, body) -> None:
    await k.hrtimer_start(k.hrtimer(body, hard=True), 1000)
    await k.msleep(2)


async def _tasklet(k: Kernel, body) -> None:
    await k.tasklet_schedule(body)
    await k.msleep(2)


async def _bh(k: Kernel, body) -> None:
    await k.local_bh_disable()
    await body()
    await k.local_bh_enable()


async def _bh_twice(k: Kernel, body) -> None:
    await k.local_bh_disable()
    await _bh(k, body)
    await k.local_bh_enable()


async def _irq_thread(k: Kernel, body) -> None:
    await k.raise_irq(body, threadable=True)
    await k.msleep(2)


async def _preempt_off_bh(k: Kernel, body) -> None:
    k.preempt_disable()
    await _bh(k, body)
    await k.preempt_enable()


def report_in(enter: Enter, kernel: dict[str, str]) -> str:
    """The text of a might_sleep() in there, which lists what is held."""

    async def script(k: Kernel) -> None:
        async def body() -> None:
            k.might_sleep()

        await enter(k, body)

    (report,) = asked(script, kernel).violations
    assert report.kind.value == "sleeping-function"
    return report.text


@pytest.mark.parametrize(
    ("enter", "on_a", "on_r"),
    [
        (_rcu, ["(rcu_callback)"], [*BH, "(rcu_callback)"]),
        (_timer, ["((&c_t))"], [*BH, "(&base->expiry_lock)", "(rcu_read_lock)", "((&c_t))"]),
        (_hrtimer, [], [*BH, "(&base->softirq_expiry_lock)", "(rcu_read_lock)"]),
        (_soft_hrtimer, [], [*BH, "(&base->softirq_expiry_lock)", "(rcu_read_lock)"]),
        (_hard_hrtimer, [], []),
        (_tasklet, [], BH),
        (_bh, [], BH),
        (_bh_twice, [], [*BH, "(local_bh)"]),
        (_irq_thread, [], BH),
        (_preempt_off_bh, [], ["(local_bh)"]),
    ],
)
def test_the_list(enter: Enter, on_a: list[str], on_r: list[str]) -> None:
    assert held_in(report_in(enter, A)) == on_a
    assert held_in(report_in(enter, R)) == on_r


def test_where_they_were_taken_and_of_which_types_they_are() -> None:
    text = report_in(_timer, R)
    for line in (
        "(local_bh){.+.+}-{1:3}, at: __local_bh_disable_ip",
        "((softirq_ctrl.lock)){+.+.}-{3:3}, at: __local_bh_disable_ip",
        "(rcu_read_lock){....}-{1:3}, at: rt_spin_lock",
        "(rcu_read_lock){....}-{1:3}, at: __local_bh_disable_ip",
        "(&base->expiry_lock){+...}-{3:3}, at: run_softirq",
        "((&c_t)){+...}-{0:0}, at: call_timer_fn",
    ):
        assert line in text
    assert "((&c_t)){+.-.}-{0:0}, at: call_timer_fn" in report_in(_timer, A)
    assert "(rcu_callback){....}-{0:0}, at: rcu_do_batch" in report_in(_rcu, A)


def test_the_maps_are_let_go_of() -> None:
    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        for enter in (_rcu, _timer, _hrtimer, _tasklet, _bh_twice, _irq_thread):
            await enter(k, nothing)
        for cpu in k.machine.system.cpus.values():
            assert not cpu.idle_thread.ctx.held
        for thread in k.machine.system.threads:
            assert not thread.ctx.held

    assert asked(script, A).clean
    assert asked(script, R).clean


def test_what_kvfree_rcu_frees_is_freed_under_the_callbacks_map() -> None:
    seen: set[tuple[str, ...]] = set()

    async def script(k: Kernel) -> None:
        pages = k.machine.slab
        freed = pages.kfree_bulk

        async def kfree_bulk(thread, records) -> None:
            seen.add(tuple(held.lock.name for held in thread.ctx.held if held.lock.name == "rcu_callback"))
            await freed(thread, records)

        pages.kfree_bulk = kfree_bulk
        for _ in range(600):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(100)

    assert asked(script, A).clean
    assert seen == {("rcu_callback",)}


def test_a_forced_interrupt_thread_has_bottom_halves_off() -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            seen.append(k.in_softirq())

        await _irq_thread(k, handler)

    assert asked(script, R).clean
    assert seen == [True]
