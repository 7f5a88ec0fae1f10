"""Kernel threads and the run queue of a CPU (kernel/sched/core.c), reduced to what this subsystem can feel.

Urgency is a small number: a more urgent thread preempts, equal ones take turns a tick at a time. CFS's fairness in
between is not modelled (docs, assumptions): a high-priority worker (nice -20) counts as more urgent than a normal
thread. Threads stay on the CPU they were started on.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING

import attrs

from ..context.processor import Sleeper
from ..engine.strand import Strand

if TYPE_CHECKING:
    from ..context.locks import Lock
    from .cpu import Cpu


class Urgency(enum.IntEnum):
    """Who preempts whom."""

    IDLE = 0
    NORMAL = 1
    HIGH = 2
    REALTIME = 3


class ThreadState(enum.Enum):
    """Where a thread is."""

    RUNNABLE = "runnable"
    SLEEPING = "sleeping"
    OUTSIDE = "waiting outside the model"
    DEAD = "dead"


@attrs.define(eq=False, kw_only=True)
class Thread(Sleeper):
    """A kernel thread: a strand, a context, a CPU."""

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
    spins: bool = False
    """It waits for `blocked_on` on its CPU."""
    spun_on_by: list[Cpu] = attrs.field(factory=list)
    """CPUs that spin because this thread owns a mutex and runs (mutex_spin_on_owner())."""
    rcu_blocked: bool = False
    """Preempted or scheduled out inside an RCU reader: the grace-period machine waits for it by name."""

    def prepare_to_sleep(self) -> None:
        """set_current_state(TASK_UNINTERRUPTIBLE): a wake-up counts from now on, also before schedule()."""
        self.state = ThreadState.SLEEPING
        self.sleeps += 1


@attrs.define(eq=False)
class RunQueue:
    """Runnable threads that do not run, most urgent first, then first come."""

    lock: Lock
    _queues: dict[Urgency, deque[Thread]] = attrs.field(
        factory=lambda: {urgency: deque() for urgency in sorted(Urgency, reverse=True)}
    )

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

    def take(self) -> Thread | None:
        """Take out who runs next."""
        thread = self.best()
        if thread is not None:
            self._queues[thread.urgency].popleft()
            thread.queued = False
        return thread
