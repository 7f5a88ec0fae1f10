"""irq_work (kernel/irq_work.c): have a function run in hardirq context, from any context, NMI included.

irq_work_queue() raises an interrupt on its own CPU, which is served as soon as interrupts are on; on an architecture
that cannot (`irq_work_interrupt=n`, arch_irq_work_has_interrupt()) the next tick serves it. Work that is not
marked IRQ_WORK_HARD_IRQ runs there with spinlock_t allowed (lockdep_irq_work_enter()); on PREEMPT_RT the interrupt
wakes the thread irq_work/N for it, a real-time thread of the lowest priority. Newer stable kernels run what that thread
has to do inside a read-side section (run_irq_workd()): `KernelRules.irq_work_in_reader`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from ...context.memory import Memory
from ...marks import stands_for
from ..locking import contention
from ..messages import Handler, HardIrq
from ..percpu import PerCpu
from ..thread import Thread, ThreadState, Urgency

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System


@attrs.define(eq=False)
class IrqWork:
    """struct irq_work.

    `pending` (IRQ_WORK_PENDING) is set while it is queued, `busy` (IRQ_WORK_BUSY) until its function has returned.
    """

    name: str
    function: Handler
    hard: bool = False
    lazy: bool = False
    """IRQ_WORK_LAZY: the next tick will do, if there is one."""
    pending: bool = False
    busy: bool = False
    listed: bool = False
    """It is in a list, whatever its flags say."""
    spinners: list[Thread] = attrs.field(factory=list)
    sleepers: list[Thread] = attrs.field(factory=list)
    inside: Memory | None = None


@attrs.define(eq=False)
class _Lists:
    """One CPU's work: what the interrupt runs, and what the thread runs on PREEMPT_RT."""

    raised: deque[IrqWork] = attrs.field(factory=deque)
    lazy: deque[IrqWork] = attrs.field(factory=deque)
    """What is lazy, and on PREEMPT_RT all that the thread runs."""
    ring: bool = False
    """One was queued that was in the list already: whoever runs the list comes to no end."""
    thread: Thread | None = None


