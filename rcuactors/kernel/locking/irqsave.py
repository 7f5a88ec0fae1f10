"""spin_lock_irqsave() of a lock of either type: spinlock_t, or raw_spinlock_t (include/linux/spinlock.h).

Each goes by the type that the lock has: interrupts are off with a raw lock everywhere, with a spinlock_t not on
PREEMPT_RT. So whoever changes a lock's type changes nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context.locks import Lock, LockKind
from ...marks import MACHINERY

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread
    from . import Locks


def _is_raw(lock: Lock) -> bool:
    return lock.lock_class.kind is LockKind.RAW_SPINLOCK


async def spin_lock_irqsave(locks: Locks, thread: Thread, lock: Lock, site: str) -> tuple[Cpu, bool]:
    """spin_lock_irqsave(): returns the CPU that this pins to, and the flags."""
    cpu, raw = thread.cpu, _is_raw(lock)
    flags = cpu.ctx.irqs_disabled if locks.rt and not raw else cpu.local_irq_save(site)
    if raw:
        await locks.raw_spin_lock(cpu, lock, site)
        return cpu, flags
    return await locks.spin_lock(thread, lock), flags


async def spin_trylock_irqsave(locks: Locks, cpu: Cpu, lock: Lock, site: str) -> bool | None:
    """spin_trylock_irqsave(): if it is free; returns the flags, or None."""
    raw = _is_raw(lock)
    flags = cpu.ctx.irqs_disabled if locks.rt and not raw else cpu.local_irq_save(site)
    if locks.raw_spin_trylock(cpu, lock) if raw else locks.spin_trylock(cpu, lock):
        return flags
    if raw or not locks.rt:
        await cpu.local_irq_restore(flags)
    return None


async def spin_unlock_irqrestore(locks: Locks, cpu: Cpu, lock: Lock, flags: bool) -> None:
    """spin_unlock_irqrestore(): let go."""
    raw = _is_raw(lock)
    if raw:
        await locks.raw_spin_unlock(cpu, lock)
    else:
        await locks.spin_unlock(cpu, lock)
    if raw or not locks.rt:
        await cpu.local_irq_restore(flags)
