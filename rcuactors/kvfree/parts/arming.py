"""Arming: how a version remembers that the monitor will run, with which delay, and when it has to run once more.

Everything here runs under krcp->lock. The monitor's delay is never 0, so arming it takes the timer base's lock only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..figures import ArmingStatistics

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ..core import KvfreeRcu
    from ..krc import Krc

_WHATEVER_COMES: Final = 1 << 62


def drain_jiffies(kvfree: KvfreeRcu) -> int:
    """KFREE_DRAIN_JIFFIES."""
    return max(kvfree.system.config.HZ * kvfree.rules.drain_ms // 1000, 1)


# -- v5.9 to v5.11 -----------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Todo:
    """krcp->monitor_todo: the monitor has been armed and has not run since."""

    monitor_todo: bool = False


class TodoFlag:
    """v5.9 to v5.11: a flag, and always the same delay.

    The monitor does nothing when the flag is down. Its timer may be pending all the same, after the shrinker has
    started a batch; who arms it then finds the work pending, and gets that timer's time.
    """

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.delay_jiffies = drain_jiffies(kvfree)
        self._slot = kvfree.slots.add(Todo)
        self.of = self._slot.of

    def statistics(self) -> ArmingStatistics:
        """Its figures, as they are now."""
        return ArmingStatistics(armed=sum(self.of(krcp).monitor_todo for krcp in self._kvfree.all_krcs()))

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it unless it is."""
        if not self.of(krcp).monitor_todo:
            await self._arm(cpu, krcp)

    async def _arm(self, cpu: Cpu, krcp: Krc, *, on: Cpu | None = None) -> None:
        """schedule_delayed_work(&krcp->monitor_work, KFREE_DRAIN_JIFFIES)."""
        self.of(krcp).monitor_todo = True
        krcp.settled = _WHATEVER_COMES
        krcp.cancelled = None
        workqueues = self._kvfree.workqueues
        await workqueues.queue_delayed_work(cpu, self._kvfree.workqueue, krcp.monitor_work, self.delay_jiffies, on=on)

    def due(self, krcp: Krc) -> bool:
        """The flag is up; it is taken down for the attempt that follows."""
        mine = self.of(krcp)
        if not mine.monitor_todo:
            return False
        mine.monitor_todo = False
        krcp.settled = 0
        return True

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:
        """Once more when something had to stay, if only in the first of the batches.

        So when the second batch takes all that the first had no room for, it is armed for nothing.
        """
        if stayed:
            await self._arm(cpu, krcp)

    async def armed_again(self, cpu: Cpu, krcp: Krc, *, locked: bool) -> None:  # noqa: ARG002
        """As when an object is queued. None of these versions has such a monitor."""
        await self.queued(cpu, krcp)

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it, on its own CPU, where the rcu_head list holds something. These versions look at nothing else."""
        if krcp.head and not self.of(krcp).monitor_todo:
            await self._arm(cpu, krcp, on=self._kvfree.system.cpu(krcp.cpu_id))


# -- since v5.13 -------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Pending:
    """The jiffy for which the monitor's timer was asked (timer.expires); the wheel may round it up."""

    monitor_expires: int = 0


@attrs.frozen
class Timing:
    """What a version has to say of the delay, in jiffies: as a rule, and once `full` objects wait."""

    delay_jiffies: int
    full: int


def delay_wanted(krcp: Krc, mine: Pending, timing: Timing, now: int, *, pending: bool) -> int | None:
    """schedule_delayed_monitor_work() as a plain function: the delay to ask for, in jiffies, or None for none.

    In a jiffy if a block's worth waits, else KFREE_DRAIN_JIFFIES; a timer that runs is only ever shortened.
    """
    delay = 1 if krcp.count >= timing.full else timing.delay_jiffies
    krcp.settled = timing.full - 1 if delay > 1 else _WHATEVER_COMES
    if pending and delay >= mine.monitor_expires - now:
        return None
    mine.monitor_expires = now + delay
    krcp.cancelled = None
    return delay


class PendingTimer:
    """v6.1.0 and v6.1.192: armed is what delayed_work_pending() says, and a block's worth of objects does not wait."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.delay_jiffies = drain_jiffies(kvfree)
        self._timing = Timing(self.delay_jiffies, kvfree.rules.block_capacity)
        self._slot = kvfree.slots.add(Pending)
        self.of = self._slot.of

    def statistics(self) -> ArmingStatistics:
        """Its figures, as they are now."""
        return ArmingStatistics(armed=sum(krcp.monitor_work.work.pending for krcp in self._kvfree.all_krcs()))

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it, or shorten its delay."""
        await self.schedule_delayed_monitor_work(cpu, krcp)

    async def schedule_delayed_monitor_work(self, cpu: Cpu, krcp: Krc) -> None:
        """schedule_delayed_monitor_work(): in a jiffy if a block's worth waits, else in KFREE_DRAIN_JIFFIES."""
        work, now = krcp.monitor_work, cpu.clock // self._kvfree.system.config.jiffy_ns
        pending = work.work.pending
        delay = delay_wanted(krcp, self.of(krcp), self._timing, now, pending=pending)
        if delay is None:
            return
        if pending:
            await self._kvfree.outside.mod_delayed_work(cpu, self._kvfree.workqueue, work, delay)
        else:
            await self._kvfree.workqueues.queue_delayed_work(cpu, self._kvfree.workqueue, work, delay)

    def due(self, _krcp: Krc) -> bool:
        """Whoever comes may try."""
        return True

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:  # noqa: ARG002
        """Once more when anything is left in the end."""
        if krcp.anything_queued():
            await self.schedule_delayed_monitor_work(cpu, krcp)

    async def armed_again(self, cpu: Cpu, krcp: Krc, *, locked: bool) -> None:
        """The same; with krcp->lock or without, by the version."""
        if locked or krcp.monitor_work.work.pending:
            await self.schedule_delayed_monitor_work(cpu, krcp)
        else:
            await self._queue_unlocked(cpu, krcp)

    async def _queue_unlocked(self, cpu: Cpu, krcp: Krc) -> None:
        """The pending bit is set first, then timer.expires: who looks in between sees the time of last time.

        Under krcp->lock nobody looks (commit a23da88c6c80). Who was misled believes that the timer comes soon, so what
        it has concluded for those after it is forgotten here.
        """
        work, mine = krcp.monitor_work, self.of(krcp)
        before, now = mine.monitor_expires, cpu.clock // self._kvfree.system.config.jiffy_ns
        delay = delay_wanted(krcp, mine, self._timing, now, pending=False) or 0
        expires, mine.monitor_expires = mine.monitor_expires, before
        settled = krcp.settled
        flags = cpu.local_irq_save()
        if work.work.set_pending():
            await cpu.point()
            krcp.settled, mine.monitor_expires = settled, expires
            await self._kvfree.workqueues.queue_delayed_work_irqoff(cpu, self._kvfree.workqueue, work, delay)
            self._kvfree.figures.monitors_put_off += delay > 1 and krcp.count >= self._timing.full
        await cpu.local_irq_restore(flags)

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it where any channel holds something."""
        if krcp.anything_queued():
            await self.schedule_delayed_monitor_work(cpu, krcp)
