"""What else a drawn program does (operations.py): works, timers, interrupts, threads, CPUs, modules."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from ..kapi import Kernel
from ..mm.slab.rules import DestroyWaits
from .operations import allowed, at
from .shop import ATOMIC, NMI, SLEEPS, SPINS, TOP, Shop


async def _started(s: Shop, function: Any, rng: random.Random) -> None:
    """A thread that is waited for."""
    await s.k.kthread_join(await s.k.kthread_run(function, cpu=s.online(rng)))


# -- works, timers, interrupts -----------------------------------------------------------------------------------------


@at(ATOMIC, 3)
async def queued(s: Shop, rng: random.Random) -> None:
    k, wq = s.k, rng.choice(s.wqs)
    match rng.randrange(6):
        case 0 | 1:
            await k.queue_work(wq, rng.choice(s.works))
        case 2:
            await k.queue_work_on(s.online(rng), s.wqs[3], rng.choice(s.works))
        case 3:
            await k.queue_delayed_work(wq, rng.choice(s.dworks), rng.randrange(4))
        case 4:
            await k.mod_delayed_work(wq, rng.choice(s.dworks), rng.randrange(3))
        case _:
            await k.queue_rcu_work(wq, s.rworks[0])


@at(TOP, 2)
async def flushed(s: Shop, rng: random.Random) -> None:
    k, work, dwork = s.k, rng.choice(s.works), rng.choice(s.dworks)
    ways: list[Callable[[], Any]] = [lambda: k.flush_work(work), lambda: k.cancel_work_sync(work)]
    ways += [lambda: k.flush_delayed_work(dwork), lambda: k.cancel_delayed_work_sync(dwork)]
    ways += [lambda: k.flush_workqueue(s.wqs[0]), lambda: k.drain_workqueue(s.wqs[2]), lambda: k.cancel_work(work)]
    ways += [lambda: k.cancel_delayed_work(dwork), lambda: k.flush_rcu_work(s.rworks[0])]
    await rng.choice(ways)()


@at(TOP)
async def disabled(s: Shop, rng: random.Random) -> None:
    k, work, dwork = s.k, rng.choice(s.works), rng.choice(s.dworks)
    await k.queue_work(s.wqs[1], work)
    await k.queue_delayed_work(s.wqs[0], dwork, rng.randrange(2))
    await k.cancel_work_sync(work)
    await k.cancel_delayed_work(dwork)


@at(ATOMIC, 3)
async def armed(s: Shop, rng: random.Random) -> None:
    k = s.k
    match rng.randrange(6):
        case 0 | 1:
            await k.mod_timer(rng.choice(s.timers), rng.choice([0, 1, 2, 9, 70, 600]))
        case 2 | 3:
            await k.hrtimer_start(rng.choice(s.hrtimers), rng.choice([0, 500, 30_000, 2_000_000]))
        case 4:
            await k.timer_delete(rng.choice(s.timers))
        case _:
            await k.hrtimer_try_to_cancel(rng.choice(s.hrtimers))


@at(TOP)
async def disarmed(s: Shop, rng: random.Random) -> None:
    k = s.k
    if rng.random() < 0.5:
        await k.timer_delete_sync(rng.choice(s.timers))
    else:
        await k.hrtimer_cancel(rng.choice(s.hrtimers))
    await k.try_to_del_timer_sync(rng.choice(s.timers))


@at(NMI, 2)
async def irq_work(s: Shop, rng: random.Random) -> None:
    await s.k.irq_work_queue(rng.choice(s.irq_works))


@at(ATOMIC, 2)
async def interrupts(s: Shop, rng: random.Random) -> None:
    cpu = rng.choice([None, s.online(rng)])
    if rng.random() < 0.7:
        await s.k.raise_irq(rng.choice(s.handlers), cpu=cpu, threadable=rng.random() < 0.2)
    else:
        await s.k.raise_nmi(_nmi(s.k, s, rng.randrange(1 << 30)), cpu=cpu)


def _nmi(k: Kernel, s: Shop, seed: int) -> Any:
    rng = random.Random(seed)

    async def nmi() -> None:
        await rng.choice(allowed(NMI))(s, rng)
        await k.ndelay(rng.randrange(300))

    return nmi


@at(ATOMIC)
async def tasklet(s: Shop, rng: random.Random) -> None:
    await s.k.tasklet_schedule(rng.choice(s.handlers))


@at(TOP)
async def called_elsewhere(s: Shop, rng: random.Random) -> None:
    await s.k.smp_call_function_single(rng.randrange(s.cpus), rng.choice(s.handlers), wait=rng.random() < 0.7)
    await s.k.irq_work_sync(rng.choice(s.irq_works))


# -- threads, waiting, CPUs --------------------------------------------------------------------------------------------


@at(NMI, 2)
async def delay(s: Shop, rng: random.Random) -> None:
    await s.k.udelay(rng.choice([0, 1, 3, 40]))


@at(SLEEPS, 3)
async def sleep(s: Shop, rng: random.Random) -> None:
    k = s.k
    match rng.randrange(6):
        case 0 | 1:
            await k.msleep(rng.choice([1, 3, 10]))
        case 2:
            await k.usleep_range(5, rng.choice([20, 900]))
        case 3:
            await k.schedule_timeout_uninterruptible(rng.randrange(1, 4))
        case 4:
            await k.cond_resched()
        case _:
            await k.schedule()


@at(SLEEPS)
async def waits(s: Shop, rng: random.Random) -> None:
    if rng.random() < 0.5:
        await s.k.wait_for_completion_timeout(s.completion, rng.randrange(1, 5))
        return
    flag = [False]

    async def wake() -> None:
        flag[0] = True
        await s.k.wake_up(s.head)

    async with s.k.stack_frame() as frame:
        timer = s.k.timer_setup(wake, inside=frame, on_stack=True, name="wake")
        await s.k.mod_timer(timer, rng.randrange(3))
        await s.k.wait_event(s.head, lambda: flag[0])
        await s.k.timer_delete_sync(timer)


@at(SPINS)
async def wakes(s: Shop, rng: random.Random) -> None:
    await (s.k.complete(s.completion) if rng.random() < 0.8 else s.k.wake_up(s.head))


@at(TOP)
async def thread(s: Shop, rng: random.Random) -> None:
    async def child() -> None:
        await s.k.udelay(5)
        await s.fill()
        s.k.set_current_state("TASK_UNINTERRUPTIBLE")
        await s.k.schedule_timeout(rng.randrange(1, 3))

    await _started(s, child, rng)


@at(TOP)
async def moved(s: Shop, rng: random.Random) -> None:
    k = s.k
    await k.set_cpus_allowed(None, [s.online(rng)])
    await k.cond_resched()
    await k.set_cpus_allowed(None, range(s.cpus))


@at(NMI)
async def per_cpu(s: Shop, rng: random.Random) -> None:
    s.k.this_cpu_add(s.counter, rng.randrange(3))
    await s.k.ndelay(50)


@at(TOP)
async def hotplugged(s: Shop, rng: random.Random) -> None:
    cpu = rng.randrange(1, s.cpus) if s.cpus > 1 else 0
    await (s.k.cpu_down(cpu) if rng.random() < 0.5 else s.k.cpu_up(cpu))
    await s.k.cpu_up(cpu)


@at(TOP)
async def module(s: Shop, rng: random.Random) -> None:
    k = s.k
    try:
        loaded = await k.load_module("drv", rng.choice([64, 9000]))
    except BadInput:  # there is no memory for it
        return
    await k.call_rcu(k.module_text(loaded, rng.choice(s.handlers)))
    if rng.randrange(100) >= s.wrong:
        await k.rcu_barrier()
    await k.delete_module(loaded)


@at(TOP)
async def own_cache(s: Shop, rng: random.Random) -> None:
    k = s.k
    cache = k.kmem_cache_create("short", rng.choice([32, 300]), sheaf_capacity=_sheaf(k, rng))
    for _ in range(rng.randrange(1, 30)):
        p = await k.kmem_cache_alloc(cache)
        retired = rng.random() < 0.5 and (k.has("kvfree_rcu_barrier") or rng.randrange(100) < s.wrong)
        await (k.kvfree_rcu(p, "rcu") if retired else k.kmem_cache_free(cache, p))
    await (k.kvfree_rcu_barrier() if k.has("kvfree_rcu_barrier") else k.rcu_barrier())
    await k.kmem_cache_destroy(cache)


def _sheaf(k: Kernel, rng: random.Random) -> int:
    return rng.choice([0, 4, 16]) if k.has("sheaf_capacity") else 0


@at(TOP)
async def struct_of_all(s: Shop, rng: random.Random) -> None:
    """An object with a timer, a work and a head in it, retired or freed while they may be active."""
    k, handler = s.k, rng.choice(s.handlers)

    async def on_object(_p: Any) -> None:
        await handler()

    foo = k.struct("foo", timer=k.timer_list(on_object), work=k.work_struct(on_object), rcu=k.rcu_head)
    p = await k.kzalloc(foo)
    if p is None:
        return
    await k.mod_timer(p.timer, 1)
    await k.queue_work(s.wqs[0], p.work)
    if rng.randrange(100) >= s.wrong:
        await k.timer_delete_sync(p.timer)
        await k.cancel_work_sync(p.work)
    await (k.kfree(p) if rng.random() < 0.5 else k.kvfree_rcu(p, "rcu"))


@at(NMI)
async def asserts(s: Shop, _rng: random.Random) -> None:
    k = s.k
    s.flag += k.in_task() + 2 * k.in_hardirq() + 4 * k.irqs_disabled() + 8 * k.preemptible() + (k.preempt_count() & 3)
    s.flag += k.rcu_read_lock_held() + k.rcu_read_lock_sched_held()
    k.pr_info(f"flag {s.flag}")


# -- much at once, and what is seldom done -----------------------------------------------------------------------------


@at(SPINS)
async def many_callbacks(s: Shop, rng: random.Random) -> None:
    """More than a CPU's list takes at once, so that those of offloaded CPUs go to the bypass."""
    for _ in range(rng.choice([20, 60])):
        await s.k.call_rcu(s.handlers[0])


