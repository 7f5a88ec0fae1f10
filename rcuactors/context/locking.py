"""What can be done with locks: taking them, letting go, each type as its kernel has it.

Spinlocks spin: the waiter's CPU stays where it is while others go on, and the lock is handed over first come, first
served, as queued spinlocks do (kernel/locking/qspinlock.c, qrwlock.c). On PREEMPT_RT spinlock_t, rwlock_t and
local_lock_t are sleeping locks, under which migration is disabled and an RCU read-side section is open
(kernel/locking/spinlock_rt.c; priority inheritance is not modelled). A mutex that is not built on an rt_mutex is spun
for while its owner runs (kernel/locking/mutex.c, mutex_optimistic_spin()). Taking and letting go are points at which
other CPUs may act.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import attrs

from ..marks import LOCKING, machinery
from . import preempt
from .locks import READ, RECURSIVE_READ, WRITE, Lock, LockKind
from .trace import caller_site

__trace__ = LOCKING

if TYPE_CHECKING:
    from .judge import Judge
    from .lockdep import Lockdep
    from .processor import Processor


def queued_read_mode(preempt_count: int) -> int:
    """read_lock_is_recursive(): queued rwlocks let only readers in interrupts pass a waiting writer."""
    return RECURSIVE_READ if preempt.in_interrupt(preempt_count) else READ


def _no_rcu(_cpu: Processor) -> None:
    """A machine without RCU."""


@attrs.define(eq=False, kw_only=True)
class Locks:
    """The operations, for one kernel: `rt` decides what a spinlock_t is.

    `preempt_offset` is 0 in a kernel without PREEMPT_COUNT. Every operation that takes a lock costs `uncontended_ns`,
    beside the time waited. `rcu_enter` and `rcu_leave` are the RCU floor's (`readers_are_told()`).
    """

    rt: bool
    preempt_offset: int
    lockdep: Lockdep
    judge: Judge
    uncontended_ns: int
    rcu_enter: Callable[[Processor], None] = _no_rcu
    rcu_leave: Callable[[Processor], None] = _no_rcu

    def readers_are_told(self, enter: Callable[[Processor], None], leave: Callable[[Processor], None]) -> None:
        """What enters and leaves the read-side section that a lock of PREEMPT_RT is."""
        self.rcu_enter, self.rcu_leave = enter, leave

    # -- raw_spinlock_t, and what spins like one --

    async def raw_spin_lock(self, cpu: Processor, lock: Lock, site: str = "", *, subclass: int = 0) -> None:
        """raw_spin_lock(): preemption off, spin until it is ours."""
        await self._spin_lock(cpu, lock, site or caller_site(), subclass)

    async def _spin_lock(
        self, cpu: Processor, lock: Lock, site: str, subclass: int = 0, nest: Lock | None = None
    ) -> None:
        ctx = cpu.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
        ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, subclass=subclass, nest=nest, site=site)
        if lock.owner is None and not lock.readers:
            lock.owner = cpu.current
        else:
            await cpu.spin(lock)
        cpu.clock += self.uncontended_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    @machinery
    def raw_release(self, cpu: Processor, lock: Lock) -> None:
        """Let go of a lock and hand it to the first waiter; preemption stays as it is."""
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.owner is not None:
            self._pass_on(cpu, lock)

    @staticmethod
    def _pass_on(cpu: Processor, lock: Lock) -> None:
        if lock.waiters:
            for following in lock.pass_on():
                cpu.hand(following)
        else:
            lock.owner = None

    async def raw_spin_unlock(self, cpu: Processor, lock: Lock) -> None:
        """raw_spin_unlock(): let go, preemption on again."""
        if cpu.clock >= cpu.conductor.horizon:
            # The time spent under the lock must pass before others find it free.
            await cpu.point()
        self.raw_release(cpu, lock)
        self._allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    def _allow_preemption(self, cpu: Processor) -> None:
        """preempt_enable_no_resched(), also after the unlock of a lock that was never taken."""
        ctx = cpu.ctx
        if ctx.preempt_count & preempt.PREEMPT_MASK:
            ctx.preempt_count -= self.preempt_offset
        elif self.preempt_offset:
            cpu.count_underflow()

    def raw_spin_trylock(self, cpu: Processor, lock: Lock, site: str = "") -> bool:
        """raw_spin_trylock(): take it if it is free; lockdep does not check the attempt."""
        cpu.clock += self.uncontended_ns
        if lock.owner is not None or lock.readers:
            return False
        site = site or caller_site()
        if not cpu.ctx.preempt_count:
            cpu.ctx.preempt_disabled_at = site
        cpu.ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=site)
        lock.owner = cpu.current
        return True

    # -- spinlock_t and local_lock_t --

    async def spin_lock(self, cpu: Processor, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> None:
        """spin_lock(): spins; on PREEMPT_RT sleeps when contended (rt_spin_lock())."""
        if not self.rt:
            await self._spin_lock(cpu, lock, caller_site(), subclass, nest)
            return
        self.judge.might_sleep(cpu, rt_lock=True)
        await self._sleeping_lock(cpu, lock, caller_site(), subclass=subclass, nest=nest)
        self._pin(cpu)

    async def spin_unlock(self, cpu: Processor, lock: Lock) -> None:
        """spin_unlock()."""
        if not self.rt:
            await self.raw_spin_unlock(cpu, lock)
            return
        await self._sleeping_unlock(cpu, lock, pinned=True)

    def spin_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """spin_trylock(): on PREEMPT_RT too it never sleeps."""
        if not self.rt:
            return self.raw_spin_trylock(cpu, lock, caller_site())
        taken = self._sleeping_trylock(cpu, lock, caller_site())
        if taken:
            self._pin(cpu)
        return taken

    def _pin(self, cpu: Processor) -> None:
        """What an rt spinlock's holder has besides: no migration, a read-side section."""
        cpu.ctx.migrate_disabled += 1
        self.rcu_enter(cpu)

    def _unpin(self, cpu: Processor) -> None:
        self.rcu_leave(cpu)
        cpu.ctx.migrate_disabled -= 1

    # -- rwlock_t --

    async def write_lock(self, cpu: Processor, lock: Lock) -> None:
        """write_lock(): exclusive; as spin_lock()."""
        if not self.rt:
            await self._spin_lock(cpu, lock, caller_site())
            return
        self.judge.might_sleep(cpu, rt_lock=True)
        await self._sleeping_lock(cpu, lock, caller_site())
        self._pin(cpu)

    async def write_unlock(self, cpu: Processor, lock: Lock) -> None:
        """write_unlock()."""
        await self.spin_unlock(cpu, lock)

    def _read_mode(self, cpu: Processor) -> int:
        return RECURSIVE_READ if self.rt else queued_read_mode(cpu.ctx.preempt_count)

    async def read_lock(self, cpu: Processor, lock: Lock) -> None:
        """read_lock(): shared. Outside interrupts it queues behind a writer that waits."""
        site, mode = caller_site(), self._read_mode(cpu)
        if self.rt:
            self.judge.might_sleep(cpu, rt_lock=True)
            await self._sleeping_lock(cpu, lock, site, read=mode)
            self._pin(cpu)
            return
        ctx = cpu.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
        ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=mode, site=site)
        await self._share(cpu, lock, mode, cpu.spin)

    async def read_unlock(self, cpu: Processor, lock: Lock) -> None:
        """read_unlock()."""
        await self._unshare(cpu, lock, pinned=self.rt)
        if not self.rt:
            self._allow_preemption(cpu)
        if cpu.attention:
            await cpu.point()

    def read_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """read_trylock()."""
        cpu.clock += self.uncontended_ns
        if not self._may_share(lock, RECURSIVE_READ):
            return False
        site, mode = caller_site(), self._read_mode(cpu)
        if not self.rt:
            if not cpu.ctx.preempt_count:
                cpu.ctx.preempt_disabled_at = site
            cpu.ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=mode, trylock=True, site=site)
        lock.readers.append(cpu.current)
        if self.rt:
            self._pin(cpu)
        return True

    @staticmethod
    def _may_share(lock: Lock, mode: int) -> bool:
        return lock.owner is None and (mode == RECURSIVE_READ or not lock.waiters)

    async def _share(
        self, cpu: Processor, lock: Lock, mode: int, wait: Callable[[Lock], Coroutine[Any, Any, None]]
    ) -> None:
        if self._may_share(lock, mode):
            lock.readers.append(cpu.current)
        else:
            lock.waiting_readers.append(cpu.current)
            await wait(lock)
        cpu.clock += self.uncontended_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _unshare(self, cpu: Processor, lock: Lock, *, pinned: bool = False) -> None:
        """One reader less; the last one hands the lock on."""
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if cpu.current in lock.readers:
            lock.readers.remove(cpu.current)
            if pinned:
                self._unpin(cpu)
            if not lock.readers:
                self._pass_on(cpu, lock)

    # -- sleeping locks: mutex, rt_mutex, rw_semaphore --

    async def mutex_lock(self, cpu: Processor, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> None:
        """mutex_lock(), rt_mutex_lock(): may sleep, says so at once."""
        self.judge.might_sleep(cpu)
        await self._sleeping_lock(cpu, lock, caller_site(), subclass=subclass, nest=nest)

    async def mutex_unlock(self, cpu: Processor, lock: Lock) -> None:
        """mutex_unlock(), rt_mutex_unlock()."""
        await self._sleeping_unlock(cpu, lock)

    def mutex_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """mutex_trylock(), rt_mutex_trylock()."""
        return self._sleeping_trylock(cpu, lock, caller_site())

    async def down_write(self, cpu: Processor, lock: Lock) -> None:
        """down_write(): exclusive."""
        self.judge.might_sleep(cpu)
        await self._sleeping_lock(cpu, lock, caller_site())

    async def up_write(self, cpu: Processor, lock: Lock) -> None:
        """up_write()."""
        await self._sleeping_unlock(cpu, lock)

    async def down_read(self, cpu: Processor, lock: Lock) -> None:
        """down_read(): shared; queues behind a writer that waits."""
        self.judge.might_sleep(cpu)
        await self._sleeping_lock(cpu, lock, caller_site(), read=READ)

    async def up_read(self, cpu: Processor, lock: Lock) -> None:
        """up_read()."""
        await self._unshare(cpu, lock)
        if cpu.attention:
            await cpu.point()

    def down_read_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """down_read_trylock()."""
        cpu.clock += self.uncontended_ns
        if not self._may_share(lock, READ):
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=READ, trylock=True, site=caller_site())
        lock.readers.append(cpu.current)
        return True

    def _optimistic(self, lock: Lock) -> bool:
        """MUTEX_SPIN_ON_OWNER: for a mutex; an rt_mutex's waiter is taken to find its owner off its CPU."""
        return not self.rt and lock.lock_class.kind is LockKind.MUTEX

    async def _sleeping_lock(
        self, cpu: Processor, lock: Lock, site: str, *, read: int = 0, subclass: int = 0, nest: Lock | None = None
    ) -> None:
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, read=read, subclass=subclass, nest=nest, site=site)
        rtlock = self.rt and lock.lock_class.kind in _SPINNING

        async def _sleep_on(contended: Lock) -> None:
            await cpu.sleep_on(contended, rtlock=rtlock)

        if read != WRITE:
            await self._share(cpu, lock, read, _sleep_on)
            return
        if lock.owner is None and not lock.readers:
            lock.owner = cpu.current
        elif not (self._optimistic(lock) and await cpu.spin_on_owner(lock)):
            await _sleep_on(lock)
        cpu.clock += self.uncontended_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _sleeping_unlock(self, cpu: Processor, lock: Lock, *, pinned: bool = False) -> None:
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.owner is not None:
            if pinned:
                self._unpin(cpu)
            self._pass_on(cpu, lock)
        if cpu.attention:
            await cpu.point()

    def _sleeping_trylock(self, cpu: Processor, lock: Lock, site: str) -> bool:
        cpu.clock += self.uncontended_ns
        if lock.owner is not None or lock.readers:
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=site)
        lock.owner = cpu.current
        return True


_SPINNING = frozenset({LockKind.SPINLOCK, LockKind.RWLOCK, LockKind.LOCAL_LOCK})
"""Types that are spinlocks without PREEMPT_RT."""
