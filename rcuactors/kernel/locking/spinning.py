"""Locks whose waiters spin: raw_spin_lock(), and without PREEMPT_RT spin_lock() and local_lock().

The waiter's CPU stays where it is while others go on, and the lock is handed over first come, first served, as queued
spinlocks do (kernel/locking/qspinlock.c). On PREEMPT_RT spinlock_t and local_lock_t are sleeping locks, under which
migration is disabled and an RCU read-side section is open (kernel/locking/spinlock_rt.c, rt_spin_lock()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ...context.locks import Lock
from ...context.trace import caller_site
from ...marks import machinery
from . import contention
from .sleeping import SleepingLocks

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread


@attrs.define(eq=False, kw_only=True)
class SpinningLocks(SleepingLocks):
    """raw_spin_lock() and its kin."""

    # -- raw_spinlock_t, and what spins like one --

    async def raw_spin_lock(self, cpu: Cpu, lock: Lock, site: str = "", *, subclass: int = 0) -> None:
        """raw_spin_lock(): preemption off, which pins, then spin until it is ours."""
        await self._spin_lock(cpu, lock, site or caller_site(), subclass)

    async def _spin_lock(self, cpu: Cpu, lock: Lock, site: str, subclass: int = 0, nest: Lock | None = None) -> None:
        """spin_lock() and raw_spin_lock() where they spin."""
        ctx = cpu.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
            if self.told_preemption.on and self.preempt_offset:
                self.since.preemption_off(cpu)
        ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, subclass=subclass, nest=nest, site=site)
        asked_at = cpu.clock
        if lock.owner is None and not lock.readers:
            lock.owner = cpu.current
        else:
            await contention.spin(cpu, lock)
        cpu.clock += self.uncontended_ns
        if self.told.on:
            self.since.lock_taken(cpu, lock, cpu.clock - asked_at - self.uncontended_ns)
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    @machinery
    def raw_release(self, cpu: Cpu, lock: Lock) -> None:
        """Let go of a lock and hand it to the first waiter; preemption stays as it is."""
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.owner is not None:
            if self.told.on:
                self.since.lock_let_go(cpu, lock, lock.owner)
            self._pass_on(cpu, lock)

    async def raw_spin_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """raw_spin_unlock(): let go, preemption on again."""
        if cpu.clock >= cpu.conductor.horizon:
            # The time spent under the lock must pass before others find it free.
            await cpu.point()
        self.raw_release(cpu, lock)
        self._allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    def raw_spin_trylock(self, cpu: Cpu, lock: Lock, site: str = "") -> bool:
        """raw_spin_trylock(): take it if it is free; lockdep does not check the attempt."""
        cpu.clock += self.uncontended_ns
        if lock.owner is not None or lock.readers:
            return False
        site = site or caller_site()
        if not cpu.ctx.preempt_count:
            cpu.ctx.preempt_disabled_at = site
            if self.told_preemption.on and self.preempt_offset:
                self.since.preemption_off(cpu)
        cpu.ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=site)
        lock.owner = cpu.current
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)
        return True

    # -- spinlock_t --

    async def spin_lock(self, thread: Thread, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> Cpu:
        """spin_lock(), rt_spin_lock(): spins; on PREEMPT_RT sleeps when contended.

        Returns the CPU that the holder is pinned to.
        """
        if not self.rt:
            cpu = thread.cpu
            await self._spin_lock(cpu, lock, caller_site(), subclass, nest)
            return cpu
        self.judge.might_sleep(thread.cpu, rt_lock=True)
        await self._sleeping_lock(thread, lock, caller_site(), subclass=subclass, nest=nest)
        return self._pin(thread)

    async def spin_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """spin_unlock()."""
        if not self.rt:
            await self.raw_spin_unlock(cpu, lock)
            return
        await self._sleeping_unlock(cpu.current, lock, pinned=True)

    def spin_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """spin_trylock(): on PREEMPT_RT too it never sleeps."""
        if not self.rt:
            return self.raw_spin_trylock(cpu, lock, caller_site())
        taken = self._sleeping_trylock(cpu, lock, caller_site())
        if taken:
            self._pin(cpu.current)
        return taken

    # -- local_lock_t --

    @machinery
    async def local_lock(self, cpu: Cpu, lock: Lock) -> None:
        """local_lock() of this CPU's lock: on PREEMPT_RT migration is off first, so that it stays this CPU's."""
        thread = cpu.current
        if not self.rt:
            await self.spin_lock(thread, lock)
            return
        thread.waits_pinned += 1
        await self.spin_lock(thread, lock)
        # From here on its being held does the same.
        thread.waits_pinned -= 1
