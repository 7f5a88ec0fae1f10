"""Interrupts, irq_work, calls to other CPUs, tasklets and timers: ways to have code run elsewhere, or later."""

from __future__ import annotations

from ..errors import BadInput
from ..kernel.cpu import Cpu
from ..kernel.irq import tasklet
from ..kernel.irq.irq_work import IrqWork
from ..kernel.irq.tasklet import Tasklet
from ..kernel.messages import HardIrq, Nmi
from ..kernel.time.hrtimer import Hrtimer
from ..kernel.time.timer import Timer
from .base import Action, Inside, KernelBase, begun, handler_of, name_of, not_negative, site_of_function


class Interrupts(KernelBase):
    """How a scenario gets into interrupt context, now or when a timer expires.

    `inside` makes what is initialised a member of an object from kmalloc() or vmalloc(). Freeing that while it is
    active is reported, and so is everything that is done with it when the object is free. In a function's variables,
    from stack_frame(), it has to be initialised with `on_stack`: timer_setup_on_stack(), hrtimer_init_on_stack().
    """

    async def raise_irq(
        self, handler: Action, *, cpu: int | None = None, line: str = "irq", threadable: bool = False
    ) -> None:
        """A device interrupts a CPU (default: this one), which serves it once its interrupts are on.

        `threadable` says that PREEMPT_RT would run the handler in a thread, which is what lockdep allows spinlock_t
        for. Raises BadInput when the machine has no such CPU, or that is offline: devices interrupt others then.
        """
        target = self._online_cpu("raise_irq", cpu) if cpu is not None else self._cpu
        me = self._cpu
        irq = HardIrq(sender=me.name, time_ns=me.clock, line=line, handler=handler_of(handler), threadable=threadable)
        self._conductor.post(target, irq)
        await me.current.spend(self._system.costs.ipi_ns)

    async def raise_nmi(self, handler: Action, *, cpu: int | None = None) -> None:
        """A non-maskable interrupt: interrupts off do not keep it away. Raises BadInput as raise_irq()."""
        target = self._online_cpu("raise_nmi", cpu) if cpu is not None else self._cpu
        me = self._cpu
        target.post_nmi(Nmi(sender=me.name, time_ns=me.clock, handler=handler_of(handler)))
        await me.current.spend(self._system.costs.ipi_ns)

    def irq_work(
        self,
        function: Action,
        *,
        hard: bool = False,
        lazy: bool = False,
        name: str = "",
        inside: Inside | None = None,
    ) -> IrqWork:
        """init_irq_work(); `hard` is IRQ_WORK_HARD_IRQ: hardirq even on PREEMPT_RT.

        `lazy` is IRQ_WORK_LAZY: on a CPU that has a tick it waits for that.
        """
        work = IrqWork(name or name_of(function), handler_of(function), hard=hard, lazy=lazy)
        return self._member(inside, work)

    async def irq_work_queue(self, work: IrqWork) -> bool:
        """irq_work_queue(): run it on this CPU as soon as interrupts are on. False when it is pending already."""
        return await self._system.irq_works.irq_work_queue(self._cpu, work)

    async def irq_work_sync(self, work: IrqWork) -> None:
        """irq_work_sync(): until its function has returned. May sleep."""
        await self._system.irq_works.irq_work_sync(self._thread, work)

    async def smp_call_function_single(self, cpu: int, function: Action, *, wait: bool = True) -> int:
        """Run a function on a CPU in hardirq; with `wait` spin until it has returned. 0, or -ENXIO if that is offline.

        Raises BadInput when the machine has no such CPU.
        """
        target = self._system.cpu(cpu)
        return await self._system.cross_calls.smp_call_function_single(
            self._cpu, target, handler_of(function), wait=wait
        )

    # -- tasklets --

    def tasklet_setup(self, function: Action, *, name: str = "", inside: Inside | None = None) -> Tasklet:
        """tasklet_setup(): a function that runs in softirq context, on one CPU at a time."""
        return self._member(inside, Tasklet(name or name_of(function), handler_of(function)))

    async def tasklet_schedule(self, t: Tasklet | Action) -> None:
        """tasklet_schedule(): run it once in softirq context on this CPU; not a second time while it waits to be run.

        From any context but NMI. A function by itself is a tasklet of its own.
        """
        if isinstance(t, Tasklet):
            await tasklet.tasklet_schedule(self._system.softirqs, self._cpu, t)
        else:
            await self._system.softirqs.tasklet_schedule(self._cpu, handler_of(t), tasklet=t)

    async def tasklet_disable(self, t: Tasklet) -> None:
        """tasklet_disable(): it does not run from now on; waits until it does not. Nests."""
        await tasklet.tasklet_disable(self._thread, t)

    def tasklet_disable_nosync(self, t: Tasklet) -> None:
        """tasklet_disable_nosync(): the same without waiting."""
        tasklet.tasklet_disable_nosync(t)

    def tasklet_enable(self, t: Tasklet) -> None:
        """tasklet_enable(): takes one tasklet_disable() back. Raises BadInput where there is none."""
        if not tasklet.tasklet_enable(t):
            raise BadInput(f"tasklet_enable({t.name}): it is not disabled")

    async def tasklet_kill(self, t: Tasklet) -> None:
        """tasklet_kill(): neither waiting nor running afterwards. May sleep. One that is disabled is waited for."""
        await tasklet.tasklet_kill(self._system.softirqs, self._thread, t)

    # -- timers --

    def hrtimer(
        self,
        function: Action,
        *,
        hard: bool = False,
        soft: bool = False,
        name: str = "",
        inside: Inside | None = None,
        on_stack: bool = False,
    ) -> Hrtimer:
        """hrtimer_init(); the timer does not repeat.

        `hard` is HRTIMER_MODE_HARD: hardirq even on PREEMPT_RT. `soft` is HRTIMER_MODE_SOFT: softirq everywhere. Raises
        BadInput for both.
        """
        if hard and soft:
            raise BadInput("hrtimer(hard=True, soft=True): a timer expires in hardirq or in softirq, not in both")

        async def run_handler(_cpu: Cpu) -> int | None:
            await begun(function)
            return None

        timer = Hrtimer(name or name_of(function), run_handler, hard=hard, soft=soft)
        return self._member(inside, timer, on_stack=on_stack)

    async def hrtimer_start(self, timer: Hrtimer, delay_ns: int) -> None:
        """hrtimer_start(HRTIMER_MODE_REL): only enqueues, legal under the scheduler's locks."""
        await self._system.hrtimers.hrtimer_start(self._cpu, timer, not_negative("hrtimer_start", delay_ns))

    def timer_setup(
        self,
        function: Action,
        *,
        name: str = "",
        irqsafe: bool = False,
        inside: Inside | None = None,
        on_stack: bool = False,
    ) -> Timer:
        """timer_setup(): a timer of the wheel, whose function runs in softirq context.

        `irqsafe` is TIMER_IRQSAFE: with interrupts off, so that it may be deleted synchronously in hardirq.
        """
        timer = Timer(name or name_of(function), handler_of(function), irqsafe, site=site_of_function(function))
        return self._member(inside, timer, on_stack=on_stack)

    async def add_timer(self, timer: Timer, delay_jiffies: int) -> None:
        """add_timer(): as mod_timer(), for one that is not pending; of one that is the kernel complains."""
        await self._system.timers.add_timer(self._cpu, timer, not_negative("add_timer", delay_jiffies))

    async def mod_timer(self, timer: Timer, delay_jiffies: int) -> bool:
        """mod_timer(): have it expire in `delay_jiffies` or later, on this CPU. Whether it was pending."""
        return await self._system.timers.mod_timer(self._cpu, timer, not_negative("mod_timer", delay_jiffies))

    async def timer_delete(self, timer: Timer) -> bool:
        """timer_delete(): whether it was pending. Its function may still be running elsewhere."""
        return await self._system.timers.timer_delete(self._cpu, timer)

    async def timer_delete_sync(self, timer: Timer) -> bool:
        """timer_delete_sync(), del_timer_sync(): not pending and not running afterwards. Whether it was pending."""
        return await self._system.timers.timer_delete_sync(self._thread, timer)

    async def timer_shutdown(self, timer: Timer) -> bool:
        """timer_shutdown(): timer_delete(), and nothing starts it again before timer_setup(). Whether it was pending.

        Raises BadInput where the version has none.
        """
        self._expect_shutdown("timer_shutdown")
        return await self._system.timers.timer_shutdown(self._cpu, timer)

    async def timer_shutdown_sync(self, timer: Timer) -> bool:
        """timer_shutdown_sync(): the same of timer_delete_sync(). Raises as timer_shutdown()."""
        self._expect_shutdown("timer_shutdown_sync")
        return await self._system.timers.timer_delete_sync(self._thread, timer, shutdown=True)

    def _expect_shutdown(self, function: str) -> None:
        self._expect_version(f"{function}()", has=self._system.rules.timers_shut_down, since="v6.2, and stable 6.1")

    async def try_to_del_timer_sync(self, timer: Timer) -> int:
        """try_to_del_timer_sync(): 1 if it was pending, 0 if not, -1 while its function runs."""
        return await self._system.timers.try_to_del_timer_sync(self._cpu, timer)

    async def hrtimer_cancel(self, timer: Hrtimer) -> bool:
        """hrtimer_cancel(): not queued and not running afterwards. Whether it was queued."""
        return await self._system.hrtimers.hrtimer_cancel(self._thread, timer)

    async def hrtimer_try_to_cancel(self, timer: Hrtimer) -> int:
        """hrtimer_try_to_cancel(): 1 if it was queued, 0 if it was not active, -1 while its function runs."""
        return await self._system.hrtimers.hrtimer_try_to_cancel(self._cpu, timer)
