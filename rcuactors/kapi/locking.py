"""Locks: making them, taking them, letting go.

include/linux/spinlock.h, include/linux/mutex.h, include/linux/local_lock.h.
"""

from __future__ import annotations

from ..context.locks import Lock, LockKind
from ..context.trace import caller_site
from ..errors import BadInput
from .base import KernelBase


def _expect(lock: Lock, *kinds: LockKind) -> None:
    kind = lock.lock_class.kind
    if kind not in kinds:
        wanted = " or ".join(one.value for one in kinds)
        raise BadInput(f"lock {lock.name} is a {kind.value}; this function takes a {wanted}")


class Locking(KernelBase):
    """The locks of each type.

    Two locks of the same name and type are of one lockdep class. Every function raises BadInput for a lock of another
    type. A trylock says whether it took the lock.
    """

    def raw_spinlock(self, name: str) -> Lock:
        """DEFINE_RAW_SPINLOCK(name)."""
        return self._system.lock_factory.make(name, LockKind.RAW_SPINLOCK)

    def spinlock(self, name: str) -> Lock:
        """DEFINE_SPINLOCK(name)."""
        return self._system.lock_factory.make(name, LockKind.SPINLOCK)

    def local_lock_t(self, name: str) -> Lock:
        """A local_lock_t; of a per-CPU variable, make one for each CPU that uses it."""
        return self._system.lock_factory.make(name, LockKind.LOCAL_LOCK)

    def mutex(self, name: str) -> Lock:
        """DEFINE_MUTEX(name)."""
        return self._system.lock_factory.make(name, LockKind.MUTEX)

    def this_rq_lock(self) -> Lock:
        """The lock of this CPU's run queue, &rq->lock, which the scheduler holds when it changes who runs."""
        return self._cpu.runqueue.lock

    def zone_lock(self) -> Lock:
        """&zone->lock of the page allocator."""
        return self._machine.pages.zone.lock

    # -- raw_spinlock_t --

    async def raw_spin_lock(self, lock: Lock) -> None:
        """Spin until it is ours, preemption off."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_lock(self._cpu, lock, caller_site())

    async def raw_spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_unlock(self._cpu, lock)

    async def raw_spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off, then spin; returns the flags."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        cpu, site = self._cpu, caller_site()
        flags = cpu.local_irq_save(site)
        await self._locks.raw_spin_lock(cpu, lock, site)
        return flags

    async def raw_spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        cpu = self._cpu
        await self._locks.raw_spin_unlock(cpu, lock)
        await cpu.local_irq_restore(flags)

    async def raw_spin_lock_irq(self, lock: Lock) -> None:
        """Interrupts off, then spin."""
        await self.raw_spin_lock_irqsave(lock)

    async def raw_spin_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on."""
        await self.raw_spin_unlock_irqrestore(lock, False)

    def raw_spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        return self._locks.raw_spin_trylock(self._cpu, lock)

    # -- spinlock_t --

    async def spin_lock(self, lock: Lock) -> None:
        """Spin; on PREEMPT_RT sleep."""
        _expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_lock(self._cpu, lock)

    async def spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_unlock(self._cpu, lock)

    async def spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as spin_lock()."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        flags = cpu.ctx.irqs_disabled if self._locks.rt else cpu.local_irq_save(caller_site())
        await self._locks.spin_lock(cpu, lock)
        return flags

    async def spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_restore(flags)

    async def spin_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then as spin_lock()."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        self._system.softirqs.local_bh_disable(cpu)
        await self._locks.spin_lock(cpu, lock)

    async def spin_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again; what was raised meanwhile is served now."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    def spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.SPINLOCK)
        return self._locks.spin_trylock(self._cpu, lock)

    # -- local_lock_t and mutex --

    async def local_lock(self, lock: Lock) -> None:
        """Preemption off; on PREEMPT_RT a sleeping lock."""
        _expect(lock, LockKind.LOCAL_LOCK)
        await self._locks.spin_lock(self._cpu, lock)

    async def local_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.LOCAL_LOCK)
        await self._locks.spin_unlock(self._cpu, lock)

    async def mutex_lock(self, lock: Lock) -> None:
        """Sleep until it is ours."""
        _expect(lock, LockKind.MUTEX)
        await self._locks.mutex_lock(self._cpu, lock)

    async def mutex_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.MUTEX)
        await self._locks.mutex_unlock(self._cpu, lock)

    def mutex_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.MUTEX)
        return self._locks.mutex_trylock(self._cpu, lock)