@at(TOP)
async def sheaves(s: Shop, rng: random.Random) -> None:
    """Full and empty sheaves change places, and some are given to RCU."""
    k = s.k
    cache = k.kmem_cache_create("sheafy", 64, sheaf_capacity=4 if k.has("sheaf_capacity") else 0)
    for _ in range(rng.randrange(1, 4)):
        taken = [await k.kmem_cache_alloc(cache) for _ in range(rng.randrange(4, 26))]
        retires = rng.random() < 0.4 and k.has("kvfree_rcu_barrier")
        for p in taken:
            await (k.kvfree_rcu(p, "rcu") if retires else k.kmem_cache_free(cache, p))
    if k.has("kvfree_rcu_barrier"):
        await (k.kvfree_rcu_barrier_on_cache(cache) if _by_cache(k) else k.kvfree_rcu_barrier())
    await k.kmem_cache_shrink(cache)
    await k.kmem_cache_destroy(cache)


@at(TOP)
async def tried(s: Shop, rng: random.Random) -> None:
    """Each lock by its trylock."""
    k = s.k
    ways: list[tuple[Any, Any, Any]] = [
        (k.read_trylock, k.read_unlock, s.rw),
        (k.write_trylock, k.write_unlock, s.rw),
        (k.down_read_trylock, k.up_read, s.rwsem),
        (k.down_write_trylock, k.up_write, s.rwsem),
        (k.rt_mutex_trylock, k.rt_mutex_unlock, s.rt_mutex),
        (k.spin_trylock, k.spin_unlock, s.spin[0]),
    ]
    take, let_go, lock = rng.choice(ways)
    if take(lock):
        await k.udelay(rng.randrange(30))
        await let_go(lock)
    if await k.spin_trylock_bh(s.spin_bh):
        await k.spin_unlock_bh(s.spin_bh)


