"""RCU callbacks (kernel/rcu/tree.c): call_rcu(), its waiters, and the softirq that invokes them.

A CPU's callbacks first wait without a grace period of their own; the next tick raises RCU_SOFTIRQ, which gives them
the number of the grace period that will do (rcu_accelerate_cbs()) and asks the machine for it. When its end is heard
of, the next tick invokes them, at most `BLIMIT` at a time.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from ..kernel.completion import complete, wait_for_completion
from ..kernel.irq.softirq import Softirq
from ..kernel.percpu import PerCpu
from . import seq as gp_seq
from .messages import GracePeriodEnded, GracePeriodRequested, QuiescentStateNeeded

if TYPE_CHECKING:
    from ..engine.actor import Message
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from ..kernel.workqueue import Work, Workqueue, Workqueues
    from .gp import GracePeriodMachine
    from .readers import ReadSide

BLIMIT: Final = 10
"""DEFAULT_RCU_BLIMIT: callbacks invoked in one go, unless the queue is long."""
QHIMARK: Final = 10_000
"""DEFAULT_RCU_QHIMARK: a queue this long is invoked without limit."""

Callback = Callable[["Cpu"], Awaitable[None]]


class SchedulerActive(enum.IntEnum):
    """rcu_scheduler_active: how much of the kernel is up."""

    INACTIVE = 0
    INIT = 1
    RUNNING = 2


@attrs.define(eq=False)
class _Head:
    function: Callback
    name: str
    seq: int | None = None


@attrs.define(eq=False)
class _CallbackList:
    """rcu_segcblist of one CPU: the heads in order; those with `seq` None have not been given a grace period yet."""

    heads: deque[_Head] = attrs.field(factory=deque)
    unassigned: int = 0
    known_seq: int = gp_seq.INITIAL
    invoking: bool = False
    """One of its callbacks runs now: rcu_barrier() has to wait for that, too."""

    def entrain(self, head: _Head) -> None:
        """rcu_segcblist_entrain(): right behind the last callback, with the same grace period."""
        if not self.heads:
            head.seq = self.known_seq
        elif self.heads[-1].seq is not None:
            head.seq = self.heads[-1].seq
        else:
            self.unassigned += 1
        self.heads.append(head)

    def ready(self) -> bool:
        return bool(self.heads) and self.heads[0].seq is not None and gp_seq.done(self.known_seq, self.heads[0].seq)


@attrs.define(eq=False)
class RcuWork:
    """struct rcu_work: a work that is queued when a grace period has passed."""

    work: Work


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
    """The callback lists of all CPUs, and everything built on them."""

    def __init__(
        self,
        system: System,
        machine: GracePeriodMachine,
        readers: ReadSide,
        workqueues: Workqueues,
        *,
        scheduler_active: SchedulerActive,
    ) -> None:
        self._system = system
        self._machine = machine
        self._readers = readers
        self._workqueues = workqueues
        self._lists = PerCpu(lambda _: _CallbackList(), system.masks)
        self.scheduler_active = scheduler_active
        self.invoked = 0
        hooks = system.hooks
        hooks.on_tick.append(self._tick)
        hooks.keep_tick_if(self._needs_tick)
        hooks.softirqs[Softirq.RCU] = self.rcu_core
        hooks.on_message[QuiescentStateNeeded] = self._qs_needed
        hooks.on_message[GracePeriodEnded] = self._gp_ended

    def statistics(self) -> CallbackStatistics:
        """Their figures, as they are now."""
        lists = self._lists.values()
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
        """The end of early boot (kernel/rcu/update.c)."""
        self.scheduler_active = SchedulerActive.RUNNING

    # -- what a CPU hears --------------------------------------------------------------------------------------------

    def _qs_needed(self, cpu: Cpu, message: Message) -> None:
        assert isinstance(message, QuiescentStateNeeded)
        self._readers.qs_needed[cpu.cpu_id] = message.seq
        if cpu.in_idle_loop:
            self._readers.report(cpu)

    def _gp_ended(self, cpu: Cpu, message: Message) -> None:
        assert isinstance(message, GracePeriodEnded)
        self._lists[cpu.cpu_id].known_seq = message.seq

    def _needs_tick(self, cpu: Cpu) -> bool:
        """rcu_needs_cpu(): an idle CPU with callbacks keeps its tick."""
        found = self._lists.get(cpu.cpu_id)
        return found is not None and bool(found.heads)

    def _tick(self, cpu: Cpu) -> None:
        """rcu_sched_clock_irq(): raise the softirq if there is something for it to do."""
        found = self._lists.get(cpu.cpu_id)
        if found is not None and (found.unassigned or found.ready()):
            self._system.softirqs.raise_irqoff(cpu, Softirq.RCU)

    # -- call_rcu ----------------------------------------------------------------------------------------------------

    async def call_rcu(self, cpu: Cpu, function: Callback, name: str) -> None:
        """Queue a callback: interrupts off for a moment, no lock. Legal in any context but NMI."""
        flags = cpu.local_irq_save()
        mine = self._lists[cpu.cpu_id]
        mine.heads.append(_Head(function, name))
        mine.unassigned += 1
        cpu.clock += self._system.costs.call_rcu_ns
        if self._system.events.on:
            self._system.emit(cpu, "rcu_callback", f"{self._machine.name} rhp={name} func={name} {len(mine.heads)}")
        if cpu.idle:
            # The tick was stopped when the CPU went idle: an interrupt handler's callback needs it again.
            self._system.ticks.stop(cpu)
        await cpu.local_irq_restore(flags)

    async def rcu_core(self, cpu: Cpu) -> None:
        """The softirq: give callbacks their grace period, ask for it, invoke those whose time has come."""
        mine = self._lists[cpu.cpu_id]
        if mine.unassigned:
            wanted = gp_seq.snap(self._machine.gp_seq)
            for head in islice(reversed(mine.heads), mine.unassigned):
                head.seq = wanted
            mine.unassigned = 0
            message = GracePeriodRequested(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, seq=wanted)
            self._system.conductor.post(self._machine, message)
        if mine.ready():
            await self._do_batch(cpu, mine)

    async def _do_batch(self, cpu: Cpu, mine: _CallbackList) -> None:
        """rcu_do_batch()."""
        system = self._system
        limit = BLIMIT if len(mine.heads) < QHIMARK else len(mine.heads)
        count = 0
        while mine.ready() and count < limit:
            head = mine.heads.popleft()
            count += 1
            cpu.clock += system.costs.callback_ns
            mine.invoking = True
            await head.function(cpu)
            mine.invoking = False
            if cpu.clock >= system.conductor.horizon:
                await cpu.point()
        self.invoked += count
        if system.events.on:
            system.emit(cpu, "rcu_batch_end", f"{self._machine.name} CBs-invoked={count} idle=....")
        if mine.ready():
            system.softirqs.raise_irqoff(cpu, Softirq.RCU)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def synchronize_rcu(self, thread: Thread) -> None:
        """Sleep until a grace period has passed; at once while there is only one context (rcu_blocking_is_gp())."""
        cpu = thread.cpu
        if self._readers.in_any_section(cpu):
            cpu.judge.suspicious_rcu(cpu, "Illegal synchronize_rcu() in RCU read-side critical section")
        config = self._system.config
        if not config.preemptible_kernel:
            cpu.judge.might_sleep(cpu)
        if self.scheduler_active is SchedulerActive.INACTIVE or (not config.preemptible_kernel and config.nr_cpus == 1):
            return
        done = self._system.new_completion("synchronize_rcu()")
        await self.call_rcu(cpu, lambda on: complete(self._system, on, done), "wakeme_after_rcu")
        await wait_for_completion(self._system, thread, done)

    async def rcu_barrier(self, thread: Thread) -> None:
        """Sleep until every callback queued so far, on any CPU, has been invoked."""
        cpu = thread.cpu
        cpu.judge.might_sleep(cpu)
        done = self._system.new_completion("rcu_barrier()")
        count = 0
        for cpu_id, mine in self._lists.touched():
            if mine.heads or mine.invoking:
                target = self._system.cpu(cpu_id)
                mine.entrain(_Head(lambda on: complete(self._system, on, done), "rcu_barrier_callback"))
                cpu.clock += self._system.costs.ipi_ns
                if target.idle:
                    target.kick()
                count += 1
        for _ in range(count):
            await wait_for_completion(self._system, thread, done)

    async def queue_rcu_work(self, cpu: Cpu, workqueue: Workqueue, rwork: RcuWork) -> bool:
        """queue_rcu_work(): pending already means False, and no new grace period (kernel/workqueue.c)."""
        if rwork.work.pending:
            return False
        rwork.work.pending = True

        async def rcu_work_rcufn(on: Cpu) -> None:
            flags = on.local_irq_save()
            await self._workqueues.queue_work_irqoff(on, workqueue, rwork.work)
            await on.local_irq_restore(flags)

        await self.call_rcu(cpu, rcu_work_rcufn, "rcu_work_rcufn")
        return True
