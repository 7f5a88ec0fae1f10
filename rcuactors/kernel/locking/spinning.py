"""Locks whose waiters spin: raw_spin_lock(), and without PREEMPT_RT spin_lock() and local_lock().

The waiter's CPU stays where it is while others go on, and the lock is handed over first come, first served, as queued
spinlocks do (kernel/locking/qspinlock.c). On PREEMPT_RT spinlock_t and local_lock_t are sleeping locks, under which
migration is disabled and an RCU read-side section is open (kernel/locking/spinlock_rt.c, rt_spin_lock()).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import attrs

from ...context.locks import Lock
from ...context.trace import caller_site
from ...marks import machinery, stands_for
from . import contention, poison
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
        if lock.inside is not None:
            self._touch(cpu, lock)
            if poison.is_poisoned(cpu, lock.inside):
                await poison.lock(cpu, lock.inside, lock.lock_class.kind)
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, subclass=subclass, nest=nest, site=site)
        asked_at = cpu.clock
        if lock.owner is None and not lock.readers:
            lock.owner = cpu.current
        else:
            await contention.spin(cpu, lock)
            self._touch(cpu, lock)
        cpu.clock += self.uncontended_ns
        if self.told.on:
            self.since.lock_taken(cpu, lock, cpu.clock - asked_at - self.uncontended_ns)
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    @machinery
    def raw_release(self, cpu: Cpu, lock: Lock) -> bool:
        """Let go of a lock and hand it to the first waiter; preemption stays as it is.

        Returns whether it has been in poison with a kernel that debugs spinlocks, which then faults.
        """
        faults = False
        if lock.inside is not None:
            self._touch_unlocking(cpu, lock)
            faults = self.lockdep.on and poison.is_poisoned(cpu, lock.inside)
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.owner is not None:
            if self.told.on:
                self.since.lock_let_go(cpu, lock, lock.owner)
            self._pass_on(cpu, lock)
        elif lock.readers:
            self._not_held_so(cpu, lock)
        return faults

    async def raw_spin_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """raw_spin_unlock(): let go, preemption on again."""
        if cpu.clock >= cpu.conductor.horizon:
            # The time spent under the lock must pass before others find it free.
            await cpu.point()
        if self.raw_release(cpu, lock):
            # debug_spin_unlock(), debug_write_unlock(): no magic number where it should be.
            assert lock.inside is not None
            await poison.lock(cpu, lock.inside, lock.lock_class.kind)
        self.allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    def raw_spin_trylock(self, cpu: Cpu, lock: Lock, site: str = "") -> bool:
        """raw_spin_trylock(): take it if it is free; lockdep does not check the attempt."""
        cpu.clock += self.uncontended_ns
        if lock.inside is not None:
            self._touch(cpu, lock)
            if poison.is_poisoned(cpu, lock.inside):
                return False
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

    @machinery
    def spin_lock(
        self, thread: Thread, lock: Lock, *, subclass: int = 0, nest: Lock | None = None
    ) -> Coroutine[Any, Any, Cpu]:
        """spin_lock(), inline in either kernel (include/linux/spinlock.h, spinlock_rt.h).

        To be awaited; returns the CPU that the holder is pinned to.
        """
        if self.rt:
            return self.rt_spin_lock(thread, lock, subclass=subclass, nest=nest)
        return self._spinning_lock(thread, lock, subclass, nest)

    @stands_for("spin_lock")
    async def _spinning_lock(self, thread: Thread, lock: Lock, subclass: int, nest: Lock | None) -> Cpu:
        cpu = thread.cpu
        await self._spin_lock(cpu, lock, caller_site(), subclass, nest)
        return cpu

    async def rt_spin_lock(self, thread: Thread, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> Cpu:
        """rt_spin_lock(): sleeps when contended (kernel/locking/spinlock_rt.c).

        Lockdep hears of it before rtlock_might_resched() looks (spin_acquire() comes first), so that the lock is among
        those held in what that reports, and a report of lockdep's own comes before.
        """
        await self._sleeping_lock(thread, lock, caller_site(), subclass=subclass, nest=nest, then_might_sleep=True)
        return self._pin(thread)

    @machinery
    def spin_unlock(self, cpu: Cpu, lock: Lock) -> Coroutine[Any, Any, None]:
        """spin_unlock(), inline in either kernel. To be awaited."""
        return self.rt_spin_unlock(cpu, lock) if self.rt else self._spinning_unlock(cpu, lock)

    @stands_for("spin_unlock")
    async def _spinning_unlock(self, cpu: Cpu, lock: Lock) -> None:
        await self.raw_spin_unlock(cpu, lock)

    async def rt_spin_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """rt_spin_unlock()."""
        await self._sleeping_unlock(cpu.current, lock, pinned=True)

    @machinery
    def spin_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """spin_trylock(): on PREEMPT_RT too it never sleeps."""
        if self.rt:
            return self.rt_spin_trylock(cpu, lock, caller_site())
        return self.raw_spin_trylock(cpu, lock, caller_site())

    def rt_spin_trylock(self, cpu: Cpu, lock: Lock, site: str) -> bool:
        """rt_spin_trylock()."""
        taken = self._sleeping_trylock(cpu, lock, site)
        if taken:
            self._pin(cpu.current)
        return taken

    # -- local_lock_t --

    @machinery
    async def local_lock(self, cpu: Cpu, lock: Lock) -> None:
        """local_lock() of this CPU's lock: on PREEMPT_RT migration is off first, so that it stays this CPU's.

        Elsewhere there is no lock at all: preemption is off, and lockdep is told (include/linux/local_lock_internal.h).
        Nobody waits, an interrupt that asks for it again neither.
        """
        if not self.rt:
            site = caller_site()
            cpu.preempt_disable(site)
            self.local_lock_acquire(cpu, lock, site)
            if cpu.clock >= cpu.conductor.horizon:
                await cpu.point()
            return
        thread = cpu.current
        thread.waits_pinned += 1
        await self.rt_spin_lock(thread, lock)
        # From here on its being held does the same.
        thread.waits_pinned -= 1

    @machinery
    def local_lock_acquire(self, cpu: Cpu, lock: Lock, site: str) -> None:
        """local_lock_acquire(), with what keeps others away off already: preemption, or interrupts.

        Only a kernel with lockdep knows an owner (CONFIG_DEBUG_LOCK_ALLOC).
        """
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, site=site)
        if lock.owner is not None and self.lockdep.built:
            self.lockdep.debug_locks_warn_on(cpu, "l->owner", "local_lock_acquire")
        lock.owner = cpu.current
        cpu.clock += self.uncontended_ns
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)

    @machinery
    def local_lock_release(self, cpu: Cpu, lock: Lock) -> None:
        """local_lock_release()."""
        if lock.owner is not cpu.current and self.lockdep.built:
            self.lockdep.debug_locks_warn_on(cpu, "l->owner != current", "local_lock_release")
        if self.told.on and lock.owner is not None:
            self.since.lock_let_go(cpu, lock, lock.owner)
        lock.owner = None
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)

    @machinery
    async def local_unlock(self, cpu: Cpu, lock: Lock) -> None:
        """local_unlock()."""
        if self.rt:
            await self.rt_spin_unlock(cpu, lock)
            return
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
        self.local_lock_release(cpu, lock)
        self.allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()
