"""Locks for many readers or one writer (include/linux/rwlock.h, include/linux/rwsem.h)."""

from __future__ import annotations

from ..context.locks import Lock, LockKind
from ..context.trace import caller_site
from .arguments import checks_itself
from .base import KernelBase
from .lock_making import expect, expect_flags


@checks_itself
class ReadWriteLocks(KernelBase):
    """rwlock_t and rw_semaphore: many readers, or one writer.

    Every function raises BadInput for a lock of another type. A reader that is not in an interrupt queues behind a
    writer that waits.
    """

    async def read_lock(self, lock: Lock) -> None:
        """Shared; spins, on PREEMPT_RT sleeps."""
        expect(lock, LockKind.RWLOCK)
        await self._locks.read_lock(self._thread, lock)

    async def read_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RWLOCK)
        await self._locks.read_unlock(self._cpu, lock)

    async def write_lock(self, lock: Lock) -> None:
        """Exclusive; spins, on PREEMPT_RT sleeps."""
        expect(lock, LockKind.RWLOCK)
        await self._locks.write_lock(self._thread, lock)

    async def write_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RWLOCK)
        await self._locks.write_unlock(self._cpu, lock)

    async def read_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as read_lock(); returns the flags."""
        expect(lock, LockKind.RWLOCK)
        flags = self._cpu.ctx.irqs_disabled if self._locks.rt else self._cpu.local_irq_save(caller_site())
        await self._locks.read_lock(self._thread, lock)
        return flags

    async def read_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        expect(lock, LockKind.RWLOCK)
        expect_flags("read_unlock_irqrestore", flags)
        await self._locks.read_unlock(self._cpu, lock)
        if not self._locks.rt:
            await self._cpu.local_irq_restore(flags)

    async def write_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as write_lock(); returns the flags."""
        expect(lock, LockKind.RWLOCK)
        flags = self._cpu.ctx.irqs_disabled if self._locks.rt else self._cpu.local_irq_save(caller_site())
        await self._locks.write_lock(self._thread, lock)
        return flags

    async def write_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        expect(lock, LockKind.RWLOCK)
        expect_flags("write_unlock_irqrestore", flags)
        await self._locks.write_unlock(self._cpu, lock)
        if not self._locks.rt:
            await self._cpu.local_irq_restore(flags)

    async def read_lock_irq(self, lock: Lock) -> None:
        """Interrupts off (not on PREEMPT_RT), then as read_lock()."""
        await self.read_lock_irqsave(lock)

    async def read_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on, whatever they were (not on PREEMPT_RT)."""
        expect(lock, LockKind.RWLOCK)
        cpu = self._cpu
        await self._locks.read_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_enable()

    async def read_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then as read_lock()."""
        expect(lock, LockKind.RWLOCK)
        thread = self._thread
        await self._system.softirqs.local_bh_disable(thread)
        await self._locks.read_lock(thread, lock)

    async def read_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again."""
        expect(lock, LockKind.RWLOCK)
        cpu = self._cpu
        await self._locks.read_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    async def write_lock_irq(self, lock: Lock) -> None:
        """Interrupts off (not on PREEMPT_RT), then as write_lock()."""
        await self.write_lock_irqsave(lock)

    async def write_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on, whatever they were (not on PREEMPT_RT)."""
        expect(lock, LockKind.RWLOCK)
        cpu = self._cpu
        await self._locks.write_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_enable()

    async def write_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then as write_lock()."""
        expect(lock, LockKind.RWLOCK)
        thread = self._thread
        await self._system.softirqs.local_bh_disable(thread)
        await self._locks.write_lock(thread, lock)

    async def write_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again."""
        expect(lock, LockKind.RWLOCK)
        cpu = self._cpu
        await self._locks.write_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    def read_trylock(self, lock: Lock) -> bool:
        """Shared, if no writer has it."""
        expect(lock, LockKind.RWLOCK)
        return self._locks.read_trylock(self._cpu, lock)

    def write_trylock(self, lock: Lock) -> bool:
        """Exclusive, if it is free."""
        expect(lock, LockKind.RWLOCK)
        return self._locks.write_trylock(self._cpu, lock)

    async def down_read(self, lock: Lock) -> None:
        """Shared; sleeps."""
        expect(lock, LockKind.RWSEM)
        await self._locks.down_read(self._thread, lock)

    async def up_read(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RWSEM)
        await self._locks.up_read(self._thread, lock)

    async def down_write(self, lock: Lock) -> None:
        """Exclusive; sleeps."""
        expect(lock, LockKind.RWSEM)
        await self._locks.down_write(self._thread, lock)

    async def up_write(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RWSEM)
        await self._locks.up_write(self._thread, lock)

    def down_read_trylock(self, lock: Lock) -> bool:
        """Shared, if it can be had at once."""
        expect(lock, LockKind.RWSEM)
        return self._locks.down_read_trylock(self._cpu, lock)

    def down_write_trylock(self, lock: Lock) -> bool:
        """Exclusive, if it is free."""
        expect(lock, LockKind.RWSEM)
        return self._locks.mutex_trylock(self._cpu, lock)
