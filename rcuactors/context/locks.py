"""The kernel's locks: raw_spinlock_t, spinlock_t, local_lock_t, mutex, each with its trylock.

A raw spinlock spins: the waiter's CPU stays where it is while others go on, and the lock is handed over first come,
first served, as queued spinlocks do (kernel/locking/qspinlock.c). spinlock_t is the same, except on PREEMPT_RT, where
it is a sleeping lock that disables migration only (kernel/locking/spinlock_rt.c; priority inheritance is not
modelled). Taking and letting go are points at which other CPUs may act.
"""

from __future__ import annotations

import enum
import itertools
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from .trace import caller_site
from .waittype import WaitType

if TYPE_CHECKING:
    from .judge import Judge
    from .lockdep import Lockdep
    from .processor import Processor, Sleeper


class LockKind(enum.Enum):
    """The type in C."""

    RAW_SPINLOCK = "raw_spinlock_t"
    SPINLOCK = "spinlock_t"
    LOCAL_LOCK = "local_lock_t"
    MUTEX = "mutex"
    MAP = "lockdep map"


_WAIT: Final = {
    LockKind.RAW_SPINLOCK: WaitType.SPIN,
    LockKind.SPINLOCK: WaitType.CONFIG,
    LockKind.LOCAL_LOCK: WaitType.CONFIG,
    LockKind.MUTEX: WaitType.SLEEP,
}


@attrs.define(eq=False)
class LockClass:
    """The locks that are one to lockdep: same name, same kind.

    `usage()` makes the four characters that splats print from bits noted on the way.
    """

    name: str
    key: int
    kind: LockKind
    inner: WaitType
    outer: WaitType | None = None
    recursive_read: bool = False
    _in_irq: list[bool] = attrs.field(factory=lambda: [False, False])
    _irqs_on: list[bool] = attrs.field(factory=lambda: [False, False])

    def note_usage(self, *, in_hardirq: bool, in_softirq: bool, hardirqs_on: bool, softirqs_on: bool) -> None:
        """mark_usage(): in which contexts, and with which interrupts enabled, the class was taken."""
        self._in_irq[0] |= in_hardirq
        self._in_irq[1] |= in_softirq
        self._irqs_on[0] |= hardirqs_on
        self._irqs_on[1] |= softirqs_on

    def usage(self) -> str:
        """get_usage_chars(): hardirq, hardirq-read, softirq, softirq-read."""
        chars = [
            ("?" if on else "-") if used else ("+" if on else ".")
            for used, on in zip(self._in_irq, self._irqs_on, strict=True)
        ]
        return f"{chars[0]}.{chars[1]}."


@attrs.define(eq=False)
class Lock:
    """One lock. `waiters` are threads in the order in which they came."""

    lock_class: LockClass
    address: int
    owner: Sleeper | None = None
    waiters: deque[Sleeper] = attrs.field(factory=deque)

    @property
    def name(self) -> str:
        """The class's name, as lockdep prints it."""
        return self.lock_class.name


class LockFactory:
    """Makes locks; locks of the same name and kind are of one class. Addresses are made up, the same in every run."""

    def __init__(self) -> None:
        self._classes: dict[tuple[str, LockKind], LockClass] = {}
        self._keys = itertools.count(1)
        self._addresses = itertools.count(0xFFFFFFFF82A00000, 0x40)

    def make(self, name: str, kind: LockKind) -> Lock:
        """A lock of the class `name`."""
        lock_class = self._classes.get((name, kind))
        if lock_class is None:
            lock_class = LockClass(name, next(self._keys), kind, _WAIT[kind])
            self._classes[name, kind] = lock_class
        return Lock(lock_class, next(self._addresses))

    def make_map(self, name: str, *, inner: WaitType, outer: WaitType) -> Lock:
        """A lockdep map that is no lock: it is entered by readers, recursively."""
        return Lock(
            LockClass(name, next(self._keys), LockKind.MAP, inner, outer, recursive_read=True), next(self._addresses)
        )


