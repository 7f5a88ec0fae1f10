"""Kernel threads and the run queue of a CPU (kernel/sched/core.c), reduced to what this subsystem can feel.

Urgency is a small number: a more urgent thread preempts, equal ones take turns a tick at a time. CFS's fairness in
between is not modelled (docs, assumptions): a high-priority worker (nice -20) counts as more urgent than a normal
thread.

The types have a colour. Who holds a `Cpu` is pinned to it: preemption, interrupts or migration are off, or it is an
interrupt handler, or a thread that is bound. Who holds a `Thread` may be on another CPU after the next await, and has
to ask for `thread.cpu` again. So a function that may sleep, or be preempted before its end, takes the thread; one that
takes a CPU is called from where that is pinned, or pins itself in its first step. `local_irq_save()`,
`preempt_disable()` and `migrate_disable()` hand out the CPU.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import attrs

from ..context.nursery import judge_foreign
from ..context.processor import Sleeper
from ..context.trace import call_trace
from ..context.violation import ORACLE, KernelBug, ViolationKind
from ..engine.errors import RunOver
from ..engine.strand import Strand
from ..marks import machinery
from .hooks import call_hooks

if TYPE_CHECKING:
    from ..context.locks import Lock
    from .cpu import Cpu


NEED_QS: Final = 1
EXP_HINT: Final = 2


class Urgency(enum.IntEnum):
    """Who preempts whom."""

    IDLE = 0
    NORMAL = 1
    HIGH = 2
    REALTIME = 3
    STOP = 4
    """The CPU's stopper (stop_sched_class): more urgent than anybody."""


class ThreadState(enum.Enum):
    """Where a thread is."""

    RUNNABLE = "runnable"
    SLEEPING = "sleeping"
    OUTSIDE = "waiting outside the model"
    PARKED = "parked"
    """kthread_park(): its CPU goes; no wake-up counts."""
    DEAD = "dead"


