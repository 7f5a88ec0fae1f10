"""Ways into a context that a thread enters by itself and leaves again: what it switches off, and what it holds.

Each is an async function of the kernel's API and a body, and runs the body once, on this CPU and in this thread. Where
a lock is held it is one of the section's own, unless the caller says which: nobody waits for it then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..context.locks import Lock
from ..kapi import Kernel
from ..marks import machinery

Body = Callable[[], Awaitable[None]]


async def process(_k: Kernel, body: Body) -> None:
    """A thread that holds nothing back."""
    await body()


# -- off ---------------------------------------------------------------------------------------------------------------


async def preempt_disable(k: Kernel, body: Body) -> None:
    """preempt_disable()."""
    k.preempt_disable()
    await body()
    await k.preempt_enable()


async def irq_disable(k: Kernel, body: Body) -> None:
    """local_irq_save()."""
    flags = k.local_irq_save()
    await body()
    await k.local_irq_restore(flags)


async def bh_disable(k: Kernel, body: Body) -> None:
    """local_bh_disable()."""
    await k.local_bh_disable()
    await body()
    await k.local_bh_enable()


async def migrate_disable(k: Kernel, body: Body) -> None:
    """migrate_disable()."""
    k.migrate_disable()
    await body()
    await k.migrate_enable()


# -- readers -----------------------------------------------------------------------------------------------------------


async def rcu_read(k: Kernel, body: Body) -> None:
    """rcu_read_lock()."""
    k.rcu_read_lock()
    await body()
    k.rcu_read_unlock()


async def rcu_read_bh(k: Kernel, body: Body) -> None:
    """rcu_read_lock_bh()."""
    await k.rcu_read_lock_bh()
    await body()
    await k.rcu_read_unlock_bh()


async def rcu_read_sched(k: Kernel, body: Body) -> None:
    """rcu_read_lock_sched()."""
    k.rcu_read_lock_sched()
    await body()
    await k.rcu_read_unlock_sched()


async def srcu_read(k: Kernel, body: Body) -> None:
    """srcu_read_lock()."""
    srcu = k.srcu_struct("ctx_srcu")
    index = k.srcu_read_lock(srcu)
    await body()
    k.srcu_read_unlock(srcu, index)


# -- locks -------------------------------------------------------------------------------------------------------------


async def mutex(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """mutex_lock()."""
    held = lock or k.mutex("ctx_mutex")
    await k.mutex_lock(held)
    await body()
    await k.mutex_unlock(held)


@machinery
async def spin(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """spin_lock()."""
    held = lock or k.spinlock("ctx_spin")
    await k.spin_lock(held)
    await body()
    await k.spin_unlock(held)


async def spin_irqsave(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """spin_lock_irqsave()."""
    held = lock or k.spinlock("ctx_spin")
    flags = await k.spin_lock_irqsave(held)
    await body()
    await k.spin_unlock_irqrestore(held, flags)


async def raw_spin(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """raw_spin_lock()."""
    held = lock or k.raw_spinlock("ctx_raw")
    await k.raw_spin_lock(held)
    await body()
    await k.raw_spin_unlock(held)


async def raw_spin_irqsave(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """raw_spin_lock_irqsave()."""
    held = lock or k.raw_spinlock("ctx_raw")
    flags = await k.raw_spin_lock_irqsave(held)
    await body()
    await k.raw_spin_unlock_irqrestore(held, flags)


@machinery
async def read_lock(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """read_lock()."""
    held = lock or k.rwlock("ctx_rwlock")
    await k.read_lock(held)
    await body()
    await k.read_unlock(held)


@machinery
async def write_lock(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """write_lock()."""
    held = lock or k.rwlock("ctx_rwlock")
    await k.write_lock(held)
    await body()
    await k.write_unlock(held)


async def down_read(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """down_read()."""
    held = lock or k.rwsem("ctx_rwsem")
    await k.down_read(held)
    await body()
    await k.up_read(held)


async def down_write(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """down_write()."""
    held = lock or k.rwsem("ctx_rwsem")
    await k.down_write(held)
    await body()
    await k.up_write(held)


async def local_lock(k: Kernel, body: Body) -> None:
    """local_lock()."""
    held = k.local_lock_t("ctx_local")
    await k.local_lock(held)
    await body()
    await k.local_unlock(held)


async def rq_lock(k: Kernel, body: Body) -> None:
    """raw_spin_lock_irqsave() of this CPU's &rq->lock, as a caller inside the scheduler has it."""
    await raw_spin_irqsave(k, body, k.this_rq_lock())


async def zone_lock(k: Kernel, body: Body) -> None:
    """spin_lock_irqsave() of zone->lock, as a caller inside the page allocator has it."""
    flags = await k.zone_lock_irqsave()
    await body()
    await k.zone_unlock_irqrestore(flags)
