"""A CPU: one line of virtual time on which threads, softirqs, hardirqs and NMIs run one at a time, properly nested.

Models preemption and kernel/softirq.c (irq_enter(), irq_exit()); the scheduler's side is in `sched`. Interrupts come as
messages and are served at the first point where the running context has them enabled, on the stack of whoever is
running, as on real hardware; on the way out softirqs run, then the scheduler. The CPU actor's own strand is the idle
thread.
"""

from __future__ import annotations

import attrs

from ..context import preempt
from ..context.trace import call_trace, suspended_trace
from ..context.violation import ViolationKind
from ..engine.probe import Access, Group
from ..marks import Side, machinery, on_side
from . import balance
from .irq.spurious import SpuriousInterrupts
from .lockup import NEVER
from .messages import DEVICE_ENTRY, HardIrq, Nmi, WakeUp
from .migration import is_allowed
from .probes import Since
from .sched import SchedulingCpu
from .thread import Thread


@attrs.define(eq=False, kw_only=True)
class Cpu(SchedulingCpu):
    """One CPU. `current` is the thread that owns it; `ctx` is that thread's context."""

    softirq_pending: int = 0
    threads_pending: int = 0
    """PREEMPT_RT: what a thread of its own takes care of (pending_timer_softirq, rcu_data.rcu_cpu_has_work)."""
    softirq_ctrl: int = 0
    """PREEMPT_RT: softirq_ctrl.cnt, how deep bottom halves are disabled on this CPU."""
    ksoftirqd: Thread | None = None
    ticked_ns: int = 0
    """When its tick came last, or it left the idle loop."""
    watchdog_ns: int = NEVER
    """When the soft lockup detector looks next."""
    since: Since
    spurious: SpuriousInterrupts | None = None
    told_irqs: Group = attrs.field(init=False)
    told_preemption: Group = attrs.field(init=False)
    told_messages: Group = attrs.field(init=False)
    told_interrupts: Group = attrs.field(init=False)
    _nmis: list[Nmi] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        told = self.since.told
        self.told_irqs, self.told_preemption, self.told_switches = told.irqs, told.preemption, told.switches
        self.told_messages, self.told_interrupts = self.conductor.probes.messages, told.interrupts

    def hints(self) -> tuple[str, ...]:
        """What the floors above say of it, where they have something to say."""
        return tuple([text for hint in self.hooks.hints if (text := hint(self))])

    @machinery
    def label(self) -> str:
        """The innermost function in which it stands, and the line of the scenario that led there."""
        running = self is self.conductor.running
        trace = call_trace() if running else suspended_trace(self.strand.coroutine)
        line = next((text for text in trace if text.endswith(")")), "")
        return f"{trace[0]} in {line}" if line and line != trace[0] else trace[0] if trace else ""

    # -- points ------------------------------------------------------------------------------------------------------

    @machinery
    async def point(self) -> None:
        """Others may act, interrupts may arrive, a more urgent thread may take over."""
        await self.conductor.pause(self)
        if self.spurious is not None:
            self.spurious.at_point(self)
        if self.attention:
            await self.attend()

    @machinery
    async def attend(self) -> None:
        """Serve what has arrived, as far as the running context lets it through.

        What a handler raises is nothing to whoever it has interrupted: it ends the run.
        """
        ctx = self.ctx
        try:
            while self._nmis and not preempt.in_nmi(ctx.preempt_count):
                await self._nmi(self._nmis.pop(0))
            while self.mailbox.waiting and not ctx.irqs_disabled:
                await self._take_message()
        except Exception as error:
            raise self.conductor.ended_by(error) from error
        if not self.mailbox.waiting and not self.need_resched:
            self.attention = False
        elif self.need_resched and self._may_preempt():
            await self.schedule(preempt=True)

    @machinery
    async def _take_message(self) -> None:
        message = self.mailbox.take_nowait()
        if self.told_messages.on:
            self.conductor.probes.access(self.mailbox, Access.READ)
            if message is not None:
                self.conductor.probes.message_taken(self, message)
        if isinstance(message, HardIrq):
            await self.hardirq(message)
        elif isinstance(message, WakeUp):
            self.clock += self.system.costs.ipi_ns
            self.ttwu_pending(message)
        elif isinstance(message, Nmi):
            await self._nmi(message)
        elif message is not None:
            self.hooks.on_message[type(message)](self, message)

    def nmis_waiting(self) -> int:
        """NMIs that have come while one was served."""
        return len(self._nmis)

    def can_serve(self) -> bool:
        """Something has come that the running context lets through."""
        ctx = self.ctx
        if self._nmis and not preempt.in_nmi(ctx.preempt_count):
            return True
        return bool(self.mailbox.waiting) and not ctx.irqs_disabled

    def _may_preempt(self) -> bool:
        return self.ctx.preemptible() and self.current is not self.idle_thread and self.system.config.full_preemption

    @property
    def in_idle_loop(self) -> bool:
        """The idle thread itself runs, no interrupt handler on its stack. It is never preemptible (init_idle())."""
        return self.idle and self.ctx.preempt_count == self.system.locks.preempt_offset

    def post_nmi(self, message: Nmi) -> None:
        """An NMI does not wait for interrupts to be enabled."""
        self._nmis.append(message)
        self.attention = True
        if self.waiting_for:
            self.listening = False
            self.conductor.enqueue(self, max(self.clock, message.time_ns))
        elif self is self.conductor.running:
            self.conductor.horizon = -1

    def kick(self) -> None:
        """Make a CPU that idles, or spins with interrupts on, look at what has come."""
        if self.listening:
            self.listening = False
            self.conductor.enqueue(self, max(self.clock, self.conductor.now))
        elif self is self.conductor.running:
            self.conductor.horizon = -1

    # -- interrupts --------------------------------------------------------------------------------------------------

    @machinery
    @on_side(Side.NOBODY)
    async def hardirq(self, message: HardIrq) -> None:
        """Serve one hardware interrupt on the stack of the current thread."""
        ctx, costs = self.ctx, self.system.costs
        count = ctx.preempt_count
        outer = ctx.hardirq_threadable, ctx.irq_config
        threaded = message.threadable and self.system.config.PREEMPT_RT
        ctx.hardirq_threadable, ctx.irq_config = message.threadable and not threaded, False
        ctx.irqs_disabled = True
        ctx.irqs_disabled_at = message.entry
        began = self.clock
        if self.told_interrupts.on:
            self._tell_interrupt_entered(message, nested=False)
        self._enter_hardirq()
        self.clock += costs.irq_entry_ns
        if threaded:
            await self.system.irq_threads.wake(self, message)
        else:
            await message.handler(self)
            if message.entry == DEVICE_ENTRY:
                balance.check_interrupts_off(self, message.line)
        self.clock += costs.irq_exit_ns
        self._leave_hardirq(count)
        # Who has enabled them in there is told of that by whoever called it.
        ctx.irqs_disabled = True
        ctx.hardirq_threadable, ctx.irq_config = outer
        if ctx.reader is not None:
            self.hooks.may_end_reader(self)
        if (self.softirq_pending or self.threads_pending) and not preempt.in_interrupt(ctx.preempt_count):
            await self.system.softirqs.irq_exit(self)
        if ctx.held and not preempt.in_hardirq(ctx.preempt_count):
            # What a handler has left behind is held with interrupts on from here.
            self.system.lockdep.hardirqs_on(self)
        if self.told_interrupts.on:
            self._tell_interrupt_left(began, nested=False)
        ctx.irqs_disabled = False
        if ctx.reader is not None:
            self.hooks.may_end_reader(self)

    def _enter_hardirq(self) -> None:
        """preempt_count_add(HARDIRQ_OFFSET).

        One below zero is carried over by that, and no field of it says that this is an interrupt. The first lock in
        here, the tick's, has lockdep look at softirq_count() (check_flags()).
        """
        ctx = self.ctx
        if not ctx.preempt_count or self.in_idle_loop:
            ctx.preempt_disabled_at = "irq_enter_rcu"
        ctx.preempt_count += preempt.HARDIRQ_OFFSET
        if ctx.preempt_count > preempt.ALL:
            ctx.preempt_count &= preempt.ALL
            self.system.lockdep.check_softirq_flags(self, enabled=True)

    def _leave_hardirq(self, entered_with: int) -> None:
        """preempt_count_sub(HARDIRQ_OFFSET), which a handler may have taken off already."""
        ctx = self.ctx
        if self.told_interrupts.on:
            self.since.told.handler_left(self)
        if entered_with >= preempt.BELOW_ZERO:
            # A kernel with DEBUG_PREEMPT takes nothing off what is too small.
            if self.system.config.DEBUG_PREEMPT:
                balance.report_underflow(self, preempt.HARDIRQ_OFFSET)
            else:
                ctx.preempt_count = ctx.preempt_count - preempt.HARDIRQ_OFFSET & preempt.ALL
        elif ctx.preempt_count & preempt.HARDIRQ_MASK:
            ctx.preempt_count -= preempt.HARDIRQ_OFFSET
        else:
            balance.report_underflow(self, preempt.HARDIRQ_OFFSET)
            ctx.preempt_count, ctx.irqs_forgotten = entered_with if self.idle else 0, 0

    def _tell_interrupt_entered(self, message: HardIrq | Nmi, *, nested: bool) -> None:
        self.since.irqs_off(self, nested=nested)
        if not self.ctx.preempt_count:
            self.since.preemption_off(self)
        self.since.told.interrupt_entered(self)
        self.since.told.handler_entered(self, message)

    def _tell_interrupt_left(self, began: int, *, nested: bool) -> None:
        self.since.told.interrupt_left(self, self.clock - began)
        if not self.ctx.preempt_count:
            self.since.preemption_on(self)
        self.since.irqs_on(self, nested=nested)

    @on_side(Side.NOBODY)
    async def _nmi(self, message: Nmi) -> None:
        ctx = self.ctx
        irqs = ctx.irqs_disabled
        ctx.irqs_disabled = True
        began = self.clock
        if self.told_interrupts.on:
            self._tell_interrupt_entered(message, nested=irqs)
        ctx.preempt_count += preempt.NMI_OFFSET | preempt.HARDIRQ_OFFSET
        self.clock += self.system.costs.irq_entry_ns
        await message.handler(self)
        if self.told_interrupts.on:
            self.since.told.handler_left(self)
        if ctx.preempt_count & preempt.NMI_MASK:
            ctx.preempt_count -= preempt.NMI_OFFSET | preempt.HARDIRQ_OFFSET
        if self.told_interrupts.on:
            self._tell_interrupt_left(began, nested=irqs)
        ctx.irqs_disabled = irqs
        if ctx.reader is not None:
            self.hooks.may_end_reader(self)

    def local_irq_save(self, site: str = "") -> bool:
        """local_irq_save(): returns what to give to `local_irq_restore`."""
        ctx = self.ctx
        flags = ctx.irqs_disabled
        if not flags:
            ctx.irqs_disabled = True
            ctx.irqs_disabled_at = site
        if self.told_irqs.on:
            self.since.irqs_off(self, nested=flags)
        return flags

    async def local_irq_restore(self, flags: bool) -> None:
        """local_irq_restore(): as they were; what waited is served now."""
        ctx = self.ctx
        if not ctx.irqs_disabled:
            balance.check_bogus_irq_restore(self)
        elif not flags and (ctx.held or ctx.preempt_count >= preempt.HARDIRQ_OFFSET):
            self.system.lockdep.hardirqs_on(self)
        if self.told_irqs.on and ctx.irqs_disabled:
            self.since.irqs_on(self, nested=flags)
        ctx.irqs_disabled = flags
        if ctx.reader is not None:
            self.hooks.may_end_reader(self)
        if not flags and (self.attention or self.clock >= self.conductor.horizon):
            await self.point()

    async def local_irq_enable(self) -> None:
        """local_irq_enable(): on, whatever they were."""
        if self.ctx.irqs_disabled:
            await self.local_irq_restore(False)
        elif self.attention or self.clock >= self.conductor.horizon:
            await self.point()

    def preempt_disable(self, site: str = "") -> None:
        """preempt_disable(): raise the count, in a kernel that has one."""
        ctx = self.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
            if self.told_preemption.on and self.system.locks.preempt_offset:
                self.since.preemption_off(self)
        ctx.preempt_count += self.system.locks.preempt_offset

    def preempt_enable_no_resched(self) -> None:
        """preempt_enable_no_resched(): lower the count, which is not 0."""
        ctx = self.ctx
        ctx.preempt_count -= self.system.locks.preempt_offset
        if self.told_preemption.on and self.system.locks.preempt_offset and not ctx.preempt_count:
            self.since.preemption_on(self)
        if ctx.reader is not None:
            self.hooks.may_end_reader(self)

    async def preempt_enable(self) -> None:
        """preempt_enable(): lower the count; a thread that waited for it takes over now."""
        offset = self.system.locks.preempt_offset
        if offset and not self.ctx.preempt_count & preempt.PREEMPT_MASK:
            balance.report_underflow(self)
        else:
            self.preempt_enable_no_resched()
        if self.attention or self.clock >= self.conductor.horizon:
            await self.point()

    def migrate_enable(self) -> None:
        """migrate_enable(): the running thread may be moved again: at once, if it must not run here any more.

        Whoever has not disabled it is told, and nothing happens.
        """
        thread, ctx = self.current, self.ctx
        if not ctx.migrate_disabled:
            self.judge.warn_on_once(self, ViolationKind.BAD_CONTEXT, "!p->migration_disabled", "migrate_enable")
            return
        ctx.migrate_disabled -= 1
        if not ctx.migrate_disabled and not is_allowed(thread, self):
            self.resched_curr()