@attrs.define(eq=False, kw_only=True)
class Thread(Sleeper):
    """struct task_struct: a kernel thread: a strand, a context, the CPU that it is on now.

    It is the gate of its strand, wherever it runs.
    """

    cpu: Cpu = attrs.field(init=False)
    urgency: Urgency
    strand: Strand
    pi_lock: Lock
    state: ThreadState = ThreadState.RUNNABLE
    sleeps: int = 0
    """How many times it went to sleep: a wake-up from another CPU names the sleep that it ends."""
    queued: bool = False
    service: bool = False
    """A thread of the machine itself (a worker, kswapd): it may wait for ever without being stuck."""
    fair: bool = True
    """Of CFS, or EEVDF: no real-time thread."""
    bound: bool = True
    """PF_NO_SETAFFINITY, and one CPU allowed: it never leaves its CPU, unless that goes."""
    per_cpu: bool = False
    """KTHREAD_IS_PER_CPU: it belongs to its CPU, and stays on it when others have to leave."""
    cpus_allowed: frozenset[int] | None = None
    """The CPUs that it may run on (cpus_mask); None: all."""
    not_before: int = 0
    """Virtual time of the CPU that it was last moved away from: it does not go on earlier."""
    waits_pinned: int = 0
    """It is on its way to a local_lock of PREEMPT_RT, with migration off. That shows in events once it has the lock."""
    passed_over_at: int = 0
    """Virtual time at which another of its urgency was last taken, though it came first in its run queue; 0: none."""
    affine_waiters: list[Thread] = attrs.field(factory=list)
    """Who waits in set_cpus_allowed_ptr() until it has left a CPU that it must not run on any more."""
    rtlock_wait: bool = False
    """TASK_RTLOCK_WAIT: it sleeps on what is a spinning lock elsewhere, and only the lock's hand-over wakes it."""
    interruptible: bool = False
    """Its sleep is TASK_INTERRUPTIBLE: nobody calls that hung, however long it is."""
    stack_lost: bool = False
    """It sleeps in a hardirq handler, and softirqs have used its stack since: it cannot go on."""
    switched_out: bool = False
    """It has called schedule() to sleep, and has not come back."""
    at_work: bool = False
    """A service thread in the middle of something: what it sleeps for then is not the next thing to do."""
    memalloc: bool = False
    """PF_MEMALLOC: it reclaims memory."""
    in_work: str = ""
    """A worker's, while it runs a work: the workqueue and the function, as print_worker_info() has them."""
    spins: bool = False
    """It waits for `blocked_on` on its CPU."""
    spun_on_by: list[Thread] = attrs.field(factory=list)
    """Threads that spin because this one owns a mutex and runs (mutex_spin_on_owner())."""
    rcu_blocked: bool = False
    """rcu_read_unlock_special.b.blocked: switched out inside an RCU reader, and waited for by name."""
    rcu_need_qs: int = 0
    """rcu_read_unlock_special: `NEED_QS`, that the end of its reader is a quiescent state which a grace period lacks
    (b.need_qs), and `EXP_HINT`, that an expedited one may lack it (b.exp_hint)."""

    # -- points, where it may be moved -------------------------------------------------------------------------------

    @machinery
    async def point(self) -> None:
        """Others may act, interrupts may arrive, a more urgent thread may take over, another CPU may take it."""
        await self.cpu.point()

    @machinery
    async def spend(self, cost_ns: int) -> None:
        """Charge time, and let others act if that is due."""
        cpu = self.cpu
        cpu.clock += cost_ns
        if cpu.clock >= cpu.conductor.horizon or cpu.attention:
            await cpu.point()

    @machinery
    async def cpu_relax(self, cost_ns: int) -> None:
        """cpu_relax(): one turn of a busy loop, which would rather have others go first."""
        self.cpu.let_others_go_first()
        await self.spend(cost_ns)

    async def cond_resched(self) -> None:
        """cond_resched(): give way to who waits, as if preempted (preempt_schedule_common()).

        Without preemption it is also a quiescent state (rcu_all_qs()).
        """
        cpu = self.cpu
        call_hooks(cpu.conductor, cpu.hooks.on_cond_resched, cpu)
        await self.spend(0)
        if self.cpu.need_resched and not self.ctx.preempt_count:
            await self.cpu.schedule(preempt=True)

    def prepare_to_sleep(self) -> None:
        """set_current_state(TASK_UNINTERRUPTIBLE): a wake-up counts from now on, also before schedule()."""
        self.state = ThreadState.SLEEPING
        self.sleeps += 1

    def stay_awake(self) -> None:
        """__set_current_state(TASK_RUNNING)."""
        self.state = ThreadState.RUNNABLE

    @contextmanager
    def interruptibly(self) -> Iterator[None]:
        """What it sleeps in is TASK_INTERRUPTIBLE; no signal comes."""
        self.interruptible = True
        yield
        self.interruptible = False

    def reclaims(self, memalloc: bool) -> None:
        """It reclaims memory from now on, or no longer (PF_MEMALLOC)."""
        self.memalloc = memalloc

    @contextmanager
    def working(self) -> Iterator[None]:
        """A service thread in the middle of something: what it sleeps for is no idleness."""
        self.at_work = True
        yield
        self.at_work = False

    def set_running(self) -> None:
        """__set_current_state(TASK_RUNNING): it goes on, and does not sleep after all."""
        self.state = ThreadState.RUNNABLE

    @machinery
    async def sleep(self, reason: str, *, rtlock: bool = False) -> None:
        """Sleep until somebody wakes it; as schedule_rtlock() does, if `rtlock`. It wakes where it was put."""
        if self.state is not ThreadState.SLEEPING:
            self.prepare_to_sleep()
        self.waiting_for = reason
        self.switched_out = True
        cpu = self.cpu
        if self is cpu.idle_thread:
            await cpu.sleep_in_idle(reason, rtlock=rtlock)
        else:
            await cpu.schedule(rtlock=rtlock)
        self.switched_out = False
        self.waiting_for = ""
        if self.stack_lost:
            await self._crash()

    async def _crash(self) -> NoReturn:
        """What is to go on is garbage: so is what the kernel says from here, and the run ends."""
        cpu = self.cpu
        title = f"BUG: {self} slept in a hardirq handler, and softirqs have used its stack since"
        text = "\n".join([title, *cpu.judge.stack(cpu, call_trace())])
        cpu.judge.report(cpu, ViolationKind.BAD_CONTEXT, title, text, ORACLE)
        cpu.conductor.finish()
        await cpu.point()
        raise RunOver

    # -- pinning -----------------------------------------------------------------------------------------------------

    def local_irq_save(self, site: str = "") -> tuple[Cpu, bool]:
        """local_irq_save(): the CPU on which that is, and what to give to its `local_irq_restore`."""
        cpu = self.cpu
        return cpu, cpu.local_irq_save(site)

    def preempt_disable(self, site: str = "") -> Cpu:
        """preempt_disable(), get_cpu(): the CPU on which that is."""
        cpu = self.cpu
        cpu.preempt_disable(site)
        return cpu

    def migrate_disable(self) -> Cpu:
        """migrate_disable(): it may be preempted, and stays; the CPU on which it stays. Nests."""
        self.ctx.migrate_disabled += 1
        return self.cpu

    # -- the gate of its strand --------------------------------------------------------------------------------------

    def leave(self, strand: Strand) -> BaseException | None:
        """It suspends outside the model: judge that, and give its CPU to another."""
        cpu = self.cpu
        assert cpu.current is self
        assert self.strand is strand
        complaint = judge_foreign(cpu, self.ctx, strand)
        if complaint is not None:
            return complaint
        if self is cpu.idle_thread:
            return RuntimeError(f"{self} cannot wait outside the model: an interrupt handler ran on the idle thread")
        self.state = ThreadState.OUTSIDE
        try:
            for hook in cpu.hooks.on_switch:
                hook(cpu, self, False)
        except KernelBug as bug:
            self.state = ThreadState.RUNNABLE
            return bug
        cpu.pick_next()
        return None

    def rejoin(self, _strand: Strand) -> None:
        """The wait outside is over: a wake-up like any other, on the CPU that is chosen for it."""
        self.state = ThreadState.SLEEPING
        self.cpu.system.migration.select_task_rq(self).make_runnable(self)

    def exited(self, strand: Strand) -> None:
        """It has ended."""
        cpu = self.cpu
        assert cpu.current is self
        assert self.strand is strand
        self.state = ThreadState.DEAD
        cpu.system.thread_exited(self)
        for hook in cpu.hooks.on_switch:
            hook(cpu, self, False)
        cpu.pick_next()