@at(TOP)
async def misused(s: Shop, rng: random.Random) -> None:
    """Something that nobody should do, where programs do wrong things."""
    k = s.k
    if rng.randrange(40) >= s.wrong:
        return
    match rng.randrange(7):
        case 0:
            head = k.rcu_head("twice")
            await k.call_rcu(head, s.handlers[0])
            await k.call_rcu(head, s.handlers[0])
        case 1:
            head = k.rcu_head("twice")
            await k.call_srcu(s.srcu, head, s.handlers[0])
            await k.call_srcu(s.srcu, head, s.handlers[0])
        case 2:
            await k.spin_unlock(s.spin[0])
        case 3:
            await k.mutex_lock(s.mutexes[0])
            await k.mutex_lock(s.mutexes[1])
            await k.mutex_unlock(s.mutexes[0])
            await k.mutex_unlock(s.mutexes[1])
        case 4:
            k.preempt_disable()
            await k.synchronize_rcu()
            await k.preempt_enable()
        case 5:
            await k.kfree(await k.vmalloc(64))
        case _:
            k.rcu_read_lock()
            await k.msleep(1)
            k.rcu_read_unlock()


def _by_cache(k: Kernel) -> bool:
    return k.machine.slab.rules.destroy_waits is DestroyWaits.ON_CACHE
