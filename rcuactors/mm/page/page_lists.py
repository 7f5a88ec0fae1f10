"""The per-CPU page lists, struct per_cpu_pages, and what guards them in which kernel (mm/page_alloc.c), order 0 only.

v5.9 and v5.10 touch a CPU's list with interrupts off and no lock; on PREEMPT_RT under a local_lock instead, as the
patches of that time have it (docs, assumptions). v6.1.0 gives each list a spinlock_t, pins the task, and only ever
tries the lock, with interrupts off as long as it is held (pcp_spin_trylock_irqsave()): when it is taken, by a drain,
the page comes from, or goes to, the zone itself. Commit 574907741599 (v6.2, and stable 6.1) leaves interrupts alone: a
user of the list that is interrupted may have the lock, too. An era picks one of the three; how long the lists get is
list_sizes.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ...context.locks import Lock, LockKind
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_trylock_irqsave, spin_unlock_irqrestore
from ...marks import MACHINERY

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread

MIGRATE_PCPTYPES: Final = 3
"""Lists of order 0: of MIGRATE_UNMOVABLE, MIGRATE_MOVABLE and MIGRATE_RECLAIMABLE pages."""


@attrs.define(eq=False)
class PageList:
    """struct per_cpu_pages: the free pages of one CPU, most recently freed last.

    `pages` are of the type that the kernel's own requests are for (MIGRATE_UNMOVABLE). `others` are pages of other
    migrate types, on lists of their own: such a request cannot have them, but pcp->count has them. What follows the
    lock belongs to the sizes (list_sizes.py): each version uses its own.
    """

    pages: list[int] = attrs.field(factory=list)
    others: int = 0
    lock: Lock | None = None
    free_factor: int = 0
    alloc_factor: int = 0
    free_count: int = 0
    high: int = 0

    @property
    def count(self) -> int:
        """pcp->count."""
        return len(self.pages) + self.others


def freed_type_first(own: int, _others: int, count: int) -> int:
    """free_pcppages_bulk() of v6.1.0 and later: of `count` pages to give back, so many are of the type just freed."""
    return min(own, count)


def types_in_turn(own: int, others: int, count: int) -> int:
    """The same of v5.9 and v5.11: from each type in turn, more from it the more types were found empty before it.

    Here MIGRATE_UNMOVABLE is what is freed, MIGRATE_MOVABLE are the others, and of MIGRATE_RECLAIMABLE there are none.
    """
    left = [own, others, 0]
    of_type = batch_free = 0
    count = min(count, own + others)
    while count:
        batch_free += 1
        of_type = (of_type + 1) % MIGRATE_PCPTYPES
        if not left[of_type]:
            continue
        if batch_free == MIGRATE_PCPTYPES:
            batch_free = count
        taken = min(batch_free, count, left[of_type])
        left[of_type] -= taken
        count -= taken
        batch_free -= taken
    return own - left[0]


class PageLists(Protocol):
    """How one kernel guards its lists."""

    buddy_fallback: bool
    """A request that the list could not serve goes to the zone itself."""

    def __init__(self, system: System) -> None: ...

    def new(self) -> PageList:
        """The list of one CPU."""
        ...

    async def try_enter(self, cpu: Cpu, pages: PageList) -> bool | None:
        """To allocate or free: the flags to leave with, or None when the list is busy."""
        ...

    async def enter_at_once(self, cpu: Cpu, pages: PageList) -> bool | None:
        """The same for who must not wait on any kernel."""
        ...

    async def leave(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """After try_enter() or enter_at_once()."""
        ...

    async def enter_drain(self, thread: Thread, pages: PageList) -> tuple[Cpu, bool]:
        """To empty the list (drain_pages_zone()): waits for it. The CPU that this pins to, and the flags."""
        ...

    async def leave_drain(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """After enter_drain()."""
        ...


class InterruptsOff:
    """v5.9 and v5.10: interrupts off, or the local_lock of PREEMPT_RT."""

    buddy_fallback = False

    def __init__(self, system: System) -> None:
        self._system = system

    def new(self) -> PageList:
        """The list of one CPU."""
        if not self._system.config.PREEMPT_RT:
            return PageList()
        return PageList(lock=self._system.lock_factory.make("pagesets.lock", LockKind.LOCAL_LOCK))

    async def try_enter(self, cpu: Cpu, pages: PageList) -> bool | None:
        """Never fails."""
        if pages.lock is not None:
            await self._system.locks.local_lock(cpu, pages.lock)
            return False
        return cpu.local_irq_save("rmqueue_pcplist")

    async def enter_at_once(self, cpu: Cpu, pages: PageList) -> bool | None:
        """Interrupts off. The local_lock of PREEMPT_RT is tried: interrupts off would not keep its holder away."""
        if pages.lock is None:
            return cpu.local_irq_save("rmqueue_pcplist")
        return False if self._system.locks.spin_trylock(cpu, pages.lock) else None

    async def leave(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """Interrupts as they were."""
        if pages.lock is not None:
            await self._system.locks.spin_unlock(cpu, pages.lock)
        else:
            await cpu.local_irq_restore(flags)

    async def enter_drain(self, thread: Thread, pages: PageList) -> tuple[Cpu, bool]:
        """As for anything else."""
        cpu = thread.cpu
        flags = await self.try_enter(cpu, pages)
        assert flags is not None
        return cpu, flags

    async def leave_drain(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """As for anything else."""
        await self.leave(cpu, pages, flags)


class TriedLock:
    """v6.2 and stable 6.1: pcp->lock, tried with the task pinned (pcpu_spin_trylock()), interrupts as they are."""

    buddy_fallback = True

    def __init__(self, system: System) -> None:
        self._system = system

    def new(self) -> PageList:
        """The list of one CPU."""
        return PageList(lock=self._system.lock_factory.make("&pcp->lock", LockKind.SPINLOCK))

    def _pin(self, cpu: Cpu) -> None:
        """pcpu_task_pin()."""
        if self._system.config.PREEMPT_RT:
            cpu.current.migrate_disable()
        else:
            cpu.preempt_disable("rmqueue_pcplist")

    async def _unpin(self, cpu: Cpu) -> None:
        if self._system.config.PREEMPT_RT:
            cpu.migrate_enable()
        else:
            await cpu.preempt_enable()

    async def try_enter(self, cpu: Cpu, pages: PageList) -> bool | None:
        """Fails when the lock is taken."""
        assert pages.lock is not None
        self._pin(cpu)
        if self._system.locks.spin_trylock(cpu, pages.lock):
            return False
        await self._unpin(cpu)
        return None

    async def enter_at_once(self, cpu: Cpu, pages: PageList) -> bool | None:
        """Nothing else is ever done."""
        return await self.try_enter(cpu, pages)

    async def leave(self, cpu: Cpu, pages: PageList, _flags: bool) -> None:
        """Unlock, unpin."""
        assert pages.lock is not None
        await self._system.locks.spin_unlock(cpu, pages.lock)
        await self._unpin(cpu)

    async def enter_drain(self, thread: Thread, pages: PageList) -> tuple[Cpu, bool]:
        """Waits: the drain of another CPU may have it."""
        assert pages.lock is not None
        return await self._system.locks.spin_lock(thread, pages.lock), False

    async def leave_drain(self, cpu: Cpu, pages: PageList, _flags: bool) -> None:
        """Unlock."""
        assert pages.lock is not None
        await self._system.locks.spin_unlock(cpu, pages.lock)


class TriedLockIrqsave(TriedLock):
    """v6.1.0: the same with interrupts off, but on PREEMPT_RT (pcpu_spin_trylock_irqsave())."""

    async def try_enter(self, cpu: Cpu, pages: PageList) -> bool | None:
        """Fails when the lock is taken."""
        assert pages.lock is not None
        self._pin(cpu)
        flags = await spin_trylock_irqsave(self._system.locks, cpu, pages.lock, "rmqueue_pcplist")
        if flags is None:
            await self._unpin(cpu)
        return flags

    async def leave(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """Unlock, interrupts as they were, unpin."""
        assert pages.lock is not None
        await spin_unlock_irqrestore(self._system.locks, cpu, pages.lock, flags)
        await self._unpin(cpu)

    async def enter_drain(self, thread: Thread, pages: PageList) -> tuple[Cpu, bool]:
        """spin_lock_irqsave(): waits."""
        assert pages.lock is not None
        return await spin_lock_irqsave(self._system.locks, thread, pages.lock, "drain_pages_zone")

    async def leave_drain(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        """spin_unlock_irqrestore()."""
        assert pages.lock is not None
        await spin_unlock_irqrestore(self._system.locks, cpu, pages.lock, flags)
