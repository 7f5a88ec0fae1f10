"""Locks: making them, taking them, letting go.

include/linux/spinlock.h, include/linux/rwlock.h, include/linux/local_lock.h, include/linux/mutex.h,
include/linux/rwsem.h, include/linux/rtmutex.h.
"""

from __future__ import annotations

from ..context.locks import MAX_SUBCLASSES, Lock, LockKind
from ..context.trace import caller_site
from ..errors import BadInput
from ..mm.objects import KObject
from .base import KernelBase


def _is_lock(lock: object, what: str = "a lock") -> None:
    if not isinstance(lock, Lock):
        raise BadInput(f"{lock!r} is no lock: {what} comes from k.spinlock(), k.mutex() and the like")


def _expect(lock: Lock, *kinds: LockKind) -> None:
    if lock.__class__ is not Lock:
        _is_lock(lock)
    kind = lock.lock_class.kind
    if kind not in kinds:
        wanted = " or ".join(one.value for one in kinds)
        raise BadInput(f"lock {lock.name} is a {kind.value}; this function takes a {wanted}")


def _expect_subclass(lock: Lock, subclass: int) -> None:
    if subclass.__class__ is not int or not 0 <= subclass < MAX_SUBCLASSES:
        raise BadInput(f"lock {lock.name}: subclass {subclass!r} needs to be a whole number from 0 to 7")


