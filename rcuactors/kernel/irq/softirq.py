"""Softirqs (kernel/softirq.c): bits that are raised, and when they are served.

raise_softirq() sets them, __do_softirq() serves them, local_bh_disable() keeps that off.

On the way out of an interrupt, in ksoftirqd when they keep coming, on PREEMPT_RT always in a thread: that of timers is
ktimers/N, of the lowest real-time priority (run_timersd() of 6.1-rt and of v6.13; 6.12 has none), and RCU's core is no
softirq there but what rcuc/N does (rcu/callbacks.py). The rest is ksoftirqd's, a thread like any other; or of whoever
has bottom halves on again first, rcuc/N for one.

On PREEMPT_RT (CONFIG_PREEMPT_RT's part of kernel/softirq.c) the serving thread is preemptible and its preempt_count
does not show the softirq; `Context.softirq_thread` does here. It serves with bottom halves off (ksoftirqd_run_begin());
what that means there is in bottom_halves.py.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from ...context import preempt, splat
from ...context.lockdep.demands import assert_irqs_enabled
from ...context.trace import call_trace, caller_site
from ...context.violation import ORACLE, ViolationKind
from ...marks import inline, stands_for
from .. import balance
from ..hotplug.states import CpuhpState
from ..percpu import PerCpu
from ..thread import ThreadState
from .bottom_halves import DISABLE, ENABLE, LockedBottomHalves, bottom_halves_of, warn_in_hardirq
from .own_threads import OwnThread

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..messages import Handler
    from ..system import System
    from ..thread import Thread

_MAX_RESTARTS: Final = 10
"""MAX_SOFTIRQ_RESTART."""
_MAX_TIME_MS: Final = 2
"""MAX_SOFTIRQ_TIME: no further round from this many milliseconds on, in jiffies."""


class Softirq(enum.IntEnum):
    """The vectors that the model has, in the kernel's order of service."""

    TIMER = 1
    TASKLET = 6
    HRTIMER = 8
    RCU = 9


@attrs.frozen(kw_only=True)
class SoftirqStatistics:
    """The softirqs of all CPUs.

    * `served` (times by vector): its function was called (/proc/softirqs, all CPUs together).
    * `pending` (CPUs): with a softirq that was raised and not served.
    * `ksoftirqd_wakeups` (times): a thread was woken to serve them, PREEMPT_RT's ktimers and rcuc included.
    * `tasklets` (tasklets): that wait.
    """

    served: Mapping[str, int]
    pending: int
    ksoftirqd_wakeups: int
    tasklets: int


