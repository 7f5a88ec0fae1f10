"""Locks for many readers or one writer: rwlock_t and rw_semaphore (kernel/locking/qrwlock.c, rwsem.c).

A rwlock_t spins, on PREEMPT_RT it sleeps (rwbase_rt.c). A reader that is not in an interrupt queues behind a writer
that waits.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import attrs

from ...context import preempt
from ...context.locks import READ, RECURSIVE_READ, Lock
from ...context.trace import caller_site
from ...marks import machinery, stands_for
from . import contention, poison
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

    @machinery
    def write_lock(self, thread: Thread, lock: Lock) -> Coroutine[Any, Any, Cpu]:
        """write_lock(), inline in either kernel: exclusive; as spin_lock(). To be awaited."""
        return self.rt_write_lock(thread, lock) if self.rt else self._spinning_write_lock(thread, lock)

    @stands_for("write_lock")
    async def _spinning_write_lock(self, thread: Thread, lock: Lock) -> Cpu:
        cpu = thread.cpu
        await self._spin_lock(cpu, lock, caller_site())
        return cpu

    async def rt_write_lock(self, thread: Thread, lock: Lock) -> Cpu:
        """rt_write_lock(): unlike rt_spin_lock() it asks might_sleep() before lockdep hears of it."""
        self.judge.might_sleep(thread.cpu, rt_lock=True)
        await self._sleeping_lock(thread, lock, caller_site())
        return self._pin(thread)

    @machinery
    def write_unlock(self, cpu: Cpu, lock: Lock) -> Coroutine[Any, Any, None]:
        """write_unlock(), inline in either kernel. To be awaited."""
        return self.rt_write_unlock(cpu, lock) if self.rt else self._spinning_write_unlock(cpu, lock)

    @stands_for("write_unlock")
    async def _spinning_write_unlock(self, cpu: Cpu, lock: Lock) -> None:
        await self.raw_spin_unlock(cpu, lock)

    async def rt_write_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """rt_write_unlock()."""
        await self._sleeping_unlock(cpu.current, lock, pinned=True)

    def _read_mode(self, cpu: Cpu) -> int:
        return RECURSIVE_READ if self.rt else queued_read_mode(cpu.ctx.preempt_count)

    @machinery
    def read_lock(self, thread: Thread, lock: Lock) -> Coroutine[Any, Any, Cpu]:
        """read_lock(), inline in either kernel: shared. To be awaited.

        Outside interrupts it queues behind a writer that waits.
        """
        return self.rt_read_lock(thread, lock) if self.rt else self._spinning_read_lock(thread, lock)

    async def rt_read_lock(self, thread: Thread, lock: Lock) -> Cpu:
        """rt_read_lock(): might_sleep() first, then lockdep, as rt_write_lock()."""
        cpu = thread.cpu
        self.judge.might_sleep(cpu, rt_lock=True)
        await self._sleeping_lock(thread, lock, caller_site(), read=self._read_mode(cpu))
        return self._pin(thread)

    @stands_for("read_lock")
    async def _spinning_read_lock(self, thread: Thread, lock: Lock) -> Cpu:
        cpu = thread.cpu
        ctx, site, mode = cpu.ctx, caller_site(), self._read_mode(cpu)
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
            if self.told_preemption.on and self.preempt_offset:
                self.since.preemption_off(cpu)
        ctx.preempt_count += self.preempt_offset
        if lock.inside is not None:
            self._touch(cpu, lock)
            if poison.is_poisoned(cpu, lock.inside):
                await poison.lock(cpu, lock.inside, lock.lock_class.kind)
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=self.lockdep.mode_of_read_lock(mode), site=site)
        await self._share(thread, lock, mode, lambda: contention.spin(cpu, lock))
        return cpu

    @machinery
    def read_unlock(self, cpu: Cpu, lock: Lock) -> Coroutine[Any, Any, None]:
        """read_unlock(), inline in either kernel. To be awaited."""
        return self.rt_read_unlock(cpu, lock) if self.rt else self._spinning_read_unlock(cpu, lock)

    async def rt_read_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """rt_read_unlock()."""
        thread = cpu.current
        await self._unshare(thread, lock, pinned=True)
        cpu = thread.cpu
        if cpu.attention:
            await cpu.point()

    @stands_for("read_unlock")
    async def _spinning_read_unlock(self, cpu: Cpu, lock: Lock) -> None:
        await self._unshare(cpu.current, lock)
        self.allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    @machinery
    def write_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """write_trylock(), inline in either kernel."""
        return self.rt_write_trylock(cpu, lock) if self.rt else self.raw_spin_trylock(cpu, lock, caller_site())

    def rt_write_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """rt_write_trylock()."""
        taken = self._sleeping_trylock(cpu, lock, caller_site())
        if taken:
            self._pin(cpu.current)
        return taken

    def read_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """read_trylock(), rt_read_trylock()."""
        cpu.clock += self.uncontended_ns
        self._touch(cpu, lock)
        if poison.is_poisoned(cpu, lock.inside) or not self._may_share(lock, RECURSIVE_READ):
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
        self._touch(cpu, lock)
        if poison.is_poisoned(cpu, lock.inside) or not self._may_share(lock, READ):
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=READ, trylock=True, site=caller_site())
        lock.readers.append(cpu.current)
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)
        return True
