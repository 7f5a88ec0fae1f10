"""Interrupts, tasklets, hrtimers and works: ways to have code run somewhere else, later."""

from __future__ import annotations

from ..kernel.cpu import Cpu
from ..kernel.hrtimer import Hrtimer
from ..kernel.messages import HardIrq, Nmi
from ..kernel.workqueue import DelayedWork, Work, Workqueue
from .base import Action, KernelBase, handler_of


class Interrupts(KernelBase):
    """How a scenario gets into interrupt context, and how it queues work."""

    async def raise_irq(
        self, handler: Action, *, cpu: int | None = None, line: str = "irq", threadable: bool = False
    ) -> None:
        """A device interrupts a CPU (default: this one), which serves it once its interrupts are on.

        `threadable` says that PREEMPT_RT would run the handler in a thread, which is what lockdep allows spinlock_t
        for. Raises BadInput when the machine has no such CPU.
        """
        target = self._system.cpu(cpu) if cpu is not None else self._cpu
        me = self._cpu
        irq = HardIrq(sender=me.name, time_ns=me.clock, line=line, handler=handler_of(handler), threadable=threadable)
        self._conductor.post(target, irq)
        await self._spend(me, self._system.costs.ipi_ns)

    async def raise_nmi(self, handler: Action, *, cpu: int | None = None) -> None:
        """A non-maskable interrupt: interrupts off do not keep it away. Raises BadInput as raise_irq()."""
        target = self._system.cpu(cpu) if cpu is not None else self._cpu
        me = self._cpu
        target.post_nmi(Nmi(sender=me.name, time_ns=me.clock, handler=handler_of(handler)))
        await self._spend(me, self._system.costs.ipi_ns)

    async def tasklet_schedule(self, function: Action) -> None:
        """Run a function once in softirq context on this CPU."""
        await self._system.softirqs.tasklet_schedule(self._cpu, handler_of(function))

    # -- hrtimers --

    def hrtimer(self, function: Action, *, hard: bool = False, name: str = "") -> Hrtimer:
        """hrtimer_init(); `hard` is HRTIMER_MODE_HARD: hardirq even on PREEMPT_RT. The timer does not repeat."""

        async def run_handler(_cpu: Cpu) -> int | None:
            await function()
            return None

        return Hrtimer(name or function.__name__, run_handler, hard=hard)

    async def hrtimer_start(self, timer: Hrtimer, delay_ns: int) -> None:
        """hrtimer_start(HRTIMER_MODE_REL): only enqueues, legal under the scheduler's locks."""
        await self._system.hrtimers.hrtimer_start(self._cpu, timer, delay_ns)

    # -- works --

    @property
    def system_wq(self) -> Workqueue:
        """The workqueue of normal workers."""
        return self._machine.workqueues.system_wq

    @property
    def system_highpri_wq(self) -> Workqueue:
        """The workqueue of high-priority workers."""
        return self._machine.workqueues.system_highpri_wq

    def work(self, function: Action, *, name: str = "") -> Work:
        """INIT_WORK(): a work that runs the function on a worker."""
        return Work(name or function.__name__, handler_of(function))

    def delayed_work(self, function: Action, *, name: str = "") -> DelayedWork:
        """INIT_DELAYED_WORK(): a work, and the timer that queues it."""
        return self._machine.workqueues.new_delayed_work(name or function.__name__, handler_of(function))

    async def queue_work(self, workqueue: Workqueue, work: Work) -> bool:
        """queue_work(): takes the pool's lock and those of a wake-up. False when the work is pending already."""
        return await self._machine.workqueues.queue_work(self._cpu, workqueue, work)

    async def schedule_work(self, work: Work) -> bool:
        """schedule_work(): queue_work() on system_wq."""
        return await self.queue_work(self.system_wq, work)

    async def queue_delayed_work(self, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """queue_delayed_work(): queue it in `delay_jiffies` or later. False when it is pending already."""
        return await self._machine.workqueues.queue_delayed_work(self._cpu, workqueue, dwork, delay_jiffies)

    async def flush_work(self, work: Work) -> None:
        """flush_work(): sleep until its last queueing has finished."""
        await self._machine.workqueues.flush_work(self._cpu, work)
