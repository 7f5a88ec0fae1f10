"""Locks for many readers or one writer: rwlock_t and rw_semaphore (kernel/locking/qrwlock.c, rwsem.c).

A rwlock_t spins, on PREEMPT_RT it sleeps (rwbase_rt.c). A reader that is not in an interrupt queues behind a writer
that waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ...context import preempt
from ...context.locks import READ, RECURSIVE_READ, Lock
from ...context.trace import caller_site
from . import contention
from .spinning import SpinningLocks

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread


def queued_read_mode(preempt_count: int) -> int:
    """read_lock_is_recursive(): queued rwlocks let only readers in interrupts pass a waiting writer."""
    return RECURSIVE_READ if preempt.in_interrupt(preempt_count) else READ


@attrs.define(eq=False, kw_only=True)
class Locks(SpinningLocks):
    """The operations on locks of every type, for one kernel."""

    # -- rwlock_t --

    async def write_lock(self, thread: Thread, lock: Lock) -> Cpu:
        """write_lock(): exclusive; as spin_lock()."""
        if not self.rt:
            cpu = thread.cpu
            await self._spin_lock(cpu, lock, caller_site())
            return cpu
        self.judge.might_sleep(thread.cpu, rt_lock=True)
        await self._sleeping_lock(thread, lock, caller_site())
        return self._pin(thread)

    async def write_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """write_unlock()."""
        await self.spin_unlock(cpu, lock)

    def _read_mode(self, cpu: Cpu) -> int:
        return RECURSIVE_READ if self.rt else queued_read_mode(cpu.ctx.preempt_count)

    async def read_lock(self, thread: Thread, lock: Lock) -> Cpu:
        """read_lock(): shared. Outside interrupts it queues behind a writer that waits."""
        cpu = thread.cpu
        site, mode = caller_site(), self._read_mode(cpu)
        if self.rt:
            self.judge.might_sleep(cpu, rt_lock=True)
            await self._sleeping_lock(thread, lock, site, read=mode)
            return self._pin(thread)
        ctx = cpu.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
            if self.told_preemption.on and self.preempt_offset:
                self.since.preemption_off(cpu)
        ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=self.lockdep.mode_of_read_lock(mode), site=site)
        await self._share(thread, lock, mode, lambda: contention.spin(cpu, lock))
        return cpu

    async def read_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """read_unlock()."""
        await self._unshare(cpu.current, lock, pinned=self.rt)
        if not self.rt:
            self._allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    def read_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """read_trylock()."""
        cpu.clock += self.uncontended_ns
        if not self._may_share(lock, RECURSIVE_READ):
            return False
        site, mode = caller_site(), self._read_mode(cpu)
        if not self.rt:
            if not cpu.ctx.preempt_count:
                cpu.ctx.preempt_disabled_at = site
                if self.told_preemption.on and self.preempt_offset:
                    self.since.preemption_off(cpu)
            cpu.ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=self.lockdep.mode_of_read_lock(mode), trylock=True, site=site)
        lock.readers.append(cpu.current)
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)
        if self.rt:
            self._pin(cpu.current)
        return True

    # -- rw_semaphore --

    async def down_write(self, thread: Thread, lock: Lock) -> None:
        """down_write(): exclusive."""
        self.judge.might_sleep(thread.cpu)
        await self._sleeping_lock(thread, lock, caller_site())

    async def up_write(self, thread: Thread, lock: Lock) -> None:
        """up_write()."""
        await self._sleeping_unlock(thread, lock)

    async def down_read(self, thread: Thread, lock: Lock) -> None:
        """down_read(): shared; queues behind a writer that waits."""
        self.judge.might_sleep(thread.cpu)
        await self._sleeping_lock(thread, lock, caller_site(), read=READ)

    async def up_read(self, thread: Thread, lock: Lock) -> None:
        """up_read()."""
        await self._unshare(thread, lock)
        if thread.cpu.attention:
            await thread.cpu.point()

    def down_read_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """down_read_trylock()."""
        cpu.clock += self.uncontended_ns
        if not self._may_share(lock, READ):
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=READ, trylock=True, site=caller_site())
        lock.readers.append(cpu.current)
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)
        return True
