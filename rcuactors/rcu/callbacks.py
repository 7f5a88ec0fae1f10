"""RCU callbacks (kernel/rcu/tree.c): call_rcu(), and the softirq that invokes them: rcu_core(), rcu_rcu_do_batch().

A CPU's callbacks first wait without a grace period of their own; the next tick raises RCU_SOFTIRQ, which gives them
the number of the grace period that will do (rcu_accelerate_cbs()) and asks the machine for it. When its end is heard
of, the next tick invokes them, at most `BLIMIT` at a time. What waits for them has a file each: synchronize_rcu.py,
rcu_barrier.py, and rcu_work.py for queue_rcu_work().
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import RECURSIVE_READ, MapSpec
from ..context.waittype import WaitType
from ..engine.probe import Access
from ..kernel.irq.softirq import Softirq
from ..kernel.percpu import PerCpu
from . import seq as gp_seq
from .messages import GracePeriodEnded, GracePeriodRequested, QuiescentStateNeeded

if TYPE_CHECKING:
    from ..engine.actor import Message
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from .gp import GracePeriodMachine
    from .readers import ReadSide
    from .rules import RcuRules

BLIMIT: Final = 10
"""DEFAULT_RCU_BLIMIT: callbacks invoked in one go, unless the queue is long."""
QHIMARK: Final = 10_000
"""DEFAULT_RCU_QHIMARK: a queue this long is invoked without limit."""

RCU_CALLBACK_MAP: Final = MapSpec("rcu_callback", WaitType.INV)
"""rcu_callback_map (kernel/rcu/update.c): held while a callback runs, or kvfree_rcu() frees, to be seen in reports."""

Callback = Callable[["Cpu"], Awaitable[None]]


class SchedulerActive(enum.IntEnum):
    """rcu_scheduler_active: how much of the kernel is up."""

    INACTIVE = 0
    INIT = 1
    RUNNING = 2


@attrs.define(eq=False)
class RcuHead:
    """struct rcu_head: a callback that waits, and from when on it may run (None: not known yet)."""

    function: Callback
    name: str
    seq: int | None = None


@attrs.define(eq=False)
class CallbackList:
    """struct rcu_segcblist of one CPU: the heads in order; those with `seq` None have no grace period yet."""

    heads: deque[RcuHead] = attrs.field(factory=deque)
    unassigned: int = 0
    known_seq: int = gp_seq.INITIAL
    invoking: bool = False
    """One of its callbacks runs now: rcu_barrier() has to wait for that, too."""

    def entrain(self, head: RcuHead) -> None:
        """rcu_segcblist_entrain(): right behind the last callback, with the same grace period."""
        if not self.heads:
            head.seq = self.known_seq
        elif self.heads[-1].seq is not None:
            head.seq = self.heads[-1].seq
        else:
            self.unassigned += 1
        self.heads.append(head)

    def ready(self) -> bool:
        """rcu_segcblist_ready_cbs()."""
        return bool(self.heads) and self.heads[0].seq is not None and gp_seq.done(self.known_seq, self.heads[0].seq)


@attrs.frozen(kw_only=True)
class CallbackStatistics:
    """The callback lists of all CPUs.

    * `waiting` (callbacks): queued and not invoked.
    * `unassigned` (callbacks): of these, without a grace period of their own so far.
    * `invoked` (callbacks): since boot, those of queue_rcu_work() and synchronize_rcu() included.
    """

    waiting: int
    unassigned: int
    invoked: int


class Callbacks:
    """The callback lists of all CPUs."""

    def __init__(
        self,
        system: System,
        machine: GracePeriodMachine,
        readers: ReadSide,
        *,
        rules: RcuRules,
        scheduler_active: SchedulerActive,
    ) -> None:
        self.system = system
        self.rules = rules
        self._machine = machine
        self.readers = readers
        self.lists = PerCpu(lambda _: CallbackList(), system.masks)
        self.scheduler_active = scheduler_active
        self.callback_map = system.lock_factory.make_map(RCU_CALLBACK_MAP)
        self.invoked = 0
        hooks = system.hooks
        hooks.on_tick.append(self._tick)
        hooks.keep_tick_if(self._needs_tick)
        hooks.softirqs[Softirq.RCU] = self.rcu_core
        hooks.on_message[QuiescentStateNeeded] = self._qs_needed
        hooks.on_message[GracePeriodEnded] = self._gp_ended

    def statistics(self) -> CallbackStatistics:
        """Their figures, as they are now."""
        lists = self.lists.values()
        return CallbackStatistics(
            waiting=sum(len(mine.heads) for mine in lists),
            unassigned=sum(mine.unassigned for mine in lists),
            invoked=self.invoked,
        )

    @property
    def flavour(self) -> str:
        """rcu_state.name, as tracepoints print it."""
        return self._machine.name

    def rcu_set_runtime_mode(self) -> None:
        """rcu_set_runtime_mode(): the end of early boot (kernel/rcu/update.c)."""
        self.scheduler_active = SchedulerActive.RUNNING

    # -- what a CPU hears --------------------------------------------------------------------------------------------

    def _qs_needed(self, cpu: Cpu, message: Message) -> None:
        assert isinstance(message, QuiescentStateNeeded)
        self.readers.qs_needed[cpu.cpu_id] = message.seq
        if cpu.in_idle_loop:
            self.readers.report(cpu)

    def _gp_ended(self, cpu: Cpu, message: Message) -> None:
        assert isinstance(message, GracePeriodEnded)
        self.lists[cpu.cpu_id].known_seq = message.seq

    def _needs_tick(self, cpu: Cpu) -> bool:
        """rcu_needs_cpu(): an idle CPU with callbacks keeps its tick."""
        found = self.lists.get(cpu.cpu_id)
        return found is not None and bool(found.heads)

    def _tick(self, cpu: Cpu) -> None:
        """rcu_sched_clock_irq(): raise the softirq if there is something for it to do."""
        found = self.lists.get(cpu.cpu_id)
        if found is not None and (found.unassigned or found.ready()):
            self.system.softirqs.raise_irqoff(cpu, Softirq.RCU)

    # -- call_rcu ----------------------------------------------------------------------------------------------------

    async def call_rcu(self, cpu: Cpu, function: Callback, name: str) -> None:
        """call_rcu(): queue a callback: interrupts off for a moment, no lock. Legal in any context but NMI."""
        flags = cpu.local_irq_save()
        mine = self.lists[cpu.cpu_id]
        mine.heads.append(RcuHead(function, name))
        mine.unassigned += 1
        cpu.clock += self.system.costs.call_rcu_ns
        if self.system.events.on:
            self.system.emit(cpu, "rcu_callback", f"{self._machine.name} rhp={name} func={name} {len(mine.heads)}")
        if cpu.idle:
            # The tick was stopped when the CPU went idle: an interrupt handler's callback needs it again.
            self.system.ticks.stop(cpu)
        await cpu.local_irq_restore(flags)

    async def rcu_core(self, cpu: Cpu) -> None:
        """rcu_core(), the softirq: give callbacks their grace period, ask for it, invoke those whose time has come."""
        mine = self.lists[cpu.cpu_id]
        if mine.unassigned:
            wanted = gp_seq.snap(self._machine.gp_seq)
            if self.system.conductor.probes.access.on:
                self.system.conductor.probes.access(self._machine, Access.READ)
            for head in islice(reversed(mine.heads), mine.unassigned):
                head.seq = wanted
            mine.unassigned = 0
            message = GracePeriodRequested(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, seq=wanted)
            self.system.conductor.post(self._machine, message)
        if mine.ready():
            await self._rcu_do_batch(cpu, mine)

    async def _rcu_do_batch(self, cpu: Cpu, mine: CallbackList) -> None:
        """rcu_do_batch()."""
        system = self.system
        limit = BLIMIT if len(mine.heads) < QHIMARK else len(mine.heads)
        count = 0
        while mine.ready() and count < limit:
            head = mine.heads.popleft()
            count += 1
            cpu.clock += system.costs.callback_ns
            mine.invoking = True
            if system.lockdep.on:
                system.lockdep.acquire(cpu, self.callback_map, read=RECURSIVE_READ, site="rcu_do_batch")
            await head.function(cpu)
            if system.lockdep.on:
                system.lockdep.release(cpu, self.callback_map)
            mine.invoking = False
            if cpu.clock >= system.conductor.horizon:
                await cpu.point()
        self.invoked += count
        if system.events.on:
            system.emit(cpu, "rcu_batch_end", f"{self._machine.name} CBs-invoked={count} idle=....")
        if mine.ready():
            system.softirqs.raise_irqoff(cpu, Softirq.RCU)