class IrqWorks:
    """The irq_work of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._threaded = system.config.PREEMPT_RT
        self._lists = PerCpu(lambda _: _Lists(), system.masks)
        self._in_reader = system.rules.irq_work_in_reader
        self._by_interrupt = system.config.irq_work_interrupt
        self.for_the_tick = False
        """Somewhere something lazy may wait for a tick."""

    def init_irq_work(self, cpu: Cpu, work: IrqWork) -> None:
        """init_irq_work(): as if it were in no list. Where it is in one of this CPU, nothing is linked behind it."""
        work.pending = work.busy = False
        if work.listed:
            lists = self._lists[cpu.cpu_id]
            queue = lists.raised if work in lists.raised else lists.lazy
            # The list begins with the newest.
            while queue[0] is not work:
                queue.popleft().listed = False

    async def irq_work_queue(self, cpu: Cpu, work: IrqWork) -> bool:
        """irq_work_queue() on this CPU, with preemption off; False when it is pending already."""
        self._system.debug_objects.used(cpu, work)
        if work.pending:
            return False
        cpu.preempt_disable("irq_work_queue")
        if self._queue(cpu, work):
            await cpu.point()
        await cpu.preempt_enable()
        return True

    def irq_work_queue_irqoff(self, cpu: Cpu, work: IrqWork) -> bool:
        """The same with interrupts off, so that it has to wait: no point."""
        if work.pending:
            return False
        self._queue(cpu, work)
        return True

    def _queue(self, cpu: Cpu, work: IrqWork) -> bool:
        """__irq_work_queue_local(): whether that has raised the interrupt."""
        work.pending = work.busy = True
        lists = self._lists[cpu.cpu_id]
        queue = lists.lazy if work.lazy or (self._threaded and not work.hard) else lists.raised
        lists.ring = lists.ring or work.listed
        if not work.listed:
            queue.append(work)
        work.listed = True
        cpu.clock += self._system.costs.ipi_ns
        if len(queue) > 1:
            return False
        if (work.lazy and not cpu.idle) or not self._by_interrupt:
            self.for_the_tick = True
            return False
        irq = HardIrq(
            sender=cpu.name, time_ns=cpu.clock, line="irq_work", handler=self.irq_work_run, entry="sysvec_irq_work"
        )
        self._system.conductor.post(cpu, irq)
        return True

    async def irq_work_sync(self, thread: Thread, work: IrqWork) -> None:
        """irq_work_sync(): until the function has returned; asleep if a thread runs it, else on the CPU."""
        thread.cpu.judge.might_sleep(thread.cpu)
        self._system.debug_objects.used(thread.cpu, work)
        if not self._threaded or work.hard:
            work.spinners.append(thread)
            await contention.busy_wait(thread, lambda: not work.busy, f"irq_work_sync() of {work.name}")
            work.spinners.remove(thread)
        else:
            while work.busy:
                work.sleepers.append(thread)
                thread.prepare_to_sleep()
                await thread.sleep(f"irq_work_sync() of {work.name}")
        self._system.taken_over(thread.cpu, work)

    async def irq_work_run(self, cpu: Cpu) -> None:
        """irq_work_run(), in hardirq, and on a CPU that dies."""
        lists = self._lists[cpu.cpu_id]
        await self._run_list(cpu, lists.raised)
        await self._run_lazy(cpu, lists)

    def irq_work_needs_cpu(self, cpu: Cpu) -> bool:
        """irq_work_needs_cpu(): something waits for the tick of a CPU that goes idle."""
        lists = self._lists.get(cpu.cpu_id)
        return lists is not None and bool(lists.lazy or (lists.raised and not self._by_interrupt))

    async def irq_work_tick(self, cpu: Cpu) -> None:
        """irq_work_tick(): what is lazy, and all where no interrupt comes for it."""
        lists = self._lists.get(cpu.cpu_id)
        if lists is not None and lists.raised and not self._by_interrupt:
            await self._run_list(cpu, lists.raised)
        if lists is not None and lists.lazy:
            await self._run_lazy(cpu, lists)

    async def _run_lazy(self, cpu: Cpu, lists: _Lists) -> None:
        """The second list, in hardirq; on PREEMPT_RT wake_irq_workd()."""
        if not self._threaded and not cpu.ctx.irqs_disabled:
            # The second list is looked at, too, and empty as it is.
            cpu.judge.kernel_bug(cpu, "!irqs_disabled()", "irq_work_run_list")
        if not self._threaded:
            await self._run_list(cpu, lists.lazy)
        elif lists.lazy:
            if lists.thread is None:
                lists.thread = self._system.create_thread(
                    cpu,
                    f"irq_work/{cpu.cpu_id}",
                    lambda: self._irq_workd(cpu),
                    urgency=Urgency.HIGH,
                    fair=False,
                    service=True,
                )
                self._system.hotplug.smpboot.smpboot_register(lists.thread, "irq_work")
            await cpu.wake_up_process(lists.thread)

    async def _irq_workd(self, cpu: Cpu) -> None:
        """smpboot_thread_fn() around run_irq_workd()."""
        lists, locks, thread = self._lists[cpu.cpu_id], self._system.locks, cpu.current
        while True:
            if not lists.lazy:
                await thread.sleep("irq_work")
                continue
            if self._in_reader:
                locks.rcu_enter(cpu)
            await self._run_list(cpu, lists.lazy)
            if self._in_reader:
                locks.rcu_leave(cpu)
            if cpu.attention:
                await cpu.point()

    async def _run_list(self, cpu: Cpu, queue: deque[IrqWork]) -> None:
        """irq_work_run_list(): what is queued by now."""
        for _ in range(len(queue)):
            work = queue.popleft()
            work.listed = False
            # From here on it may be queued again.
            work.pending = False
            cpu.ctx.irq_config = not work.hard
            self._system.debug_objects.used(cpu, work)
            await work.function(cpu)
            # IRQ_WORK_BUSY is cleared behind the function: it must not have freed what the irq_work lies in.
            self._system.debug_objects.used(cpu, work)
            cpu.ctx.irq_config = False
            self._system.handed_over(cpu, work)
            if not work.pending:
                work.busy = False
                await self._tell(cpu, work)
        if self._lists[cpu.cpu_id].ring:
            await self._go_round(cpu)

    @stands_for("irq_work_run_list")
    async def _go_round(self, cpu: Cpu) -> None:
        """A list that leads back to where it began."""
        await contention.busy_wait(cpu.current, lambda: False, "the end of a list that has none")

    async def _tell(self, cpu: Cpu, work: IrqWork) -> None:
        """Who waits for the end of the function goes on."""
        for spinner in work.spinners:
            contention.poke(cpu, spinner)
        sleepers, work.sleepers = work.sleepers, []
        for thread in sleepers:
            if thread.state is ThreadState.SLEEPING:
                await cpu.wake_up_process(thread)
