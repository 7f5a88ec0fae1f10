"""Spinlocks: raw_spinlock_t, spinlock_t (include/linux/spinlock.h)."""

from __future__ import annotations

from ..context.locks import Lock, LockKind
from ..context.trace import caller_site
from ..kernel.locking.irqsave import spin_trylock_irqsave
from .arguments import checks_itself
from .base import KernelBase
from .lock_making import expect, expect_flags, expect_subclass, is_lock


@checks_itself
class SpinLocks(KernelBase):
    """raw_spinlock_t, spinlock_t.

    Every function raises BadInput for a lock of another type. A trylock says whether it took the lock. `subclass` is
    that of the *_nested() form; `nest_lock` a held lock that serializes the nesting.
    """

    # -- raw_spinlock_t --

    async def raw_spin_lock(self, lock: Lock) -> None:
        """Spin until it is ours, preemption off."""
        expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_lock(self._cpu, lock, caller_site())

    async def raw_spin_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        expect(lock, LockKind.RAW_SPINLOCK)
        expect_subclass(subclass)
        await self._locks.raw_spin_lock(self._cpu, lock, caller_site(), subclass=subclass)

    async def raw_spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_unlock(self._cpu, lock)

    async def raw_spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off, then spin; returns the flags."""
        expect(lock, LockKind.RAW_SPINLOCK)
        cpu, site = self._cpu, caller_site()
        flags = cpu.local_irq_save(site)
        await self._locks.raw_spin_lock(cpu, lock, site)
        return flags

    async def raw_spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        expect(lock, LockKind.RAW_SPINLOCK)
        expect_flags("raw_spin_unlock_irqrestore", flags)
        cpu = self._cpu
        await self._locks.raw_spin_unlock(cpu, lock)
        await cpu.local_irq_restore(flags)

    async def raw_spin_lock_irq(self, lock: Lock) -> None:
        """Interrupts off, then spin."""
        await self.raw_spin_lock_irqsave(lock)

    async def raw_spin_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on, whatever they were."""
        expect(lock, LockKind.RAW_SPINLOCK)
        cpu = self._cpu
        await self._locks.raw_spin_unlock(cpu, lock)
        await cpu.local_irq_enable()

    async def raw_spin_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then spin."""
        expect(lock, LockKind.RAW_SPINLOCK)
        cpu = await self._system.softirqs.local_bh_disable(self._thread)
        await self._locks.raw_spin_lock(cpu, lock, caller_site())

    async def raw_spin_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again."""
        expect(lock, LockKind.RAW_SPINLOCK)
        cpu = self._cpu
        await self._locks.raw_spin_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    async def raw_spin_trylock_irqsave(self, lock: Lock) -> bool | None:
        """Interrupts off if it is free. Returns the flags, or None: interrupts as before."""
        expect(lock, LockKind.RAW_SPINLOCK)
        return await spin_trylock_irqsave(self._locks, self._cpu, lock, caller_site())

    def raw_spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        expect(lock, LockKind.RAW_SPINLOCK)
        return self._locks.raw_spin_trylock(self._cpu, lock)

    # -- spinlock_t --

    async def spin_lock(self, lock: Lock) -> None:
        """Spin; on PREEMPT_RT sleep."""
        expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_lock(self._thread, lock)

    async def spin_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        expect(lock, LockKind.SPINLOCK)
        expect_subclass(subclass)
        await self._locks.spin_lock(self._thread, lock, subclass=subclass)

    async def spin_lock_nest_lock(self, lock: Lock, nest_lock: Lock) -> None:
        """The same, under a lock that whoever takes several of this class holds."""
        expect(lock, LockKind.SPINLOCK)
        is_lock(nest_lock, "nest_lock")
        await self._locks.spin_lock(self._thread, lock, nest=nest_lock)

    async def spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_unlock(self._cpu, lock)

    async def spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as spin_lock()."""
        expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        flags = cpu.ctx.irqs_disabled if self._locks.rt else cpu.local_irq_save(caller_site())
        await self._locks.spin_lock(cpu.current, lock)
        return flags

    async def spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        expect(lock, LockKind.SPINLOCK)
        expect_flags("spin_unlock_irqrestore", flags)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_restore(flags)

    async def spin_lock_irq(self, lock: Lock) -> None:
        """Interrupts off (not on PREEMPT_RT), then as spin_lock()."""
        await self.spin_lock_irqsave(lock)

    async def spin_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on, whatever they were (not on PREEMPT_RT)."""
        expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_enable()

    async def spin_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then as spin_lock()."""
        expect(lock, LockKind.SPINLOCK)
        thread = self._thread
        await self._system.softirqs.local_bh_disable(thread)
        await self._locks.spin_lock(thread, lock)

    async def spin_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again; what was raised meanwhile is served now."""
        expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    def spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        expect(lock, LockKind.SPINLOCK)
        return self._locks.spin_trylock(self._cpu, lock)

    async def spin_trylock_irqsave(self, lock: Lock) -> bool | None:
        """Interrupts off (not on PREEMPT_RT) if it is free. Returns the flags, or None: interrupts as before."""
        expect(lock, LockKind.SPINLOCK)
        return await spin_trylock_irqsave(self._locks, self._cpu, lock, caller_site())

    async def spin_trylock_irq(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT) if it is free; else they are on, whatever they were."""
        expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        if not self._locks.rt:
            cpu.local_irq_save(caller_site())
        taken = self._locks.spin_trylock(cpu, lock)
        if not taken and not self._locks.rt:
            await cpu.local_irq_enable()
        return taken

    async def spin_trylock_bh(self, lock: Lock) -> bool:
        """Bottom halves off if it is free; else as before."""
        expect(lock, LockKind.SPINLOCK)
        cpu = await self._system.softirqs.local_bh_disable(self._thread)
        taken = self._locks.spin_trylock(cpu, lock)
        if not taken:
            await self._system.softirqs.local_bh_enable(cpu)
        return taken
