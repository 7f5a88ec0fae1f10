"""A CPU: one line of virtual time on which threads, softirqs, hardirqs and NMIs run one at a time, properly nested.

Models kernel/sched/core.c (schedule(), preemption), kernel/softirq.c (irq_enter(), irq_exit()), kernel/sched/idle.c.
Interrupts come as messages and are served at the first point where the running context has them enabled, on the stack
of whoever is running, as on real hardware; on the way out softirqs run, then the scheduler. The CPU actor's own
strand is the idle thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from ..context import preempt
from ..context.nursery import ContextNursery, judge_foreign
from ..context.processor import Processor
from ..context.violation import KernelBug
from ..engine.errors import RunOver
from ..engine.strand import Strand
from ..marks import machinery
from . import balance, contention
from .messages import DEVICE_ENTRY, HardIrq, Nmi, WakeUp
from .thread import RunQueue, Thread, ThreadState

if TYPE_CHECKING:
    from ..context.locks import Lock
    from ..context.processor import Sleeper
    from .hooks import CpuHooks
    from .system import System


@attrs.define(eq=False, kw_only=True)
class Cpu(Processor):
    """One CPU. `current` is the thread that owns it; `ctx` is that thread's context."""

    system: System
    hooks: CpuHooks
    runqueue: RunQueue
    nursery: ContextNursery
    idle_thread: Thread = attrs.field(init=False)
    current: Thread
    need_resched: bool = False
    softirq_pending: int = 0
    softirq_ctrl: int = 0
    """PREEMPT_RT: softirq_ctrl.cnt, how deep bottom halves are disabled on this CPU."""
    idle: bool = True
    spinning: bool = False
    ksoftirqd: Thread | None = None
    _nmis: list[Nmi] = attrs.field(factory=list)

    # -- points ------------------------------------------------------------------------------------------------------

    @machinery
    async def point(self) -> None:
        """Others may act, interrupts may arrive, a more urgent thread may take over."""
        await self.conductor.pause(self)
        if self.attention:
            await self.attend()

    @machinery
    async def attend(self) -> None:
        """Serve what has arrived, as far as the running context lets it through."""
        ctx = self.ctx
        while self._nmis and not preempt.in_nmi(ctx.preempt_count):
            await self._nmi(self._nmis.pop(0))
        while self.mailbox.waiting and not ctx.irqs_disabled:
            message = self.mailbox.take_nowait()
            if isinstance(message, HardIrq):
                await self.hardirq(message)
            elif isinstance(message, WakeUp):
                self.clock += self.system.costs.ipi_ns
                if message.sleep == message.thread.sleeps:
                    self.make_runnable(message.thread)
            elif isinstance(message, Nmi):
                await self._nmi(message)
            elif message is not None:
                self.hooks.on_message[type(message)](self, message)
        if not self.mailbox.waiting and not self.need_resched:
            self.attention = False
        elif self.need_resched and self._may_preempt():
            await self.schedule(preempt=True)

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
    async def hardirq(self, message: HardIrq) -> None:
        """Serve one hardware interrupt on the stack of the current thread."""
        ctx, costs = self.ctx, self.system.costs
        outer = ctx.hardirq_threadable, ctx.irq_config
        threaded = message.threadable and self.system.config.PREEMPT_RT
        ctx.hardirq_threadable, ctx.irq_config = message.threadable and not threaded, False
        ctx.irqs_disabled = True
        ctx.irqs_disabled_at = message.entry
        if not ctx.preempt_count or self.in_idle_loop:
            ctx.preempt_disabled_at = "irq_enter_rcu"
        ctx.preempt_count += preempt.HARDIRQ_OFFSET
        self.clock += costs.irq_entry_ns
        if threaded:
            await self.system.irq_threads.wake(self, message)
        else:
            await message.handler(self)
            if message.entry == DEVICE_ENTRY:
                balance.check_interrupts_off(self, message.line)
        self.clock += costs.irq_exit_ns
        ctx.preempt_count -= preempt.HARDIRQ_OFFSET
        ctx.hardirq_threadable, ctx.irq_config = outer
        if self.softirq_pending and not preempt.in_interrupt(ctx.preempt_count):
            await self.system.softirqs.irq_exit(self)
        if ctx.held and not preempt.in_hardirq(ctx.preempt_count):
            # What a handler has left behind is held with interrupts on from here.
            self.system.lockdep.hardirqs_on(self)
        ctx.irqs_disabled = False

    async def _nmi(self, message: Nmi) -> None:
        ctx = self.ctx
        irqs = ctx.irqs_disabled
        ctx.irqs_disabled = True
        ctx.preempt_count += preempt.NMI_OFFSET | preempt.HARDIRQ_OFFSET
        self.clock += self.system.costs.irq_entry_ns
        await message.handler(self)
        ctx.preempt_count -= preempt.NMI_OFFSET | preempt.HARDIRQ_OFFSET
        ctx.irqs_disabled = irqs

    def local_irq_save(self, site: str = "") -> bool:
        """Interrupts off; returns what to give to `local_irq_restore`."""
        ctx = self.ctx
        flags = ctx.irqs_disabled
        if not flags:
            ctx.irqs_disabled = True
            ctx.irqs_disabled_at = site
        return flags

    async def local_irq_restore(self, flags: bool) -> None:
        """Interrupts as they were; what waited is served now."""
        ctx = self.ctx
        if not flags and ctx.irqs_disabled and (ctx.held or ctx.preempt_count >= preempt.HARDIRQ_OFFSET):
            self.system.lockdep.hardirqs_on(self)
        ctx.irqs_disabled = flags
        if not flags and (self.attention or self.clock >= self.conductor.horizon):
            await self.point()

    def preempt_disable(self, site: str = "") -> None:
        """Raise the count, in a kernel that has one."""
        ctx = self.ctx
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = site
        ctx.preempt_count += self.system.locks.preempt_offset

    async def preempt_enable(self) -> None:
        """Lower the count; a thread that waited for it takes over now."""
        offset = self.system.locks.preempt_offset
        if offset and not self.ctx.preempt_count & preempt.PREEMPT_MASK:
            self.count_underflow()
        else:
            self.ctx.preempt_count -= offset
        if self.attention or self.clock >= self.conductor.horizon:
            await self.point()

    def count_underflow(self) -> None:
        """preempt_count_sub() below zero."""
        balance.report_underflow(self)

    # -- the scheduler -----------------------------------------------------------------------------------------------

    def make_runnable(self, thread: Thread) -> None:
        """Put a woken thread on this CPU's run queue; for callers that hold, or stand for, the scheduler's locks."""
        if thread.state in (ThreadState.DEAD, ThreadState.RUNNABLE):
            return
        thread.state = ThreadState.RUNNABLE
        if thread is self.idle_thread:
            self.kick()
        elif thread is not self.current:
            self.enqueue_thread(thread)

    def enqueue_thread(self, thread: Thread) -> None:
        """A runnable thread wants this CPU."""
        self.runqueue.put(thread)
        running = self.current
        if thread.urgency > running.urgency or running.state is not ThreadState.RUNNABLE:
            self.resched_curr()
        self.kick()

    def resched_curr(self) -> None:
        """The running thread is to call the scheduler as soon as it may."""
        self.need_resched = True
        self.attention = True

    @machinery
    def note_switch(self, leaving: Thread, *, preempted: bool) -> None:
        """What __schedule() looks at first: schedule_debug(), then rcu_note_context_switch()."""
        if leaving.ctx.preempt_count and not self.in_idle_loop:
            complaint = self.judge.scheduling_while_atomic(self, leaving.ctx)
            if complaint is not None:
                raise complaint
        for hook in self.hooks.on_switch:
            hook(self, leaving, preempted)

    async def schedule(self, *, preempt: bool = False, rtlock: bool = False) -> None:
        """Give up the CPU: voluntarily (the thread sleeps or yields), or because a more urgent thread waits."""
        leaving = self.current
        self.note_switch(leaving, preempted=preempt or rtlock)
        self.need_resched = False
        # A preempted thread stays on the queue even if it was about to sleep.
        if (preempt or leaving.state is ThreadState.RUNNABLE) and leaving is not self.idle_thread:
            best = self.runqueue.best()
            if best is None or best.urgency < leaving.urgency:
                return
            self.runqueue.put(leaving, first=preempt and best.urgency > leaving.urgency)
        following = self.runqueue.take() or self.idle_thread
        if following is leaving:
            return
        self.clock += self.system.costs.context_switch_ns
        self._take_over(following)
        await self.conductor.switch_strand(self, following.strand)

    async def cond_resched(self) -> None:
        """cond_resched(): give way to who waits, as if preempted (preempt_schedule_common()).

        Without preemption it is also a quiescent state (rcu_all_qs()).
        """
        for hook in self.hooks.on_cond_resched:
            hook(self)
        if self.attention or self.clock >= self.conductor.horizon:
            await self.point()
        if self.need_resched and not self.ctx.preempt_count:
            await self.schedule(preempt=True)

    def _take_over(self, following: Thread) -> None:
        was_idle, leaving = self.idle, self.current
        self.current = following
        if leaving.spun_on_by:
            contention.look_again(self, leaving)
        self.ctx = following.ctx
        self.idle = following is self.idle_thread
        if not following.service:
            self.system.ticks.quiet = 0
        if was_idle and not self.idle:
            self.system.ticks.restart(self)

    @machinery
    async def sleep(self, reason: str, *, rtlock: bool = False) -> None:
        """The current thread sleeps until somebody wakes it; as schedule_rtlock() does, if `rtlock`."""
        thread = self.current
        if thread.state is not ThreadState.SLEEPING:
            thread.prepare_to_sleep()
        thread.waiting_for = reason
        if thread is self.idle_thread:
            await self._sleep_in_idle(reason, rtlock=rtlock)
        else:
            await self.schedule(rtlock=rtlock)
        thread.waiting_for = ""

    async def _sleep_in_idle(self, reason: str, *, rtlock: bool) -> None:
        """An interrupt handler on the idle thread's stack sleeps.

        Reported, and then the CPU stands still until the wait is over.
        """
        ctx = self.ctx
        self.note_switch(self.idle_thread, preempted=rtlock)
        flags, ctx.irqs_disabled = ctx.irqs_disabled, False
        while self.idle_thread.state is ThreadState.SLEEPING:
            if self.mailbox.waiting:
                await self.attend()
            else:
                await self.conductor.block(self, reason, listening=True)
        ctx.irqs_disabled = flags

    async def wake_up_process(self, thread: Thread) -> bool:
        """try_to_wake_up(): under the thread's pi_lock and its run queue's lock, both raw."""
        locks, system = self.system.locks, self.system
        flags = self.local_irq_save()
        await locks.raw_spin_lock(self, thread.pi_lock)
        woken = thread.state is ThreadState.SLEEPING
        if woken:
            target = thread.cpu
            await locks.raw_spin_lock(self, target.runqueue.lock)
            self.clock += system.costs.wake_up_ns
            if target is self:
                self.make_runnable(thread)
            else:
                self.post_wake_up(thread)
            await locks.raw_spin_unlock(self, target.runqueue.lock)
        await locks.raw_spin_unlock(self, thread.pi_lock)
        await self.local_irq_restore(flags)
        return woken

    def post_wake_up(self, thread: Thread) -> None:
        """A thread of another CPU may run again: tell that CPU."""
        message = WakeUp(sender=self.name, time_ns=self.clock, thread=thread, sleep=thread.sleeps)
        self.conductor.post(thread.cpu, message)

    # -- contended locks ---------------------------------------------------------------------------------------------

    @machinery
    async def spin(self, lock: Lock) -> None:
        """Burn time until the lock is handed over; interrupts are served meanwhile if they are on."""
        await contention.spin(self, lock)

    @machinery
    async def spin_on_owner(self, lock: Lock) -> bool:
        """Spin for as long as a mutex's owner runs and nobody wants this CPU; whether the lock is ours."""
        return await contention.mutex_optimistic_spin(self, lock)

    @machinery
    async def sleep_on(self, lock: Lock, *, rtlock: bool = False) -> None:
        """Sleep until the lock is handed over."""
        await contention.sleep_on(self, lock, rtlock=rtlock)

    def hand(self, to: Sleeper) -> None:
        """A lock was given to a waiter: let it go on."""
        contention.hand(self, to)

    # -- strands: the idle thread, and the gate of every thread ------------------------------------------------------

    @machinery
    async def main(self) -> None:
        """do_idle(): the CPU's own strand, around the nursery of its threads."""
        async with trio.open_nursery() as nursery:
            self.nursery.opened(nursery)
            try:
                await self._idle_loop()
            except RunOver:
                pass
            except BaseException as error:
                # An interrupt handler on the idle thread raised: the run ends, and with it the threads that this
                # nursery waits for.
                self.conductor.finish(error)
            nursery.cancel_scope.cancel()

    async def _idle_loop(self) -> None:
        while True:
            if self.attention:
                await self.attend()
            if self.runqueue.best() is not None:
                await self.schedule()
            elif not self.mailbox.waiting:
                self.system.ticks.stop(self)
                for hook in self.hooks.on_idle:
                    hook(self)
                await self.conductor.block(self, "nothing to do", listening=True)

    def _next(self) -> None:
        """The current thread is gone from the CPU without a strand to park: let the next one have it."""
        self.need_resched = False
        self.clock += self.system.costs.context_switch_ns
        following = self.runqueue.take() or self.idle_thread
        self._take_over(following)
        self.strand = following.strand
        self.conductor.enqueue(self, self.clock, paused=True)

    def leave(self, strand: Strand) -> BaseException | None:
        """A thread suspends outside the model: judge it, and give its CPU to another."""
        thread = self.current
        assert thread.strand is strand
        complaint = judge_foreign(self, thread.ctx, strand)
        if complaint is not None:
            return complaint
        if thread is self.idle_thread:
            return RuntimeError(f"{thread} cannot wait outside the model: an interrupt handler ran on the idle thread")
        thread.state = ThreadState.OUTSIDE
        try:
            for hook in self.hooks.on_switch:
                hook(self, thread, False)
        except KernelBug as bug:
            thread.state = ThreadState.RUNNABLE
            return bug
        self._next()
        return None

    def rejoin(self, strand: Strand) -> None:
        """The wait outside is over."""
        thread = self.system.thread_of(strand)
        thread.state = ThreadState.SLEEPING
        self.make_runnable(thread)

    def exited(self, strand: Strand) -> None:
        """A thread has ended."""
        thread = self.current
        assert thread.strand is strand
        thread.state = ThreadState.DEAD
        self.system.thread_exited(thread)
        for hook in self.hooks.on_switch:
            hook(self, thread, False)
        self._next()
