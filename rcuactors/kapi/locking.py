"""Locks: making them, taking them, letting go, and what can be asked about them.

include/linux/mutex.h, include/linux/rtmutex.h, include/linux/lockdep.h; the others have a file each.
"""

from __future__ import annotations

from ..context.lockdep import demands
from ..context.locks import Lock, LockKind
from .arguments import checks_itself
from .base import KernelBase
from .local_locks import LocalLocks
from .lock_making import LocalLock, LockMaking, expect, expect_subclass, is_lock
from .read_write_locks import ReadWriteLocks
from .spin_locks import SpinLocks


@checks_itself
class Mutexes(KernelBase):
    """mutex and rt_mutex. Every function raises BadInput for a lock of another type."""

    async def mutex_lock(self, lock: Lock) -> None:
        """Sleep until it is ours."""
        expect(lock, LockKind.MUTEX)
        await self._locks.mutex_lock(self._thread, lock)

    async def mutex_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        expect(lock, LockKind.MUTEX)
        expect_subclass(subclass)
        await self._locks.mutex_lock(self._thread, lock, subclass=subclass)

    async def mutex_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.MUTEX)
        await self._locks.mutex_unlock(self._thread, lock)

    def mutex_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        expect(lock, LockKind.MUTEX)
        return self._locks.mutex_trylock(self._cpu, lock)

    async def rt_mutex_lock(self, lock: Lock) -> None:
        """Sleep until it is ours."""
        expect(lock, LockKind.RT_MUTEX)
        await self._locks.mutex_lock(self._thread, lock)

    async def rt_mutex_unlock(self, lock: Lock) -> None:
        """Let go."""
        expect(lock, LockKind.RT_MUTEX)
        await self._locks.mutex_unlock(self._thread, lock)

    def rt_mutex_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        expect(lock, LockKind.RT_MUTEX)
        return self._locks.mutex_trylock(self._cpu, lock)


@checks_itself
class LockQuestions(KernelBase):
    """What can be asked about a lock, and demanded (include/linux/lockdep.h, spinlock.h, mutex.h)."""

    def _instance(self, lock: Lock | LocalLock) -> Lock:
        if isinstance(lock, LocalLock):
            return lock.of[self._cpu.cpu_id]
        is_lock(lock)
        return lock

    def _looked_at(self, lock: Lock) -> Lock:
        """Its memory is read; what lockdep is asked goes by the address."""
        if lock.inside is not None:
            self._cpu.judge.used(self._cpu, lock.inside, lock.name)
        return lock

    def spin_is_locked(self, lock: Lock) -> bool:
        """spin_is_locked(), also for a raw one: somebody has it, whoever that is."""
        expect(lock, LockKind.SPINLOCK, LockKind.RAW_SPINLOCK)
        return self._looked_at(lock).owner is not None

    def mutex_is_locked(self, lock: Lock) -> bool:
        """mutex_is_locked(): somebody has it, whoever that is."""
        expect(lock, LockKind.MUTEX)
        return self._looked_at(lock).owner is not None

    def lockdep_is_held(self, lock: Lock | LocalLock) -> bool:
        """lockdep_is_held(): by whatever runs here. True where lockdep cannot know: it is not built, or off."""
        return self._system.lockdep.is_held(self._cpu.ctx, self._instance(lock))

    def lockdep_assert_held(self, lock: Lock | LocalLock) -> None:
        """lockdep_assert_held(): a warning unless whatever runs here holds it, in a kernel with lockdep."""
        demands.assert_held(self._system.lockdep, self._cpu, self._instance(lock), "lockdep_is_held(l)")

    def lockdep_assert_held_write(self, lock: Lock | LocalLock) -> None:
        """lockdep_assert_held_write(): the same, and exclusively."""
        demands.assert_held(
            self._system.lockdep, self._cpu, self._instance(lock), "lockdep_is_held_type(l, 0)", read=False
        )

    def lockdep_assert_held_read(self, lock: Lock | LocalLock) -> None:
        """lockdep_assert_held_read(): the same, and shared."""
        demands.assert_held(
            self._system.lockdep, self._cpu, self._instance(lock), "lockdep_is_held_type(l, 1)", read=True
        )

    def lockdep_assert_not_held(self, lock: Lock | LocalLock) -> None:
        """lockdep_assert_not_held(): a warning if whatever runs here holds it."""
        demands.assert_not_held(self._system.lockdep, self._cpu, self._instance(lock))


class Locking(LockMaking, SpinLocks, LocalLocks, ReadWriteLocks, Mutexes, LockQuestions):
    """The locks of each type."""