@attrs.define(eq=False, kw_only=True)
class Locks:
    """The operations, for one kernel: `rt` decides what a spinlock_t is.

    `preempt_offset` is 0 in a kernel without PREEMPT_COUNT. Every operation that takes a lock costs
    `uncontended_ns`, beside the time waited.
    """

    rt: bool
    preempt_offset: int
    lockdep: Lockdep
    judge: Judge
    uncontended_ns: int

    # -- raw_spinlock_t, and what spins like one --

    async def raw_spin_lock(self, cpu: Processor, lock: Lock, site: str = "") -> None:
        """raw_spin_lock(): preemption off, spin until it is ours."""
        await self._spin_lock(cpu, lock, site or caller_site())

    async def _spin_lock(self, cpu: Processor, lock: Lock, site: str) -> None:
        ctx = cpu.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
        ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, site=site)
        if lock.owner is None:
            lock.owner = cpu.current
        else:
            await cpu.spin(lock)
        cpu.clock += self.uncontended_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    def raw_release(self, cpu: Processor, lock: Lock) -> None:
        """Let go of a spinning lock and hand it to the first waiter; preemption stays off."""
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.owner is None:
            return
        if lock.waiters:
            lock.owner = following = lock.waiters.popleft()
            cpu.hand(following)
        else:
            lock.owner = None

    async def raw_spin_unlock(self, cpu: Processor, lock: Lock) -> None:
        """raw_spin_unlock(): let go, preemption on again."""
        if cpu.clock >= cpu.conductor.horizon:
            # The time spent under the lock must pass before others find it free.
            await cpu.point()
        self.raw_release(cpu, lock)
        cpu.ctx.preempt_count -= self.preempt_offset
        if cpu.attention:
            await cpu.point()

    def raw_spin_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """raw_spin_trylock(): take it if it is free; lockdep does not check the attempt."""
        cpu.clock += self.uncontended_ns
        if lock.owner is not None:
            return False
        cpu.ctx.preempt_count += self.preempt_offset
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=caller_site())
        lock.owner = cpu.current
        return True

    # -- spinlock_t --

    async def spin_lock(self, cpu: Processor, lock: Lock) -> None:
        """spin_lock(): spins; on PREEMPT_RT sleeps when contended (rt_spin_lock())."""
        if not self.rt:
            await self._spin_lock(cpu, lock, caller_site())
            return
        self.judge.might_sleep(cpu, rt_lock=True)
        await self._sleeping_lock(cpu, lock, caller_site())
        cpu.ctx.migrate_disabled += 1

    async def spin_unlock(self, cpu: Processor, lock: Lock) -> None:
        """spin_unlock()."""
        if not self.rt:
            await self.raw_spin_unlock(cpu, lock)
            return
        cpu.ctx.migrate_disabled -= 1
        await self._sleeping_unlock(cpu, lock)

    def spin_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """spin_trylock(): on PREEMPT_RT too it never sleeps."""
        if not self.rt:
            return self.raw_spin_trylock(cpu, lock)
        taken = self._sleeping_trylock(cpu, lock)
        cpu.ctx.migrate_disabled += taken
        return taken

    # -- sleeping locks --

    async def mutex_lock(self, cpu: Processor, lock: Lock) -> None:
        """mutex_lock(): may sleep, says so at once."""
        self.judge.might_sleep(cpu)
        await self._sleeping_lock(cpu, lock, caller_site())

    async def mutex_unlock(self, cpu: Processor, lock: Lock) -> None:
        """mutex_unlock()."""
        await self._sleeping_unlock(cpu, lock)

    def mutex_trylock(self, cpu: Processor, lock: Lock) -> bool:
        """mutex_trylock()."""
        return self._sleeping_trylock(cpu, lock)

    async def _sleeping_lock(self, cpu: Processor, lock: Lock, site: str) -> None:
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, site=site)
        if lock.owner is None:
            lock.owner = cpu.current
        else:
            await cpu.sleep_on(lock)
        cpu.clock += self.uncontended_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _sleeping_unlock(self, cpu: Processor, lock: Lock) -> None:
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
        if self.lockdep.on:
            self.lockdep.release(cpu, lock)
        if lock.waiters:
            lock.owner = following = lock.waiters.popleft()
            cpu.hand(following)
        else:
            lock.owner = None
        if cpu.attention:
            await cpu.point()

    def _sleeping_trylock(self, cpu: Processor, lock: Lock) -> bool:
        cpu.clock += self.uncontended_ns
        if lock.owner is not None:
            return False
        if self.lockdep.on:
            self.lockdep.acquire(cpu, lock, trylock=True, site=caller_site())
        lock.owner = cpu.current
        return True
