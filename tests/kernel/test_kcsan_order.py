"""What orders two accesses, and what does not (kernel/kcsan.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel
from rcuactors.eras import ERAS
from tests.kernel.test_kcsan import Side, increment, read, two_cpus


def under(lock: str, unlock: str, member: str, inner: Side) -> Side:
    async def locked(k: Kernel, p: Any) -> None:
        await getattr(k, lock)(getattr(p, member))
        await inner(k, p)
        await getattr(k, unlock)(getattr(p, member))

    return locked


async def publish(k: Kernel, p: Any) -> None:
    p.value = 7
    k.smp_store_release(p, "flag", 1)


async def take(k: Kernel, p: Any) -> None:
    if k.smp_load_acquire(p, "flag"):
        _ = p.value


async def publish_by_barrier(k: Kernel, p: Any) -> None:
    p.value = 7
    k.smp_wmb()
    k.WRITE_ONCE(p, "flag", 1)


async def take_by_barrier(k: Kernel, p: Any) -> None:
    if k.READ_ONCE(p, "flag"):
        k.smp_rmb()
        _ = p.value


async def publish_barely(k: Kernel, p: Any) -> None:
    p.value = 7
    k.WRITE_ONCE(p, "flag", 1)


async def take_barely(k: Kernel, p: Any) -> None:
    if k.READ_ONCE(p, "flag"):
        _ = p.value


async def count(k: Kernel, p: Any) -> None:
    p.value += 1
    k.atomic_inc_return(p.count)


async def read_counted(k: Kernel, p: Any) -> None:
    k.atomic_add_return(0, p.count)
    _ = p.value


async def count_loosely(k: Kernel, p: Any) -> None:
    p.value += 1
    k.atomic_inc(p.count)


async def read_loosely(k: Kernel, p: Any) -> None:
    k.atomic_read(p.count)
    _ = p.value


async def put(k: Kernel, p: Any) -> None:
    k.refcount_set(p.refs, 2)
    p.value = 7
    k.refcount_dec_and_test(p.refs)


async def put_the_last(k: Kernel, p: Any) -> None:
    if k.refcount_dec_and_test(p.refs):
        _ = p.value


async def complete(k: Kernel, p: Any) -> None:
    p.value = 7
    await k.complete(p.done)


async def wait_for_completion(k: Kernel, p: Any) -> None:
    await k.wait_for_completion(p.done)
    _ = p.value


async def wake(k: Kernel, p: Any) -> None:
    await k.udelay(300)
    p.value = 7
    k.WRITE_ONCE(p, "flag", 1)
    await k.wake_up(p.queue)


async def wait_event(k: Kernel, p: Any) -> None:
    await k.wait_event(p.queue, lambda: bool(k.READ_ONCE(p, "flag")))
    _ = p.value


async def insert(k: Kernel, p: Any) -> None:
    new = await k.kmalloc(k.struct("entry", value=0))
    new.value = 7
    k.rcu_assign_pointer(p, "next", new)
    await k.udelay(500)
    await k.kfree_rcu(new, "rcu")


async def follow(k: Kernel, p: Any) -> None:
    with k.rcu_reader():
        new = k.rcu_dereference(p.next)
        _ = new.value


async def insert_plainly(k: Kernel, p: Any) -> None:
    new = await k.kmalloc(k.struct("entry", value=0))
    new.value = 7
    p.next = new
    await k.udelay(500)
    await k.kfree_rcu(new, "rcu")


async def reader(k: Kernel, p: Any) -> None:
    with k.rcu_reader():
        _ = p.value
        await k.udelay(300)


async def synchronize(k: Kernel, p: Any) -> None:
    await k.synchronize_rcu()
    p.value = 7


async def synchronize_expedited(k: Kernel, p: Any) -> None:
    await k.synchronize_rcu_expedited()
    p.value = 7


async def poll_for_the_end(k: Kernel, p: Any) -> None:
    cookie = k.start_poll_synchronize_rcu()
    while not k.poll_state_synchronize_rcu(cookie):
        await k.msleep(1)
    p.value = 7


async def write_seqlock(k: Kernel, p: Any) -> None:
    await k.write_seqlock(p.seq)
    p.value += 1
    await k.udelay(200)
    p.value += 1
    await k.write_sequnlock(p.seq)


async def read_seqlock(k: Kernel, p: Any) -> None:
    while True:
        start = await k.read_seqbegin(p.seq)
        _ = p.value
        if not k.read_seqretry(p.seq, start):
            return


async def work(k: Kernel, p: Any) -> None:
    async def handler() -> None:
        p.value += 1

    p.value += 1
    each = k.work(handler)
    await k.queue_work_on(1, k.system_wq, each)
    await k.flush_work(each)
    p.value += 1


async def cross_call(k: Kernel, p: Any) -> None:
    async def handler() -> None:
        p.value += 1

    p.value += 1
    await k.smp_call_function_single(1, handler)
    p.value += 1


async def callback(k: Kernel, p: Any) -> None:
    async def handler(q: Any) -> None:
        q.value += 1

    p.value += 1
    await k.call_rcu(p.rcu, handler)
    await k.rcu_barrier()
    p.value += 1


def later(make: str, start: str, sync: str) -> tuple[Side, Side]:
    """Something runs on one CPU; another one waits until it has run, and uses what that has used."""
    made: list[Any] = []

    async def runs(k: Kernel, p: Any) -> None:
        async def handler() -> None:
            p.value += 1
            await k.udelay(200)

        made.append(getattr(k, make)(handler))
        p.value += 1
        await getattr(k, start)(
            made[-1], *((1,) if start == "mod_timer" else (1000,) if start == "hrtimer_start" else ())
        )
        await k.msleep(20)

    async def waits(k: Kernel, p: Any) -> None:
        await k.msleep(0 if start in ("irq_work_queue", "tasklet_schedule") else 5)
        await getattr(k, sync)(made[-1])
        p.value += 1

    return runs, waits


async def sleep_and_count(k: Kernel, p: Any) -> None:
    for _ in range(3):
        await k.usleep_range(40, 40)
        p.value += 1


async def nothing(_k: Kernel, _p: Any) -> None:
    pass


SPIN = ("spin_lock", "spin_unlock", "lock")
MUTEX = ("mutex_lock", "mutex_unlock", "mutex")
ORDERED: dict[str, tuple[Side, Side, bool]] = {
    "a spinlock": (under(*SPIN, increment), under(*SPIN, increment), True),
    "a mutex": (under(*MUTEX, increment), under(*MUTEX, read), True),
    "two locks": (under(*SPIN, increment), under(*MUTEX, increment), False),
    "only one takes the lock": (under(*SPIN, increment), read, False),
    "release and acquire": (publish, take, True),
    "barriers": (publish_by_barrier, take_by_barrier, True),
    "no barrier": (publish_barely, take_barely, False),
    "a barrier on one side": (publish_by_barrier, take_barely, False),
    "an atomic that returns": (count, read_counted, True),
    "an atomic that does not": (count_loosely, read_loosely, False),
    "references": (put, put_the_last, True),
    "a completion": (complete, wait_for_completion, True),
    "a wait queue": (wake, wait_event, True),
    "a pointer": (insert, follow, True),
    "a pointer without a barrier": (insert_plainly, follow, False),
    "a grace period": (reader, synchronize, True),
    "an expedited grace period": (reader, synchronize_expedited, True),
    "a polled grace period": (reader, poll_for_the_end, True),
    "a sequence lock": (write_seqlock, read_seqlock, True),
    "a work": (work, nothing, True),
    "a cross call": (cross_call, nothing, True),
    "a callback": (callback, nothing, True),
    "sleeps": (sleep_and_count, sleep_and_count, False),
    "the end of a timer": (*later("timer_setup", "mod_timer", "timer_delete_sync"), True),
    "the end of an hrtimer": (*later("hrtimer", "hrtimer_start", "hrtimer_cancel"), True),
    "the end of an irq_work": (*later("irq_work", "irq_work_queue", "irq_work_sync"), True),
    "the end of a tasklet": (*later("tasklet_setup", "tasklet_schedule", "tasklet_kill"), True),
    "an irq_work that nobody waits for": (*later("irq_work", "irq_work_queue", "irq_work_queue"), False),
}
"""What lies between two accesses, and whether that orders them."""


@pytest.mark.parametrize("name", ORDERED)
def test_what_orders_is_silent_and_what_does_not_is_told(name: str) -> None:
    left, right, ordered = ORDERED[name]
    result = two_cpus(left, right)
    assert result.outcome() == ("clean" if ordered else "data-race"), [found.text for found in result.violations]


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("rt", [False, True])
def test_it_is_so_on_every_version(kernel: str, rt: bool) -> None:
    for name in ("a spinlock", "a wait queue", "a grace period", "a work", "a callback"):
        left, right, _ = ORDERED[name]
        assert two_cpus(left, right, kernel=kernel, PREEMPT_RT=rt).clean, name
    assert two_cpus(increment, increment, kernel=kernel, PREEMPT_RT=rt).outcome() == "data-race"
