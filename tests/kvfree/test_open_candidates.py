"""What nobody has reported yet: holes of kvfree_rcu() that follow from its code, each by a schedule on which it opens.

No commit mends these. They are the reading of those who wrote this model, and hold for the versions that are named.
"""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.context.memory import FREED
from tests.schedules import Body, Moment, Schedule, held_up_anywhere

# -- the barrier and a shrinker ----------------------------------------------------------------------------------------


async def barrier_while_a_shrinker_frees(k: Kernel, destroyed: bool) -> None:
    """An object's grace period is over. A shrinker's kfree_rcu_monitor() takes it out of the queue, to free it.

    Where it has it for itself, neither cancel_delayed_work_sync() nor flush_rcu_work() waits for that. A cache that
    asks for sheaves (v6.18) or has them anyway (v7.3) goes another way: so a vmalloc area where nothing is destroyed.
    """
    cache = k.kmem_cache_create("foo", 64)
    p = await (k.kmem_cache_alloc(cache) if destroyed else k.vmalloc(64))

    async def frees() -> None:
        await k.kvfree_rcu(p, "rcu")

    async def shrinks() -> None:
        await k.drop_slab()

    async def waits() -> None:
        await k.usleep_range(50, 50)
        await (k.kmem_cache_destroy(cache) if destroyed else k.kvfree_rcu_barrier())
        freed.append(p.state == FREED)

    await k.kthread_join(await k.kthread_run(frees, cpu=1))
    await k.synchronize_rcu()
    for task in [await k.kthread_run(shrinks, cpu=2), await k.kthread_run(waits, cpu=0)]:
        await k.kthread_join(task)


freed: list[bool] = []


async def barrier_alone(k: Kernel) -> None:
    """kvfree_rcu_barrier()."""
    await barrier_while_a_shrinker_frees(k, destroyed=False)


async def barrier_of_a_destroy(k: Kernel) -> None:
    """The one in kmem_cache_destroy()."""
    await barrier_while_a_shrinker_frees(k, destroyed=True)


def comes_back_early(body: Body, kernel: str) -> list[Schedule]:
    """The schedules on which it does, of those with the shrinker held up for 400 ms at each of its points."""
    schedules = held_up_anywhere(body, kernel, Moment("/shrinks", 1, 400_000_000), nr_cpus="3")
    early = [schedule for schedule in schedules if not freed.pop()]
    for schedule in early:
        schedule.again()
        assert not freed.pop()
    return early


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12", "v6.18", "v7.3"])
def test_the_barrier_does_not_wait_for_what_a_shrinker_frees(kernel: str) -> None:
    early = comes_back_early(barrier_alone, kernel)
    assert early
    assert all(schedule.result.clean for schedule in early)


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12", "v6.18"])
def test_so_a_cache_is_destroyed_with_an_object_in_it(kernel: str) -> None:
    early = comes_back_early(barrier_of_a_destroy, kernel)
    assert early
    assert {schedule.result.outcome() for schedule in early} == {"leak"}


# -- a refill that is put off ------------------------------------------------------------------------------------------

PUTS_OFF = ["v6.1.0", "v6.1-stable", "v6.6", "v6.12.0", "v6.12", "v6.18", "v7.3"]


@pytest.mark.parametrize("kernel", PUTS_OFF)
@pytest.mark.parametrize(("msec", "deadlock"), [("0", True), ("5000", False)])
def test_a_refill_put_off_by_nothing_is_queued_at_once_under_the_callers_locks(
    kernel: str, msec: str, deadlock: bool
) -> None:
    """0 is in the range of rcu_delay_page_cache_fill_msec: no hrtimer, no timer, but pool->lock and a wake-up.

    The caller has the run queue's lock. A vmalloc area, since no sheaf takes that.
    """

    async def script(k: Kernel) -> None:
        p = await k.vmalloc(64)
        # A worker has been woken before, so that lockdep knows its locks.
        work = k.work(k.schedule)
        await k.queue_work(k.system_wq, work)
        await k.flush_work(work)
        await k.drop_slab()
        await k.cold_caches()
        rq_lock = k.this_rq_lock()
        flags = await k.raw_spin_lock_irqsave(rq_lock)
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock_irqrestore(rq_lock, flags)

    result = run(scenario()(script), RunOptions(kernel=kernel), rcu_delay_page_cache_fill_msec=msec, nr_cpus="1")
    assert result.clean is not deadlock
    if deadlock:
        assert result.violations[0].kind.value == "circular-locking"
        assert "queue_delayed_work" in result.violations[0].text
        assert "deadlock" in result.outcome()


async def a_miss_while_a_refill_ends(k: Kernel) -> None:
    """A shrinker has looked, so the refill comes after 200 ms. Just when it ends, the cache is empty once more."""
    timer = k.machine.kvfree.krc(0).page_work.timer
    await k.drop_slab()
    objects = [await k.vmalloc(64) for _ in range(2)]
    await k.cold_caches()
    await k.kvfree_rcu(objects.pop(), "rcu")
    due_us = (timer.expires * k.machine.system.config.jiffy_ns - k.now) // 1000
    await k.usleep_range(due_us + 100, due_us + 100)
    await k.cold_caches()
    await k.kvfree_rcu(objects.pop(), "rcu")
    await k.msleep(100)
    late.append(not k.cached_pages())


late: list[bool] = []


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12", "v6.18", "v7.3"])
def test_a_miss_between_two_variables_is_put_off_once_more(kernel: str) -> None:
    """fill_page_cache_func() clears work_in_progress, then backoff_page_cache_fill.

    On versions whose delayed refill may run on another CPU than the miss (WQ_UNBOUND).
    """
    settings = {"rcu_delay_page_cache_fill_msec": "200", "nr_cpus": "2"}
    moment = Moment(":kworker/u", 1, 200_000, 200_000_000)
    schedules = held_up_anywhere(a_miss_while_a_refill_ends, kernel, moment, points=30, **settings)
    found = [schedule for schedule in schedules if late.pop()]
    assert 0 < len(found) < 5
    # Where the worker is held up earlier, the miss finds a refill in progress, and asks for none.
    assert 0 < sum(schedule.result.waste.get("refills_put_off_again", 0) for schedule in found) < len(found)
    for schedule in found:
        assert schedule.result.clean
        schedule.again()
        assert late.pop()
