"""Locks whose waiters sleep: mutex_lock(), rt_mutex_lock(), and on PREEMPT_RT those that spin elsewhere.

kernel/locking/mutex.c, rtmutex.c, spinlock_rt.c; priority inheritance is not modelled. A mutex that is not built on an
rt_mutex is spun for while its owner runs (mutex_optimistic_spin()).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import attrs

from ...context.locks import RECURSIVE_READ, WRITE, Lock, LockKind
from ...context.trace import caller_site
from . import contention, poison
from .common import LockOperations

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread

_SPINNING: Final = frozenset({LockKind.SPINLOCK, LockKind.RWLOCK, LockKind.LOCAL_LOCK})
"""Types that are spinlocks without PREEMPT_RT."""


@attrs.define(eq=False, kw_only=True)
class SleepingLocks(LockOperations):
    """mutex_lock() and its kin, and what they are made of."""

    async def mutex_lock(self, thread: Thread, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> None:
        """mutex_lock(), rt_mutex_lock(): may sleep, says so at once."""
        self.judge.might_sleep(thread.cpu)
        await self._sleeping_lock(thread, lock, caller_site(), subclass=subclass, nest=nest)

    async def mutex_unlock(self, thread: Thread, lock: Lock) -> None:
        """mutex_unlock(), rt_mutex_unlock()."""
        await self._sleeping_unlock(thread, lock)

    def mutex_trylock(self, cpu: Cpu, lock: Lock) -> bool:
        """mutex_trylock(), rt_mutex_trylock()."""
        return self._sleeping_trylock(cpu, lock, caller_site())

    def _optimistic(self, lock: Lock) -> bool:
        """MUTEX_SPIN_ON_OWNER: for a mutex; an rt_mutex's waiter is taken to find its owner off its CPU."""
        return not self.rt and lock.lock_class.kind is LockKind.MUTEX

    async def _sleeping_lock(
        self,
        thread: Thread,
        lock: Lock,
        site: str,
        *,
        read: int = 0,
        subclass: int = 0,
        nest: Lock | None = None,
        then_might_sleep: bool = False,
    ) -> None:
        if lock.inside is not None:
            self._touch(thread.cpu, lock)
            if poison.is_poisoned(thread.cpu, lock.inside):
                await poison.lock(thread.cpu, lock.inside, lock.lock_class.kind)
        if self.lockdep.on:
            self.lockdep.acquire(thread.cpu, lock, read=read, subclass=subclass, nest=nest, site=site)
        if then_might_sleep:
            self.judge.might_sleep(thread.cpu, rt_lock=True)
        rtlock, asked_at = self.rt and lock.lock_class.kind in _SPINNING, thread.cpu.clock

        async def _sleep_on() -> None:
            await contention.sleep_on(thread, lock, rtlock=rtlock)
            self._touch(thread.cpu, lock)

        if read != WRITE:
            await self._share(thread, lock, read, _sleep_on)
            return
        if lock.owner is None and not lock.readers:
            lock.owner = thread
        elif not (self._optimistic(lock) and await contention.mutex_optimistic_spin(thread.cpu, lock)):
            await _sleep_on()
        await self._charge(thread, lock, asked_at)

    async def _charge(self, thread: Thread, lock: Lock, asked_at: int) -> None:
        cpu = thread.cpu
        cpu.clock += self.uncontended_ns
        if self.told.on:
            self.since.lock_taken(cpu, lock, cpu.clock - asked_at - self.uncontended_ns)
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _sleeping_unlock(self, thread: Thread, lock: Lock, *, pinned: bool = False) -> None:
        if thread.cpu.clock >= thread.cpu.conductor.horizon:
            await thread.cpu.point()
        cpu = thread.cpu
        if lock.inside is not None:
            self._touch_unlocking(cpu, lock)
            if lock.lock_class.kind is LockKind.MUTEX and poison.is_poisoned(cpu, lock.inside):
                await poison.unlock_mutex(cpu, lock.inside)
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        held = lock.owner is not None
        if self.told.on and lock.owner is not None:
            self.since.lock_let_go(cpu, lock, lock.owner)
        if not held and lock.readers:
            self._not_held_so(cpu, lock)
        if pinned:
            cpu = await self._let_go_pinned(thread, lock, held=held)
        elif held:
            cpu = await self._let_go(thread, lock)
        if cpu.attention:
            await cpu.point()

    async def _let_go_pinned(self, thread: Thread, lock: Lock, *, held: bool) -> Cpu:
        """On PREEMPT_RT: the lock, and the section that it is, in the version's order."""
        last = self.rt_section_ends_last
        cpu = thread.cpu if last else await self._leave_section(thread, lock)
        if held:
            cpu = await self._let_go(thread, lock)
        if last:
            self._unpin(cpu)
        return cpu

    async def _let_go(self, thread: Thread, lock: Lock) -> Cpu:
        if lock.inside is not None and lock.waiters and not self.rt:
            return await self._slowpath(thread, lock)
        self._pass_on(thread.cpu, lock)
        return thread.cpu

    async def _last_leaves(self, thread: Thread, lock: Lock) -> Cpu:
        if lock.inside is not None and lock.waiters and lock.lock_class.kind is LockKind.RWSEM and not self.rt:
            return await self._slowpath(thread, lock)
        self._pass_on(thread.cpu, lock)
        return thread.cpu

    async def _slowpath(self, thread: Thread, lock: Lock) -> Cpu:
        """A contended mutex_unlock(), up_write() or up_read(): it is let go first, then its queue is seen to.

        __mutex_unlock_slowpath() takes lock->wait_lock when others may have the mutex already, rwsem_wake() that of the
        semaphore (kernel/locking/mutex.c, rwsem.c): so whoever gets it must not free what it lies in
        (Documentation/locking/mutex-design.rst). An rt_mutex is let go under its wait_lock, which is all.
        """
        cpu = thread.cpu
        self._pass_on(cpu, lock)
        await cpu.point()
        cpu = thread.cpu
        self._touch(cpu, lock)
        return cpu

    async def _leave_section(self, thread: Thread, lock: Lock) -> Cpu:
        """rt_spin_unlock() and its kin: the read-side section ends before the lock is let go, others may act between.

        So have PREEMPT_RT's patches since v5.9-rc8-rt13 (kernel/locking/rtmutex.c), later
        kernel/locking/spinlock_rt.c; commit 89038cc87d80 turned it round (KernelRules.rt_section_ends_last). Where the
        lock lies in an object that was given to kfree_rcu(), nothing keeps that alive from here on.
        """
        cpu = thread.cpu
        self._unpin(cpu)
        if cpu.attention or cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
            cpu = thread.cpu
        if lock.inside is not None:
            self.judge.used(cpu, lock.inside, lock.name)
        return cpu

    def _sleeping_trylock(self, cpu: Cpu, lock: Lock, site: str) -> bool:
        cpu.clock += self.uncontended_ns
        self._touch(cpu, lock)
        if poison.is_poisoned(cpu, lock.inside) or lock.owner is not None or lock.readers:
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=site)
        lock.owner = cpu.current
        if self.told.on:
            self.since.lock_taken(cpu, lock, 0)
        return True

    # -- shared ones -------------------------------------------------------------------------------------------------

    @staticmethod
    def _may_share(lock: Lock, mode: int) -> bool:
        return lock.owner is None and (mode == RECURSIVE_READ or not lock.waiters)

    async def _share(
        self, thread: Thread, lock: Lock, mode: int, wait: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        asked_at = thread.cpu.clock
        if self._may_share(lock, mode):
            lock.readers.append(thread)
        else:
            lock.waiting_readers.append(thread)
            await wait()
        await self._charge(thread, lock, asked_at)

    async def _unshare(self, thread: Thread, lock: Lock, *, pinned: bool = False) -> None:
        """One reader less; the last one hands the lock on."""
        if thread.cpu.clock >= thread.cpu.conductor.horizon:
            await thread.cpu.point()
        cpu = thread.cpu
        self._touch_unlocking(cpu, lock)
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if thread in lock.readers:
            if self.told.on:
                self.since.lock_let_go(cpu, lock, thread)
            if pinned and not self.rt_section_ends_last:
                cpu = await self._leave_section(thread, lock)
            lock.readers.remove(thread)
            if not lock.readers:
                cpu = await self._last_leaves(thread, lock)
            if pinned and self.rt_section_ends_last:
                self._unpin(cpu)
        else:
            if lock.owner is thread:
                self._not_held_so(cpu, lock)
            if pinned:
                cpu = await self._leave_section(thread, lock)