class Softirqs:
    """The softirq machinery of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._threaded = system.config.PREEMPT_RT
        self._max_jiffies = -(-_MAX_TIME_MS * system.config.HZ // 1000)
        self._tasklets: PerCpu[list[Handler]] = PerCpu(lambda _: [], system.masks)
        self._scheduled: set[object] = set()
        """TASKLET_STATE_SCHED, on whichever CPU."""
        self._served: Counter[int] = Counter()
        self._wakeups = 0
        self._own_threads: list[OwnThread] = []
        self._in_own_threads = 0
        if self._threaded and system.rules.timers_have_own_thread:
            self.serve_in_own_thread("ktimers", (Softirq.TIMER, Softirq.HRTIMER), self._run_timersd)
        self._traced = system.config.lockdep
        """TRACE_IRQFLAGS, which PROVE_LOCKING selects."""
        self._bottom_halves = bottom_halves_of(system)
        self.lock_of = self._bottom_halves.lock_of
        self.have_a_lock = self._threaded and isinstance(self._bottom_halves, LockedBottomHalves)
        system.hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        self._system.hotplug.setup_state(CpuhpState.SOFTIRQ_DEAD, "softirq:dead", teardown=self.takeover_tasklets)

    def statistics(self) -> SoftirqStatistics:
        """Their figures, as they are now."""
        served = {Softirq(vector).name: count for vector, count in sorted(self._served.items())}
        return SoftirqStatistics(
            served=served,
            pending=sum(bool(cpu.softirq_pending or cpu.threads_pending) for cpu in self._system.cpus.values()),
            ksoftirqd_wakeups=self._wakeups,
            tasklets=sum(len(waiting) for waiting in self._tasklets.values()),
        )

    def raise_irqoff(self, cpu: Cpu, vector: Softirq) -> None:
        """Set the bit, from a context on whose way out it is looked at (a hardirq handler)."""
        if self._in_own_threads & 1 << vector:
            cpu.threads_pending |= 1 << vector
        else:
            cpu.softirq_pending |= 1 << vector

    def serve_in_own_thread(
        self, name: str, vectors: Iterable[Softirq], one_round: Callable[[Cpu], Awaitable[None]]
    ) -> None:
        """From now on a thread of its own does what these vectors are raised for; the round begins with `take_over`."""
        bits = sum(1 << vector for vector in vectors)
        self._own_threads.append(OwnThread(name, bits, one_round))
        self._in_own_threads |= bits

    @staticmethod
    def take_over(cpu: Cpu, *vectors: Softirq) -> int:
        """What of these is raised, which is the caller's from now on."""
        bits = sum(1 << vector for vector in vectors)
        raised = cpu.threads_pending & bits
        cpu.threads_pending ^= raised
        return raised

    async def raise_softirq(self, cpu: Cpu, vector: Softirq) -> None:
        """raise_softirq(): set the bit; outside of interrupts ksoftirqd has to see to it."""
        self.raise_irqoff(cpu, vector)
        if not preempt.in_interrupt(cpu.ctx.preempt_count) and not cpu.softirq_ctrl:
            await self._wake(cpu)

    async def tasklet_schedule(self, cpu: Cpu, function: Handler, *, tasklet: object = None) -> None:
        """tasklet_schedule(): run a function once, on this CPU, in TASKLET_SOFTIRQ.

        A `tasklet` (by itself the function is one) that is scheduled already, on any CPU, and has not begun yet is not
        scheduled again (TASKLET_STATE_SCHED, include/linux/interrupt.h).
        """
        tasklet = tasklet or function
        if tasklet in self._scheduled:
            return
        self._scheduled.add(tasklet)

        async def tasklet_action_common(on: Cpu) -> None:
            self._scheduled.discard(tasklet)
            await function(on)

        self._tasklets[cpu.cpu_id].append(tasklet_action_common)
        await self.raise_softirq(cpu, Softirq.TASKLET)

    def is_scheduled(self, tasklet: object) -> bool:
        """TASKLET_STATE_SCHED: it waits to be run, on whichever CPU."""
        return tasklet in self._scheduled

    async def tasklet_action(self, cpu: Cpu) -> None:
        """tasklet_action(): what was scheduled until now; what a tasklet schedules itself comes next time."""
        scheduled, self._tasklets[cpu.cpu_id] = self._tasklets[cpu.cpu_id], []
        for function in scheduled:
            await function(cpu)

    async def takeover_tasklets(self, thread: Thread, cpu_id: int) -> None:
        """takeover_tasklets(): those of a dead CPU are this one's from now on."""
        waiting = self._tasklets.get(cpu_id)
        if not waiting:
            return
        cpu, flags = thread.local_irq_save()
        self._tasklets[cpu.cpu_id] += waiting
        waiting.clear()
        await self.raise_softirq(cpu, Softirq.TASKLET)
        await cpu.local_irq_restore(flags)

    async def irq_exit(self, cpu: Cpu) -> None:
        """irq_exit(): with interrupts still off: serve, or on PREEMPT_RT wake the thread that does."""
        if not self._threaded:
            await self._serve(cpu)
            return
        if cpu.softirq_pending and not cpu.softirq_ctrl:
            await self._wake(cpu)
        if cpu.threads_pending:
            await self._wake_own_threads(cpu)

    # -- bottom halves off and on ------------------------------------------------------------------------------------

    @inline
    async def local_bh_disable(self, thread: Thread) -> Cpu:
        """local_bh_disable(): nests. On PREEMPT_RT preempt_count does not show it, and it may sleep.

        Returns the CPU that this pins to.
        """
        cpu = thread.cpu
        if self._threaded:
            await self._bottom_halves.disable(cpu)
            return cpu
        ctx = cpu.ctx
        if ctx.preempt_count >= preempt.HARDIRQ_OFFSET:
            if self._traced:
                warn_in_hardirq(cpu, DISABLE)
            if ctx.preempt_count + preempt.SOFTIRQ_DISABLE_OFFSET > preempt.ALL:
                # Below zero, as an enable too many has left it; this one makes up for that.
                ctx.preempt_count -= preempt.ALL + 1
        if not ctx.preempt_count:
            ctx.preempt_disabled_at = caller_site()
            if cpu.told_preemption.on:
                cpu.since.preemption_off(cpu)
        ctx.preempt_count += preempt.SOFTIRQ_DISABLE_OFFSET
        return cpu

    @inline
    async def local_bh_enable(self, cpu: Cpu) -> None:
        """local_bh_enable(): what was raised meanwhile is served now. Not for hardirq, nor with interrupts off."""
        ctx, thread = cpu.ctx, cpu.current
        if self._threaded:
            await self._rt_enable_and_serve(cpu)
        elif ctx.irqs_disabled or ctx.preempt_count >= preempt.HARDIRQ_OFFSET:
            await self._enable_where_one_may_not(cpu)
        else:
            await self._enable(cpu)
        await thread.spend(0)

    async def _enable(self, cpu: Cpu) -> None:
        ctx = cpu.ctx
        if (ctx.preempt_count & preempt.SOFTIRQ_MASK) < preempt.SOFTIRQ_DISABLE_OFFSET:
            self._underflow(cpu)
            return
        ctx.preempt_count -= preempt.SOFTIRQ_DISABLE_OFFSET
        if ctx.reader is not None:
            cpu.hooks.may_end_reader(cpu)
        if cpu.told_preemption.on and not ctx.preempt_count:
            cpu.since.preemption_on(cpu)
        if ctx.held and not ctx.preempt_count & preempt.SOFTIRQ_MASK:
            self._system.lockdep.softirqs_on(cpu)
        if cpu.softirq_pending and not preempt.in_interrupt(ctx.preempt_count):
            flags = cpu.local_irq_save("do_softirq")
            await self._serve(cpu)
            await cpu.local_irq_restore(flags)

    @stands_for("__local_bh_enable_ip")
    async def _enable_where_one_may_not(self, cpu: Cpu) -> None:
        """__local_bh_enable_ip() with interrupts off, or in hardirq.

        A kernel with TRACE_IRQFLAGS brackets it with local_irq_disable() and local_irq_enable(), whatever they were;
        another one serves the softirqs all the same, and leaves interrupts off.
        """
        warn_in_hardirq(cpu, ENABLE)
        assert_irqs_enabled(self._system.lockdep, cpu, ENABLE)
        await self._enable(cpu)
        if self._traced:
            await cpu.local_irq_enable()

    def _underflow(self, cpu: Cpu) -> None:
        """__preempt_count_sub() looks at nothing: everything counts as off from here on, NMIs included.

        Lockdep does not notice until an interrupt has carried the count over (`Cpu.hardirq`).
        """
        count = cpu.ctx.preempt_count
        cpu.ctx.preempt_count = count - preempt.SOFTIRQ_DISABLE_OFFSET & preempt.ALL
        if cpu.ctx.preempt_forgotten >= preempt.SOFTIRQ_DISABLE_OFFSET:
            # It was schedule() that wiped out the rest, and has said so.
            cpu.ctx.preempt_forgotten -= preempt.SOFTIRQ_DISABLE_OFFSET
        elif not (self._system.lockdep.built and self._system.config.DEBUG_LOCKDEP):
            condition = "softirq_count() < SOFTIRQ_DISABLE_OFFSET"
            text = splat.warning(cpu.judge.scene(cpu), condition, ENABLE, call_trace())
            title = f"BUG: local_bh_enable() without local_bh_disable(): {condition}"
            cpu.judge.report(cpu, ViolationKind.BAD_CONTEXT, title, text, ORACLE)

    # -- the same on PREEMPT_RT --------------------------------------------------------------------------------------

    @stands_for("__local_bh_enable_ip")
    async def _rt_enable_and_serve(self, cpu: Cpu) -> None:
        """__local_bh_enable_ip() of PREEMPT_RT: the outermost one serves what is pending, if it is preemptible."""
        ctx, system = cpu.ctx, self._system
        preempt_on = ctx.preemptible()
        warn_in_hardirq(cpu, ENABLE)
        assert_irqs_enabled(system.lockdep, cpu, ENABLE)
        self._bottom_halves.release_map(cpu)
        if self._bottom_halves.is_outermost(cpu) and cpu.softirq_pending:
            if preempt_on:
                cpu.hooks.softirqs_follow(cpu)
                flags = cpu.local_irq_save("do_softirq")
                await self._serve_in_thread(cpu)
                await cpu.local_irq_restore(flags)
            if cpu.softirq_pending:
                await self._wake(cpu)
        await self._bottom_halves.enable(cpu, unlock=preempt_on)

    # -- serving -----------------------------------------------------------------------------------------------------

    async def _serve(self, cpu: Cpu) -> None:
        """__do_softirq(): called and left with interrupts off, serves with interrupts on."""
        ctx = cpu.ctx
        if cpu.left_on_irq_stack is not None:
            cpu.left_on_irq_stack.stack_lost, cpu.left_on_irq_stack = True, None
        if cpu.told_preemption.on and not ctx.preempt_count:
            cpu.since.preemption_off(cpu)
        ctx.preempt_count += preempt.SOFTIRQ_OFFSET
        await self._serve_pending(cpu)
        ctx.preempt_count -= preempt.SOFTIRQ_OFFSET
        if ctx.reader is not None:
            cpu.hooks.may_end_reader(cpu)
        if cpu.told_preemption.on and not ctx.preempt_count:
            cpu.since.preemption_on(cpu)
        if cpu.softirq_pending:
            await self._wake(cpu)

    async def _serve_pending(self, cpu: Cpu) -> None:
        """Round after round, unless somebody wants the CPU, or they take too long: the rest is ksoftirqd's."""
        ctx, began = cpu.ctx, cpu.clock
        for rounds in range(_MAX_RESTARTS):
            pending = cpu.softirq_pending
            if not pending or (rounds and self._is_enough(cpu, began)):
                break
            cpu.softirq_pending = 0
            cpu.clock += self._system.costs.softirq_ns
            if cpu.told_irqs.on:
                cpu.since.irqs_on(cpu, nested=False)
            ctx.irqs_disabled = False
            try:
                await self._call_handlers(cpu, pending)
            except Exception as error:
                # It is nothing to whoever is running here.
                raise cpu.conductor.ended_by(error) from error
            ctx.irqs_disabled = True
            if cpu.told_irqs.on:
                cpu.since.irqs_off(cpu, nested=False)

    def _is_enough(self, cpu: Cpu, began: int) -> bool:
        """time_before(jiffies, end) && !need_resched(), the other way round."""
        jiffy = self._system.config.jiffy_ns
        return cpu.need_resched or cpu.clock // jiffy >= began // jiffy + self._max_jiffies

    async def _call_handlers(self, cpu: Cpu, pending: int) -> None:
        for vector, handler in sorted(cpu.hooks.softirqs.items()):
            if pending & (1 << vector):
                count = cpu.ctx.preempt_count
                self._served[vector] += 1
                told = self._system.probes
                if told.softirq_entered.on:
                    told.softirq_entered(cpu, vector)
                await handler(cpu)
                if told.softirq_left.on:
                    told.softirq_left(cpu, vector)
                if cpu.ctx.preempt_count != count:
                    balance.report_softirq(cpu, vector, Softirq(vector).name, count)

    async def _serve_in_thread(self, cpu: Cpu) -> None:
        """handle_softirqs() of PREEMPT_RT, by whoever has disabled bottom halves."""
        cpu.ctx.softirq_thread = True
        await self._serve_pending(cpu)
        cpu.ctx.softirq_thread = False

    async def _wake(self, cpu: Cpu) -> None:
        self._wakeups += 1
        if cpu.ksoftirqd is None:
            name = f"ksoftirqd/{cpu.cpu_id}"
            cpu.ksoftirqd = self._system.create_thread(cpu, name, lambda: self._run_ksoftirqd(cpu), service=True)
            self._system.hotplug.smpboot.smpboot_register(cpu.ksoftirqd, "softirqs")
        if not cpu.ksoftirqd.rtlock_wait:
            await cpu.wake_up_process(cpu.ksoftirqd)

    async def _wake_own_threads(self, cpu: Cpu) -> None:
        """wake_timersd() and its kin: whatever the thread sleeps in, so that an msleep() of a handler begins anew."""
        for own in self._own_threads:
            if cpu.threads_pending & own.vectors:
                thread = own.of(cpu, self._system)
                if thread.state is ThreadState.SLEEPING:
                    self._wakeups += 1
                    await cpu.wake_up_process(thread)

    async def _run_timersd(self, cpu: Cpu) -> None:
        """run_timersd(): the softirqs of timers, and what else is pending."""
        await self._bottom_halves.disable(cpu)
        flags = cpu.local_irq_save("run_timersd")
        cpu.softirq_pending |= self.take_over(cpu, Softirq.TIMER, Softirq.HRTIMER)
        await self._serve_in_thread(cpu)
        if cpu.softirq_pending:
            await self._wake(cpu)
        await self._ksoftirqd_run_end(cpu, flags)

    async def _ksoftirqd_run_end(self, cpu: Cpu, flags: bool) -> None:
        """ksoftirqd_run_end()."""
        await cpu.local_irq_restore(flags)
        self._bottom_halves.release_map(cpu)
        await self._bottom_halves.enable(cpu, unlock=True)

    async def _run_ksoftirqd(self, cpu: Cpu) -> None:
        """run_ksoftirqd()."""
        thread = cpu.current
        while True:
            if not cpu.softirq_pending:
                await thread.sleep("softirqs")
                continue
            if self._threaded:
                await self._bottom_halves.disable(cpu)
                flags = cpu.local_irq_save("run_ksoftirqd")
                await self._serve_in_thread(cpu)
                await self._ksoftirqd_run_end(cpu, flags)
            else:
                flags = cpu.local_irq_save("run_ksoftirqd")
                await self._serve(cpu)
                await cpu.local_irq_restore(flags)
            _offers_to_give_way(cpu)
            assert thread.state is ThreadState.RUNNABLE


@stands_for("run_ksoftirqd")
def _offers_to_give_way(cpu: Cpu) -> None:
    """The cond_resched() at the end of run_ksoftirqd(), of which preemption leaves the question alone."""
    cpu.judge.might_sleep(cpu)
