"""The per-CPU page lists, struct per_cpu_pages, and what guards them in which kernel (mm/page_alloc.c), order 0 only.

v5.9 and v5.10 touch a CPU's list with interrupts off and no lock; on PREEMPT_RT under a local_lock instead, as the
patches of that time have it (docs, assumptions). v6.1 gives each list a spinlock_t, leaves interrupts alone, pins the
task and only ever tries the lock: when it is taken, by an interrupted user of the list or by a drain, the page comes
from, or goes to, the zone itself. An era picks one of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from ...context.locks import Lock, LockKind
from ...marks import MACHINERY

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread


@attrs.define(eq=False)
class PageList:
    """struct per_cpu_pages: the free pages of one CPU, most recently freed last.

    `free_factor` doubles what is given back at a time while a CPU only frees.
    """

    pages: list[int] = attrs.field(factory=list)
    lock: Lock | None = None
    free_factor: int = 0


@attrs.frozen(kw_only=True)
class ZoneSizes:
    """What the limits of a list are made of, in pages.

    `batchsize` is what zone_batchsize() says, 0 for a small zone, `batch` what is moved at a time, at least 1.
    """

    batchsize: int
    batch: int
    watermark_low: int
    nr_cpus: int


class PageLists(Protocol):
    """How one kernel guards and sizes its lists."""

    buddy_fallback: bool
    """A request that the list could not serve goes to the zone itself."""

    def __init__(self, system: System) -> None: ...

    def new(self) -> PageList:
        """The list of one CPU."""
        ...

    def high(self, sizes: ZoneSizes) -> int:
        """pcp->high: how long a list may get."""
        ...

    def limit(self, high: int, batch: int, reclaim_active: bool) -> int:
        """How long it may get now (nr_pcp_high())."""
        ...

    def note_allocation(self, pages: PageList) -> None:
        """A page is taken off the list."""
        ...

    def to_free(self, pages: PageList, high: int, batch: int) -> int:
        """How many pages to give back of a list that is too long (nr_pcp_free())."""
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
    """v5.9 and v5.10: interrupts off, or the local_lock of PREEMPT_RT. A list of six batches."""

    buddy_fallback = False

    def __init__(self, system: System) -> None:
        self._system = system

    def new(self) -> PageList:
        """The list of one CPU."""
        if not self._system.config.PREEMPT_RT:
            return PageList()
        return PageList(lock=self._system.lock_factory.make("pagesets.lock", LockKind.LOCAL_LOCK))

    def high(self, sizes: ZoneSizes) -> int:
        """pageset_set_batch() multiplies before 0 becomes 1.

        So in a zone below 32 MB it is 0, and a page that is freed goes straight back to the zone (mm/page_alloc.c).
        """
        return 6 * sizes.batchsize

    def limit(self, high: int, _batch: int, _reclaim_active: bool) -> int:
        """Always the same."""
        return high

    def note_allocation(self, pages: PageList) -> None:
        """Nothing to note."""

    def to_free(self, _pages: PageList, _high: int, batch: int) -> int:
        """One batch (free_unref_page_commit())."""
        return batch

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
    """v6.1: pcp->lock, tried with the task pinned (pcpu_spin_trylock()), interrupts as they are."""

    buddy_fallback = True

    def __init__(self, system: System) -> None:
        self._system = system

    def new(self) -> PageList:
        """The list of one CPU."""
        return PageList(lock=self._system.lock_factory.make("&pcp->lock", LockKind.SPINLOCK))

    def high(self, sizes: ZoneSizes) -> int:
        """zone_highsize(): the low watermark shared out to the CPUs, at least four batches."""
        return max(sizes.watermark_low // sizes.nr_cpus, 4 * sizes.batch)

    def limit(self, high: int, batch: int, reclaim_active: bool) -> int:
        """Four batches at most while kswapd works (ZONE_RECLAIM_ACTIVE)."""
        return min(4 * batch, high) if reclaim_active else high

    def note_allocation(self, pages: PageList) -> None:
        """Halves the factor (rmqueue_pcplist())."""
        pages.free_factor >>= 1

    def to_free(self, pages: PageList, high: int, batch: int) -> int:
        """Twice as many each time, from one batch to all but one."""
        if high < batch:
            return 1
        most, wanted = high - batch, batch << pages.free_factor
        if wanted < most:
            pages.free_factor += 1
        return max(batch, min(wanted, most))

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
