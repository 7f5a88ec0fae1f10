"""The scheduler's side of a CPU, struct rq (kernel/sched/core.c, idle.c): who runs, who is woken, who waits.

schedule() gives the CPU to the most urgent thread of the run queue, wake_up_process() is try_to_wake_up(), and the idle
thread runs do_idle(). Which CPU a thread belongs on is decided in `migration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs

from ..context import preempt
from ..context.processor import Processor
from ..context.violation import ViolationKind
from ..engine.decision import Alternatives, DecisionKind
from ..engine.probe import Access, Group
from ..marks import machinery
from .hooks import call_hooks
from .locking import contention
from .messages import WakeUp
from .migration import is_allowed, is_movable
from .thread import RunQueue, Thread, ThreadState

if TYPE_CHECKING:
    from .cpu import Cpu
    from .hooks import CpuHooks
    from .system import System


WHICH_THREAD: Final = DecisionKind("which thread")

_IN_ORDER: Final = 4
"""Nature's weight of the first in the run queue, against 1 for each other thread of its urgency."""


def gives_way(running: Thread, best: Thread | None, *, preempted: bool) -> bool:
    """Whether the first of the run queue takes the CPU from who runs: a more urgent one, or an equal in its turn.

    Of real-time equals only who gives way by itself does: SCHED_FIFO has no turns.
    """
    if best is None or best.urgency is not running.urgency:
        return best is not None and best.urgency > running.urgency
    return best.fair or running.fair or not preempted