class LockMaking(KernelBase):
    """Locks of each type.

    Two locks of the same name and type are of one lockdep class. `inside` puts the lock into an object from kmalloc()
    or vmalloc(): freeing that while the lock is held is reported, and so is everything that is done with the lock when
    the object is free.
    """

    def _make(self, name: str, kind: LockKind, inside: KObject | None) -> Lock:
        if inside is None:
            return self._system.lock_factory.make(name, kind)
        self._expect_object(inside)
        lock = self._system.lock_factory.make(name, kind, address=inside.place_for_member())
        return self._member(inside, lock)

    def raw_spinlock(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DEFINE_RAW_SPINLOCK(name)."""
        return self._make(name, LockKind.RAW_SPINLOCK, inside)

    def spinlock(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DEFINE_SPINLOCK(name)."""
        return self._make(name, LockKind.SPINLOCK, inside)

    def rwlock(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DEFINE_RWLOCK(name)."""
        return self._make(name, LockKind.RWLOCK, inside)

    def local_lock_t(self, name: str) -> Lock:
        """A local_lock_t; of a per-CPU variable, make one for each CPU that uses it."""
        return self._make(name, LockKind.LOCAL_LOCK, None)

    def mutex(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DEFINE_MUTEX(name)."""
        return self._make(name, LockKind.MUTEX, inside)

    def rwsem(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DECLARE_RWSEM(name)."""
        return self._make(name, LockKind.RWSEM, inside)

    def rt_mutex(self, name: str, *, inside: KObject | None = None) -> Lock:
        """DEFINE_RT_MUTEX(name)."""
        return self._make(name, LockKind.RT_MUTEX, inside)

    def lock_init(self, lock: Lock) -> None:
        """spin_lock_init(), mutex_init() and the like on a lock that exists: reported if it is held."""
        _is_lock(lock)
        if lock.inside is not None:
            self._cpu.judge.used(self._cpu, lock.inside, lock.name)
        self._system.lockdep.check_no_locks_freed(self._cpu, lock.address, 1)

    def this_rq_lock(self) -> Lock:
        """The lock of this CPU's run queue, &rq->lock, which the scheduler holds when it changes who runs."""
        return self._cpu.runqueue.lock

    def zone_lock(self) -> Lock:
        """&zone->lock of the page allocator."""
        return self._machine.pages.zone.lock


class SpinLocks(KernelBase):
    """raw_spinlock_t, spinlock_t, local_lock_t.

    Every function raises BadInput for a lock of another type. A trylock says whether it took the lock. `subclass` is
    that of the *_nested() form; `nest_lock` a held lock that serializes the nesting.
    """

    # -- raw_spinlock_t --

    async def raw_spin_lock(self, lock: Lock) -> None:
        """Spin until it is ours, preemption off."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_lock(self._cpu, lock, caller_site())

    async def raw_spin_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        _expect_subclass(lock, subclass)
        await self._locks.raw_spin_lock(self._cpu, lock, caller_site(), subclass=subclass)

    async def raw_spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        await self._locks.raw_spin_unlock(self._cpu, lock)

    async def raw_spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off, then spin; returns the flags."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        cpu, site = self._cpu, caller_site()
        flags = cpu.local_irq_save(site)
        await self._locks.raw_spin_lock(cpu, lock, site)
        return flags

    async def raw_spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        cpu = self._cpu
        await self._locks.raw_spin_unlock(cpu, lock)
        await cpu.local_irq_restore(flags)

    async def raw_spin_lock_irq(self, lock: Lock) -> None:
        """Interrupts off, then spin."""
        await self.raw_spin_lock_irqsave(lock)

    async def raw_spin_unlock_irq(self, lock: Lock) -> None:
        """Let go, interrupts on."""
        await self.raw_spin_unlock_irqrestore(lock, False)

    def raw_spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.RAW_SPINLOCK)
        return self._locks.raw_spin_trylock(self._cpu, lock)

    # -- spinlock_t --

    async def spin_lock(self, lock: Lock) -> None:
        """Spin; on PREEMPT_RT sleep."""
        _expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_lock(self._thread, lock)

    async def spin_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        _expect(lock, LockKind.SPINLOCK)
        _expect_subclass(lock, subclass)
        await self._locks.spin_lock(self._thread, lock, subclass=subclass)

    async def spin_lock_nest_lock(self, lock: Lock, nest_lock: Lock) -> None:
        """The same, under a lock that whoever takes several of this class holds."""
        _expect(lock, LockKind.SPINLOCK)
        _is_lock(nest_lock, "the nest lock")
        await self._locks.spin_lock(self._thread, lock, nest=nest_lock)

    async def spin_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.SPINLOCK)
        await self._locks.spin_unlock(self._cpu, lock)

    async def spin_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as spin_lock()."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        flags = cpu.ctx.irqs_disabled if self._locks.rt else cpu.local_irq_save(caller_site())
        await self._locks.spin_lock(cpu.current, lock)
        return flags

    async def spin_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        if not self._locks.rt:
            await cpu.local_irq_restore(flags)

    async def spin_lock_bh(self, lock: Lock) -> None:
        """Bottom halves off, then as spin_lock()."""
        _expect(lock, LockKind.SPINLOCK)
        thread = self._thread
        await self._system.softirqs.local_bh_disable(thread)
        await self._locks.spin_lock(thread, lock)

    async def spin_unlock_bh(self, lock: Lock) -> None:
        """Let go, bottom halves on again; what was raised meanwhile is served now."""
        _expect(lock, LockKind.SPINLOCK)
        cpu = self._cpu
        await self._locks.spin_unlock(cpu, lock)
        await self._system.softirqs.local_bh_enable(cpu)

    def spin_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.SPINLOCK)
        return self._locks.spin_trylock(self._cpu, lock)

    # -- local_lock_t --

    async def local_lock(self, lock: Lock) -> None:
        """Preemption off; on PREEMPT_RT a sleeping lock."""
        _expect(lock, LockKind.LOCAL_LOCK)
        await self._locks.local_lock(self._cpu, lock)

    async def local_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.LOCAL_LOCK)
        await self._locks.spin_unlock(self._cpu, lock)


class ReadWriteLocks(KernelBase):
    """rwlock_t and rw_semaphore: many readers, or one writer.

    Every function raises BadInput for a lock of another type. A reader that is not in an interrupt queues behind a
    writer that waits.
    """

    async def read_lock(self, lock: Lock) -> None:
        """Shared; spins, on PREEMPT_RT sleeps."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.read_lock(self._thread, lock)

    async def read_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.read_unlock(self._cpu, lock)

    async def write_lock(self, lock: Lock) -> None:
        """Exclusive; spins, on PREEMPT_RT sleeps."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.write_lock(self._thread, lock)

    async def write_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.write_unlock(self._cpu, lock)

    async def read_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as read_lock(); returns the flags."""
        _expect(lock, LockKind.RWLOCK)
        flags = self._cpu.ctx.irqs_disabled if self._locks.rt else self._cpu.local_irq_save(caller_site())
        await self._locks.read_lock(self._thread, lock)
        return flags

    async def read_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.read_unlock(self._cpu, lock)
        if not self._locks.rt:
            await self._cpu.local_irq_restore(flags)

    async def write_lock_irqsave(self, lock: Lock) -> bool:
        """Interrupts off (not on PREEMPT_RT), then as write_lock(); returns the flags."""
        _expect(lock, LockKind.RWLOCK)
        flags = self._cpu.ctx.irqs_disabled if self._locks.rt else self._cpu.local_irq_save(caller_site())
        await self._locks.write_lock(self._thread, lock)
        return flags

    async def write_unlock_irqrestore(self, lock: Lock, flags: bool) -> None:
        """Let go, interrupts as they were."""
        _expect(lock, LockKind.RWLOCK)
        await self._locks.write_unlock(self._cpu, lock)
        if not self._locks.rt:
            await self._cpu.local_irq_restore(flags)

    def read_trylock(self, lock: Lock) -> bool:
        """Shared, if no writer has it."""
        _expect(lock, LockKind.RWLOCK)
        return self._locks.read_trylock(self._cpu, lock)

    def write_trylock(self, lock: Lock) -> bool:
        """Exclusive, if it is free."""
        _expect(lock, LockKind.RWLOCK)
        return self._locks.spin_trylock(self._cpu, lock)

    async def down_read(self, lock: Lock) -> None:
        """Shared; sleeps."""
        _expect(lock, LockKind.RWSEM)
        await self._locks.down_read(self._thread, lock)

    async def up_read(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RWSEM)
        await self._locks.up_read(self._thread, lock)

    async def down_write(self, lock: Lock) -> None:
        """Exclusive; sleeps."""
        _expect(lock, LockKind.RWSEM)
        await self._locks.down_write(self._thread, lock)

    async def up_write(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RWSEM)
        await self._locks.up_write(self._thread, lock)

    def down_read_trylock(self, lock: Lock) -> bool:
        """Shared, if it can be had at once."""
        _expect(lock, LockKind.RWSEM)
        return self._locks.down_read_trylock(self._cpu, lock)

    def down_write_trylock(self, lock: Lock) -> bool:
        """Exclusive, if it is free."""
        _expect(lock, LockKind.RWSEM)
        return self._locks.mutex_trylock(self._cpu, lock)


class Mutexes(KernelBase):
    """mutex and rt_mutex. Every function raises BadInput for a lock of another type."""

    async def mutex_lock(self, lock: Lock) -> None:
        """Sleep until it is ours."""
        _expect(lock, LockKind.MUTEX)
        await self._locks.mutex_lock(self._thread, lock)

    async def mutex_lock_nested(self, lock: Lock, subclass: int) -> None:
        """The same; to lockdep the lock is one of a class of its own."""
        _expect(lock, LockKind.MUTEX)
        _expect_subclass(lock, subclass)
        await self._locks.mutex_lock(self._thread, lock, subclass=subclass)

    async def mutex_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.MUTEX)
        await self._locks.mutex_unlock(self._thread, lock)

    def mutex_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.MUTEX)
        return self._locks.mutex_trylock(self._cpu, lock)

    async def rt_mutex_lock(self, lock: Lock) -> None:
        """Sleep until it is ours."""
        _expect(lock, LockKind.RT_MUTEX)
        await self._locks.mutex_lock(self._thread, lock)

    async def rt_mutex_unlock(self, lock: Lock) -> None:
        """Let go."""
        _expect(lock, LockKind.RT_MUTEX)
        await self._locks.mutex_unlock(self._thread, lock)

    def rt_mutex_trylock(self, lock: Lock) -> bool:
        """Take it if it is free."""
        _expect(lock, LockKind.RT_MUTEX)
        return self._locks.mutex_trylock(self._cpu, lock)


class Locking(LockMaking, SpinLocks, ReadWriteLocks, Mutexes):
    """The locks of each type."""