@attrs.define(eq=False)
class RunQueue:
    """Runnable threads that do not run, most urgent first, then first come."""

    lock: Lock
    _queues: dict[Urgency, deque[Thread]] = attrs.field(
        factory=lambda: {urgency: deque() for urgency in sorted(Urgency, reverse=True) if urgency is not Urgency.STOP}
    )

    def has_stopper(self) -> None:
        """The CPU has got a stopper: until then nobody can wait in its queue."""
        if Urgency.STOP not in self._queues:
            self._queues = {Urgency.STOP: deque(), **self._queues}

    def put(self, thread: Thread, *, first: bool = False) -> None:
        """Add a thread at the end of its queue, or, when it was preempted, at the front."""
        if not thread.queued:
            thread.queued = True
            queue = self._queues[thread.urgency]
            queue.appendleft(thread) if first else queue.append(thread)

    def best(self) -> Thread | None:
        """Who would run next."""
        for queue in self._queues.values():
            if queue:
                return queue[0]
        return None

    def best_fair(self) -> Thread | None:
        """Who would run next of those that are not real-time."""
        return next((thread for queue in self._queues.values() for thread in queue if thread.fair), None)

    def equals(self) -> list[Thread]:
        """Those that are as urgent as the one that would run next, that one first."""
        return next((list(queue) for queue in self._queues.values() if queue), [])

    def length(self) -> int:
        """How many threads wait in it (rq->nr_running, less the one that runs)."""
        return sum(len(queue) for queue in self._queues.values())

    def take(self) -> Thread | None:
        """Take out who runs next."""
        thread = self.best()
        if thread is not None:
            self._queues[thread.urgency].popleft()
            thread.queued = False
        return thread

    def remove(self, thread: Thread) -> None:
        """Take out one that waits in it, because another CPU gets it."""
        self._queues[thread.urgency].remove(thread)
        thread.queued = False
