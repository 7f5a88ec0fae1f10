"""Which CPU a thread runs on: select_task_rq(), the load balancer, affinity, migrate_disable() (kernel/sched/core.c).

Where the kernel may move a thread, moving is a decision, and staying is always option 0. It is taken in two places: in
a wake-up (select_task_rq() of try_to_wake_up()), and when schedule() puts a preempted thread back, which is when
another CPU's load balancer may have pulled it. Runs that obey time never ask, nor do those of a configuration
without `migrate`: then a thread stays unless set_cpus_allowed_ptr() moves it.

A thread that is bound, has migration off, or is in an atomic context stays. The last is so also for one that sleeps
there, and when schedule() has wiped out its preempt_count, until it has let go of what it had counted: that was
reported, and its frames belong to the CPU. The balancer's own locks are not modelled.
The idle thread never moves. A CPU that a thread comes to is at least as late as the one that it has left.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from ..engine.decision import Alternatives, DecisionKind
from ..errors import BadInput, bad_value
from .thread import Thread, ThreadState, Urgency

if TYPE_CHECKING:
    from .cpu import Cpu
    from .sched import SchedulingCpu
    from .system import System

SELECT_CPU: Final = DecisionKind("which CPU a thread wakes on")
PULL: Final = DecisionKind("another CPU pulls a preempted thread")

_STAYING: Final = 4
"""Nature's weight of staying, against 1 for each other CPU."""

PRIORITIES: Final = {Urgency.IDLE: 120, Urgency.NORMAL: 120, Urgency.HIGH: 100, Urgency.REALTIME: 49, Urgency.STOP: 0}
"""task_struct.prio, as sched_migrate_task prints it."""


def is_allowed(thread: Thread, cpu: SchedulingCpu) -> bool:
    """is_cpu_allowed(): the thread may run there (cpus_mask), and who belongs to no CPU may run there at all."""
    return (thread.cpus_allowed is None or cpu.cpu_id in thread.cpus_allowed) and (cpu.active or thread.per_cpu)


def is_movable(thread: Thread) -> bool:
    """Nothing keeps it on its CPU."""
    ctx = thread.ctx
    pinned = ctx.migrate_disabled or thread.waits_pinned or ctx.softirq_disable_cnt or ctx.preempt_forgotten
    return not (thread.bound or pinned or ctx.preempt_count or ctx.irqs_disabled)