@attrs.define(eq=False, kw_only=True)
class SchedulingCpu(Processor):
    """struct rq, and what works on it. The rest of a CPU is built on this."""

    system: System
    hooks: CpuHooks
    runqueue: RunQueue
    idle_thread: Thread = attrs.field(init=False)
    current: Thread
    need_resched: bool = False
    idle: bool = True
    """The idle thread runs, or an interrupt on its stack."""
    spinning: bool = False
    """What runs stands still until what it looks at has changed."""
    online: bool = True
    """cpu_online()."""
    active: bool = True
    """cpu_active(): threads that belong to no CPU may be put on it."""
    slept_in_idle: bool = False
    """A handler on the idle thread's stack has slept, and nobody has woken it: its state is not TASK_RUNNING."""
    left_on_irq_stack: Thread | None = None
    """A thread that was switched out in a hardirq handler."""
    told_switches: Group = attrs.field(init=False)
    lazy: bool = False
    """PREEMPT_LAZY."""
    need_resched_lazy: bool = False
    """TIF_NEED_RESCHED_LAZY: a thread that is not real-time is to give way to another such one, at the next tick."""
    fair_first: bool = False
    """The fair server runs: threads that are not real-time go first (fair_server.py)."""
    switched_ns: int = 0
    """When it last went on with another thread."""
    switches: int = 0
    """rq->nr_switches: how often it went on with another thread."""

    @property
    def _whole(self) -> Cpu:
        """This CPU with all that it is."""
        return cast("Cpu", self)

    # -- the scheduler -----------------------------------------------------------------------------------------------

    def make_runnable(self, thread: Thread) -> None:
        """ttwu_do_activate(): onto this CPU's run queue; for who holds, or stands for, the scheduler's locks."""
        if thread.state in (ThreadState.DEAD, ThreadState.RUNNABLE):
            return
        thread.state = ThreadState.RUNNABLE
        if self.told_switches.on:
            self.system.probes.woken(self._whole, thread)
        if thread is self.idle_thread:
            self._whole.kick()
        elif thread is not self.current:
            self.enqueue_thread(thread)

    def enqueue_thread(self, thread: Thread) -> None:
        """enqueue_task(), check_preempt_curr(): a runnable thread wants this CPU."""
        self.runqueue.put(thread)
        if self.told_switches.on:
            self.conductor.probes.access(self.runqueue, Access.WRITE)
        running = self.current
        if running.state is not ThreadState.RUNNABLE:
            self.resched_curr()
        elif thread.urgency > running.urgency:
            self.resched_for(thread)
        self._whole.kick()

    def resched_curr(self) -> None:
        """resched_curr(): the running thread is to call the scheduler as soon as it may."""
        self.need_resched = True
        self.attention = True

    def resched_for(self, thread: Thread) -> None:
        """resched_curr_lazy() where both are of CFS or EEVDF and the kernel is lazy, else resched_curr()."""
        if self.lazy and thread.fair and self.current.fair and not self.idle:
            self.need_resched_lazy = True
        else:
            self.resched_curr()

    def serve_fair_first(self, first: bool) -> None:
        """The fair server begins, or has used up its time."""
        self.fair_first = first
        self.resched_curr()

    @machinery
    def note_switch(self, leaving: Thread, *, preempted: bool) -> None:
        """What __schedule() looks at first: schedule_debug(), then rcu_note_context_switch().

        A preempt_count that should not be there is gone afterwards (preempt_count_set(PREEMPT_DISABLED)), so that the
        preempt_enable() that belongs to it is one too many.
        """
        if leaving.ctx.preempt_count and not self._whole.in_idle_loop:
            complaint = self.judge.scheduling_while_atomic(self, leaving.ctx)
            if complaint is not None:
                raise complaint
            if preempt.in_hardirq(leaving.ctx.preempt_count):
                self._leave_handler(leaving)
            self.forget_preempt_count(leaving)
        call_hooks(self.conductor, self.hooks.on_switch, self._whole, leaving, preempted)

    def _leave_handler(self, leaving: Thread) -> None:
        """A hardirq handler gives up the CPU: lockdep takes whoever goes on there for one, and enables interrupts.

        It is on the CPU's interrupt stack, on which softirqs begin at the top (do_softirq_own_stack(), on x86), but on
        PREEMPT_RT.
        """
        system = self.system
        if system.lockdep.on and not preempt.in_nmi(leaving.ctx.preempt_count):
            system.lockdep.debug_locks_warn_on(self._whole, "lockdep_hardirq_context()", "lockdep_hardirqs_on_prepare")
        if leaving is not self.idle_thread and not system.config.PREEMPT_RT:
            self.left_on_irq_stack = leaving

    def forget_preempt_count(self, leaving: Thread) -> None:
        """schedule_debug(): preempt_count_set(PREEMPT_DISABLED), of which schedule() takes away its own part."""
        ctx = leaving.ctx
        count, ctx.preempt_count = ctx.preempt_count, 0
        if self._whole.told_preemption.on:
            self._whole.since.preemption_on(self._whole)
        ctx.preempt_forgotten, ctx.irqs_forgotten = count, count & preempt.INTERRUPT_MASK
        if count & preempt.SOFTIRQ_MASK:
            self.system.lockdep.check_softirq_flags(self._whole, enabled=False)

    async def schedule(self, *, preempt: bool = False, rtlock: bool = False) -> None:
        """schedule(): give up the CPU: by itself (to sleep, to yield), or because a more urgent thread waits."""
        leaving = self.current
        self.note_switch(leaving, preempted=preempt or rtlock)
        if leaving.ctx.irqs_disabled:
            self._finish_lock_switch(leaving)
        self.need_resched = self.need_resched_lazy = False
        # A preempted thread stays on the queue even if it was about to sleep.
        if (preempt or leaving.state is ThreadState.RUNNABLE) and leaving is not self.idle_thread:
            best = self.runqueue.best()
            stays = is_allowed(leaving, self) or not is_movable(leaving)
            if stays and not self.fair_first and not gives_way(leaving, best, preempted=preempt):
                return
            self._put_back(leaving, first=preempt and best is not None and best.urgency > leaving.urgency)
        following = self._pick_next_task()
        if following is leaving:
            return
        self.clock += self.system.costs.context_switch_ns
        self._take_over(following, preempted=preempt or rtlock)
        await self.conductor.switch_strand(self, following.strand)

    def _finish_lock_switch(self, leaving: Thread) -> None:
        """finish_lock_switch(): whoever calls schedule() with interrupts off comes back with them on.

        That is raw_spin_rq_unlock_irq() (kernel/sched/core.c). Nobody complains; lockdep sees what is held then.
        """
        cpu = self._whole
        if leaving.ctx.held:
            self.system.lockdep.hardirqs_on(cpu)
        if cpu.told_irqs.on:
            cpu.since.irqs_on(cpu, nested=False)
        leaving.ctx.irqs_disabled = False

    def _pick_next_task(self) -> Thread:
        """pick_next_task(): the most urgent, else the idle thread.

        Among equals it is the first in the queue. CFS goes by what each has had of the CPU, which is not modelled; with
        `waiters` it is a decision, for as long as fairness leaves it one.
        """
        queue = self.runqueue
        fair = queue.best_fair() if self.fair_first else None
        if fair is not None:
            queue.remove(fair)
            return fair
        thread = queue.take()
        if thread is None:
            return self.idle_thread
        if self.system.left_open.waiters:
            others = [other for other in queue.equals() if other.urgency is thread.urgency]
            if others:
                thread = self._pick_among_equals(thread, others)
        return thread

    def _pick_among_equals(self, first: Thread, others: list[Thread]) -> Thread:
        """Any of them. Time in which the first is passed over is charged as that of a hold-up."""
        conductor, now = self.conductor, self.clock
        fairness = conductor.fairness
        if first.passed_over_at:
            fairness.spend(now, now - first.passed_over_at)
        if fairness.left(now) <= 0:
            return first
        options = tuple(thread.strand.path for thread in (first, *others))
        picked = conductor.choose(Alternatives(WHICH_THREAD, options, (_IN_ORDER,) + (1,) * len(others)))
        if not picked:
            return first
        first.passed_over_at = now
        thread = others[picked - 1]
        self.runqueue.remove(thread)
        self.runqueue.put(first, first=True)
        return thread

    def _put_back(self, leaving: Thread, *, first: bool) -> None:
        """A thread that wants to go on waits for its CPU, or for another, whose load balancer has pulled it."""
        target = self.system.migration.balance(leaving)
        if target is self:
            self.runqueue.put(leaving, first=first)
        else:
            target.enqueue_thread(leaving)

    def _take_over(self, following: Thread, *, preempted: bool) -> None:
        was_idle, leaving = self.idle, self.current
        self.switches += 1
        self.current = following
        following.passed_over_at = 0
        # It may come from a CPU that is further on.
        self.clock = max(self.clock, following.not_before)
        self.switched_ns = self.clock
        if self.told_switches.on:
            self.conductor.probes.access(self.runqueue, Access.WRITE)
            self.system.probes.switched(self._whole, leaving, following, preempted)
        if leaving.spun_on_by:
            contention.look_again(self._whole, leaving)
        self.ctx = following.ctx
        self.idle = following is self.idle_thread
        if not following.service:
            self.system.ticks.quiet = 0
        if was_idle and not self.idle:
            self.system.ticks.restart(self._whole)

    @machinery
    async def sleep_in_idle(self, reason: str, *, rtlock: bool) -> None:
        """An interrupt handler on the idle thread's stack sleeps.

        Reported, and then the CPU stands still until the wait is over.
        """
        ctx = self.ctx
        self.note_switch(self.idle_thread, preempted=rtlock)
        flags, ctx.irqs_disabled = ctx.irqs_disabled, False
        while self.idle_thread.state is ThreadState.SLEEPING:
            if self.mailbox.waiting:
                await self._whole.attend()
            else:
                await self.conductor.block(self, reason, listening=True)
        ctx.irqs_disabled = flags

    async def wake_up_process(self, thread: Thread) -> bool:
        """try_to_wake_up(), wake_up_process(): under the thread's pi_lock and its run queue's lock, both raw."""
        locks, system, cpu = self.system.locks, self.system, self._whole
        flags = cpu.local_irq_save()
        await locks.raw_spin_lock(cpu, thread.pi_lock)
        woken = thread.state is ThreadState.SLEEPING
        if woken:
            target = system.migration.select_task_rq(thread)
            await locks.raw_spin_lock(cpu, target.runqueue.lock)
            self.clock += system.costs.wake_up_ns
            if thread.cpu is self:
                self.make_runnable(thread)
            else:
                self.post_wake_up(thread)
            await locks.raw_spin_unlock(cpu, target.runqueue.lock)
        await locks.raw_spin_unlock(cpu, thread.pi_lock)
        await cpu.local_irq_restore(flags)
        return woken

    def post_wake_up(self, thread: Thread) -> None:
        """A thread of another CPU may run again: tell that CPU."""
        message = WakeUp(sender=self.name, time_ns=self.clock, thread=thread, sleep=thread.sleeps)
        self.conductor.post(thread.cpu, message)

    def ttwu_pending(self, message: WakeUp) -> None:
        """sched_ttwu_pending(): the woken thread may have been moved on meanwhile, and is woken there."""
        thread = message.thread
        if message.sleep != thread.sleeps:
            return
        if thread.cpu is self:
            self.make_runnable(thread)
        elif thread.state is ThreadState.SLEEPING:
            self.post_wake_up(thread)

    # -- the idle thread ---------------------------------------------------------------------------------------------

    @machinery
    async def main(self) -> None:
        """do_idle(): the CPU's own strand."""
        cpu = self._whole
        while True:
            if self.attention:
                await cpu.attend()
            if self.runqueue.best() is not None:
                self._check_idle_state()
                await self.schedule()
            elif not self.online:
                await self.system.hotplug.idle_dead(cpu)
            elif not self.mailbox.waiting:
                self.system.ticks.stop(cpu)
                for hook in self.hooks.on_idle:
                    hook(cpu)
                await self.conductor.block(self, "nothing to do", listening=True)

    def _check_idle_state(self) -> None:
        """WARN_ON_ONCE(current->__state) of schedule_idle()."""
        if self.slept_in_idle:
            self.slept_in_idle = False
            self.judge.warn_on_once(self._whole, ViolationKind.BAD_CONTEXT, "current->__state", "schedule_idle")

    def pick_next(self) -> None:
        """The current thread is gone from the CPU without a strand to park: let the next one have it."""
        self.need_resched = False
        self.clock += self.system.costs.context_switch_ns
        following = self._pick_next_task()
        self._take_over(following, preempted=False)
        self.strand = following.strand
        self.conductor.enqueue(self, self.clock, paused=True)
