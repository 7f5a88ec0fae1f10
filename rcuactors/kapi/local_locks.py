"""local_lock_t: a lock of the CPU's own (include/linux/local_lock.h)."""

from __future__ import annotations

from ..context.trace import caller_site
from .arguments import checks_itself
from .base import KernelBase
from .lock_making import LocalLock, expect_flags, of_this_cpu


@checks_itself
class LocalLocks(KernelBase):
    """local_lock_t. Every function takes this CPU's, and raises BadInput for a lock of another type."""

    async def local_lock(self, lock: LocalLock) -> None:
        """This CPU's: preemption off; on PREEMPT_RT a sleeping lock. Nobody waits for another CPU's."""
        cpu = self._cpu
        await self._locks.local_lock(cpu, of_this_cpu(lock, cpu))

    async def local_unlock(self, lock: LocalLock) -> None:
        """Let go of this CPU's."""
        cpu = self._cpu
        await self._locks.local_unlock(cpu, of_this_cpu(lock, cpu))

    async def local_lock_irqsave(self, lock: LocalLock) -> bool:
        """This CPU's: interrupts off, on PREEMPT_RT as local_lock(); returns the flags."""
        cpu = self._cpu
        mine, flags = of_this_cpu(lock, cpu), cpu.ctx.irqs_disabled
        if self._locks.rt:
            await self._locks.local_lock(cpu, mine)
        else:
            site = caller_site()
            cpu.local_irq_save(site)
            self._locks.local_lock_acquire(cpu, mine, site)
        return flags

    async def local_unlock_irqrestore(self, lock: LocalLock, flags: bool) -> None:
        """Let go of this CPU's, interrupts as they were."""
        expect_flags("local_unlock_irqrestore", flags)
        cpu = self._cpu
        mine = of_this_cpu(lock, cpu)
        if self._locks.rt:
            await self._locks.local_unlock(cpu, mine)
        else:
            self._locks.local_lock_release(cpu, mine)
            await cpu.local_irq_restore(flags)

    async def local_lock_irq(self, lock: LocalLock) -> None:
        """This CPU's: interrupts off, on PREEMPT_RT as local_lock()."""
        await self.local_lock_irqsave(lock)

    async def local_unlock_irq(self, lock: LocalLock) -> None:
        """Let go of this CPU's, interrupts on."""
        cpu = self._cpu
        mine = of_this_cpu(lock, cpu)
        if self._locks.rt:
            await self._locks.local_unlock(cpu, mine)
        else:
            self._locks.local_lock_release(cpu, mine)
            await cpu.local_irq_enable()
