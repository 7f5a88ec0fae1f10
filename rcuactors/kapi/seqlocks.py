"""seqcount_t and seqlock_t (include/linux/seqlock.h)."""

from __future__ import annotations

from ..context.lockdep import demands
from ..context.locks import Lock, LockKind
from ..context.trace import caller_site
from ..kernel.locking import seqlock
from ..kernel.locking.seqlock import Seqcount, Seqlock
from .base import Inside
from .lock_making import expect
from .objects import Objects


class Seqcounts(Objects):
    """seqcount_t and its kin with an associated lock.

    Readers are legal in every context, if no writer can be below them; read_seqcount_begin() spins while somebody
    writes. Writers demand what keeps other writers away, in a kernel with lockdep: the lock, or, of a plain seqcount_t,
    preemption off. Raises BadInput for a lock of another type.
    """

    def _seqcount(self, name: str, lock: Lock | None, inside: Inside | None) -> Seqcount:
        dep_map = self._system.lock_factory.make(name, LockKind.MAP)
        return self._member(inside, Seqcount(name, dep_map, lock))

    def seqcount_t(self, name: str = "seqcount", *, inside: Inside | None = None) -> Seqcount:
        """seqcount_init() of a seqcount_t: what keeps writers apart is the caller's business."""
        return self._seqcount(name, None, inside)

    def seqcount_spinlock(self, name: str, lock: Lock, *, inside: Inside | None = None) -> Seqcount:
        """seqcount_spinlock_init(): writers hold that spinlock_t."""
        expect(lock, LockKind.SPINLOCK)
        return self._seqcount(name, lock, inside)

    def seqcount_raw_spinlock(self, name: str, lock: Lock, *, inside: Inside | None = None) -> Seqcount:
        """seqcount_raw_spinlock_init(): writers hold that raw_spinlock_t."""
        expect(lock, LockKind.RAW_SPINLOCK)
        return self._seqcount(name, lock, inside)

    def seqcount_rwlock(self, name: str, lock: Lock, *, inside: Inside | None = None) -> Seqcount:
        """seqcount_rwlock_init(): writers hold that rwlock_t."""
        expect(lock, LockKind.RWLOCK)
        return self._seqcount(name, lock, inside)

    def seqcount_mutex(self, name: str, lock: Lock, *, inside: Inside | None = None) -> Seqcount:
        """seqcount_mutex_init(): writers hold that mutex; preemption is off while they write, but on PREEMPT_RT."""
        expect(lock, LockKind.MUTEX)
        return self._seqcount(name, lock, inside)

    async def read_seqcount_begin(self, s: Seqcount) -> int:
        """read_seqcount_begin(): the count, for read_seqcount_retry()."""
        return await seqlock.read_begin(self._thread, s)

    def read_seqcount_retry(self, s: Seqcount, start: int) -> bool:
        """read_seqcount_retry(): whether somebody has written since, so that what was read is worth nothing."""
        return seqlock.read_retry(self._cpu, s, start)

    def write_seqcount_begin(self, s: Seqcount) -> None:
        """write_seqcount_begin(): readers wait from now on, or retry."""
        cpu, site = self._cpu, caller_site()
        if s.lock is not None:
            demands.assert_held(self._system.lockdep, cpu, s.lock, "lockdep_is_held(l)")
        elif self._system.config.preempt_count and cpu.ctx.preemptible():
            demands.warn_on_once(self._system.lockdep, cpu, "debug_locks && preemptible()", site)
        if seqlock.leaves_preemption_on(cpu, s):
            cpu.preempt_disable(site)
            self._machine.book.preempt_disabled(cpu, site)
        seqlock.write_begin(cpu, s, site)

    async def write_seqcount_end(self, s: Seqcount) -> None:
        """write_seqcount_end(): what was written is whole."""
        cpu = self._cpu
        seqlock.write_end(cpu, s)
        if seqlock.leaves_preemption_on(cpu, s):
            self._machine.book.preempt_enabled(cpu)
            await cpu.preempt_enable()


class Seqlocks(Seqcounts):
    """seqlock_t: a spinlock_t for writers, and a sequence count for readers."""

    def seqlock_t(self, name: str = "seqlock", *, inside: Inside | None = None) -> Seqlock:
        """DEFINE_SEQLOCK(name), seqlock_init()."""
        lock = self._make(f"{name}.lock", LockKind.SPINLOCK, inside)
        return Seqlock(self._seqcount(f"{name}.seqcount", lock, inside), lock)

    async def read_seqbegin(self, sl: Seqlock) -> int:
        """read_seqbegin(): the count, for read_seqretry(). Spins while somebody writes, on PREEMPT_RT sleeps."""
        return await seqlock.read_begin(self._thread, sl.seqcount)

    def read_seqretry(self, sl: Seqlock, start: int) -> bool:
        """read_seqretry(): whether somebody has written since."""
        return seqlock.read_retry(self._cpu, sl.seqcount, start)

    async def write_seqlock(self, sl: Seqlock) -> None:
        """write_seqlock(): spin_lock(), and readers retry from now on."""
        cpu = await self._locks.spin_lock(self._thread, sl.lock)
        seqlock.write_begin(cpu, sl.seqcount, caller_site())

    async def write_sequnlock(self, sl: Seqlock) -> None:
        """write_sequnlock(): what was written is whole; spin_unlock()."""
        seqlock.write_end(self._cpu, sl.seqcount)
        await self._locks.spin_unlock(self._cpu, sl.lock)

    async def write_seqlock_bh(self, sl: Seqlock) -> None:
        """write_seqlock_bh(): spin_lock_bh(), for readers in softirqs."""
        await self.spin_lock_bh(sl.lock)
        seqlock.write_begin(self._cpu, sl.seqcount, caller_site())

    async def write_sequnlock_bh(self, sl: Seqlock) -> None:
        """write_sequnlock_bh()."""
        seqlock.write_end(self._cpu, sl.seqcount)
        await self.spin_unlock_bh(sl.lock)

    async def write_seqlock_irq(self, sl: Seqlock) -> None:
        """write_seqlock_irq(): spin_lock_irq(), for readers in hardirqs."""
        await self.write_seqlock_irqsave(sl)

    async def write_sequnlock_irq(self, sl: Seqlock) -> None:
        """write_sequnlock_irq()."""
        seqlock.write_end(self._cpu, sl.seqcount)
        await self.spin_unlock_irq(sl.lock)

    async def write_seqlock_irqsave(self, sl: Seqlock) -> bool:
        """write_seqlock_irqsave(): returns the flags."""
        flags = await self.spin_lock_irqsave(sl.lock)
        seqlock.write_begin(self._cpu, sl.seqcount, caller_site())
        return flags

    async def write_sequnlock_irqrestore(self, sl: Seqlock, flags: bool) -> None:
        """write_sequnlock_irqrestore()."""
        seqlock.write_end(self._cpu, sl.seqcount)
        await self.spin_unlock_irqrestore(sl.lock, flags)

    async def read_seqlock_excl(self, sl: Seqlock) -> None:
        """read_seqlock_excl(): a reader that keeps writers away: spin_lock()."""
        await self._locks.spin_lock(self._thread, sl.lock)

    async def read_sequnlock_excl(self, sl: Seqlock) -> None:
        """read_sequnlock_excl()."""
        await self._locks.spin_unlock(self._cpu, sl.lock)