class Migration:
    """The decisions of one machine. `enabled`: threads may be moved though nobody has asked for it."""

    def __init__(self, system: System, *, enabled: bool) -> None:
        self._system = system
        self.enabled = enabled
        self.moved = 0

    # -- where a thread goes -----------------------------------------------------------------------------------------

    def select_task_rq(self, thread: Thread) -> Cpu:
        """select_task_rq(): the CPU that a thread is woken on, which is its own from now on.

        One that has not left its CPU yet is woken where it is (ttwu_runnable()).
        """
        here = thread.cpu
        if thread.queued or here.current is thread or not is_movable(thread):
            return here
        target = self._decide(thread, SELECT_CPU) if is_allowed(thread, here) else self._fallback(thread)
        self.set_task_cpu(thread, target)
        return target

    def select_idle_sibling(self, cpu: Cpu) -> Cpu:
        """select_idle_sibling(): another CPU with nothing to do, if there is one: where a new unbound thread begins."""
        system = self._system
        others = (system.cpu(cpu_id) for cpu_id in sorted(system.masks.active) if cpu_id != cpu.cpu_id)
        return next((other for other in others if other.idle), cpu)

    def balance(self, thread: Thread) -> Cpu:
        """A thread was preempted, or gives way: on whose run queue it waits, another's if that has pulled it."""
        here = thread.cpu
        if not is_movable(thread):
            return here
        target = self._decide(thread, PULL) if is_allowed(thread, here) else self._fallback(thread)
        self.set_task_cpu(thread, target)
        return target

    def _decide(self, thread: Thread, kind: DecisionKind) -> Cpu:
        """Its CPU, any other that has something to do with this machine, or the first of those that have not."""
        system, here = self._system, thread.cpu
        if not self.enabled:
            return here
        allowed = self._active(thread)
        known = [cpu_id for cpu_id in sorted(system.cpus) if cpu_id in allowed and cpu_id != here.cpu_id]
        untouched = next((cpu_id for cpu_id in sorted(allowed) if cpu_id not in system.cpus), None)
        targets = known if untouched is None else [*known, untouched]
        if not targets:
            return here
        options = ("stay", *(f"cpu{cpu_id}" for cpu_id in targets))
        picked = system.conductor.choose(Alternatives(kind, options, (_STAYING,) + (1,) * len(targets)))
        return here if not picked else system.cpu(targets[picked - 1])

    def _active(self, thread: Thread) -> Collection[int]:
        """The active ones of those that it may run on; who belongs to a CPU is there before others are."""
        active, allowed = self._system.masks.active, thread.cpus_allowed
        if allowed is None:
            return active
        if thread.per_cpu or active is self._system.masks.possible:
            return allowed
        return allowed.intersection(active)

    def _fallback(self, thread: Thread) -> Cpu:
        """select_fallback_rq(): the first of those allowed; when they are all gone, it may run anywhere from now on."""
        allowed = self._active(thread)
        if not allowed:
            thread.cpus_allowed = None
            allowed = self._system.masks.active
        return self._system.cpu(min(allowed))

    def leave_cpu(self, thread: Thread) -> None:
        """__migrate_task(): off a CPU that goes. It may wait on the run queue there, or sleep; it does not run."""
        queued = thread.queued
        if queued:
            thread.cpu.runqueue.remove(thread)
        self.set_task_cpu(thread, self._fallback(thread))
        if queued:
            thread.cpu.enqueue_thread(thread)

    def set_task_cpu(self, thread: Thread, target: Cpu) -> None:
        """set_task_cpu(): it neither runs nor waits on a run queue."""
        source = thread.cpu
        if target is source:
            return
        thread.not_before = max(thread.not_before, source.clock)
        thread.cpu = target
        self.moved += 1
        system = self._system
        if system.probes.migrated.on:
            system.probes.migrated(thread, source, target)
        if system.events.on:
            text = f"comm={thread.comm} pid={thread.pid} prio={PRIORITIES[thread.urgency]}"
            system.emit(source, "sched_migrate_task", f"{text} orig_cpu={source.cpu_id} dest_cpu={target.cpu_id}")
        waiters, thread.affine_waiters = thread.affine_waiters, []
        for waiter in waiters:
            source.post_wake_up(waiter)

    # -- affinity ----------------------------------------------------------------------------------------------------

    async def set_cpus_allowed_ptr(self, me: Thread, thread: Thread, cpus: frozenset[int]) -> None:
        """set_cpus_allowed_ptr(): one that runs where it must not any more is taken away at once, and waited for.

        A sleeping thread moves when it is woken; one with migration off when that is on again. Raises BadInput for an
        empty mask, a CPU that the machine has not, and a thread that is bound.
        """
        system = self._system
        possible = frozenset(system.masks.possible)
        if not cpus or not cpus <= possible:
            raise bad_value(
                f"set_cpus_allowed({thread}, {sorted(cpus)})", f"one or more of CPUs 0 to {len(possible) - 1}"
            )
        if thread.bound:
            raise BadInput(f"set_cpus_allowed({thread}): the thread is bound to CPU {thread.cpu.cpu_id}")
        thread.cpus_allowed = None if cpus == possible else cpus
        if is_allowed(thread, thread.cpu) or thread.state is ThreadState.DEAD:
            return
        if thread is me:
            await self._affine_move_current(me)
        elif thread.queued and is_movable(thread):
            thread.cpu.runqueue.remove(thread)
            self.set_task_cpu(thread, self._fallback(thread))
            thread.cpu.enqueue_thread(thread)
        else:
            await self._affine_move_task(me, thread)

    async def _affine_move_current(self, me: Thread) -> None:
        """stop_one_cpu(): the CPU's stopper thread moves who has called it, and is waited for."""
        me.cpu.judge.might_sleep(me.cpu)
        await me.cpu.schedule()

    async def _affine_move_task(self, me: Thread, thread: Thread) -> None:
        """affine_move_task(): until one that runs, or has migration off, is where it may be."""
        while not is_allowed(thread, thread.cpu) and thread.state is not ThreadState.DEAD:
            target = thread.cpu
            if target.current is not thread and is_movable(thread):
                # It sleeps, and moves when it is woken.
                return
            me.cpu.judge.might_sleep(me.cpu)
            target.resched_curr()
            target.kick()
            thread.affine_waiters.append(me)
            await me.sleep(f"{thread} to leave CPU {target.cpu_id}")

    def thread_exited(self, thread: Thread) -> None:
        """Nobody waits any longer for it to move."""
        for waiter in thread.affine_waiters:
            thread.cpu.post_wake_up(waiter)

    async def migrate_enable(self, thread: Thread) -> None:
        """migrate_enable(): the outermost one moves the thread if its CPU is not allowed any more."""
        cpu = thread.cpu
        cpu.migrate_enable()
        if is_movable(thread) and not is_allowed(thread, cpu):
            await self._affine_move_current(thread)
        else:
            await thread.spend(0)
