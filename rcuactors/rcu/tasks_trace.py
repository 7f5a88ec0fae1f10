"""RCU Tasks Trace (kernel/rcu/tasks.h, include/linux/rcupdate_trace.h): for code that BPF programs may be attached to.

A reader is counted in its task (trc_reader_nesting) and may sleep. call_rcu_tasks_trace() puts a callback into a list
under a raw lock, with interrupts off, and wakes a thread; that waits, looking again from time to time, until every
task that was a reader has left its section, and invokes what was in the list when it began. The thread is woken from a
wait queue at v5.9 and v5.11, whose lock is a spinlock_t, later by an irq_work (commit 3063b33a347c, v5.17). Up to
v6.18 there is one list for all CPUs until its lock is contended, which is not modelled; nor that a first callback may
wait for company (v6.6 and later), nor the interrupts by which running tasks are asked: the thread sees how deep a task
is in its readers.

In v7.3 all of it is an srcu_struct (commit c27cea4416a3, merged for v7.0), and this file hands on to SRCU.

In every version the call takes a lock that an NMI, or a program that is attached to what runs under that lock, may find
held by the code below it: callers who may be there have to put the call off (commit 1ace9bac1ad2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ..context.locks import RECURSIVE_READ, Lock, LockKind, MapSpec
from ..context.trace import caller_site
from ..context.violation import ViolationKind
from ..context.waittype import WaitType
from ..kernel import wait
from ..kernel.completion import complete, wait_for_completion
from ..kernel.irq.irq_work import IrqWork
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ..kernel.time.timeouts import schedule_timeout_uninterruptible
from ..marks import inline
from .data import Callback, RcuHead, rcu_leak_callback
from .synchronize_rcu import synchronize_rcu

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks
    from .oracle import Oracle, Reader
    from .srcu import Srcu
    from .srcu_struct import SrcuStruct

_MAP: Final = MapSpec("rcu_read_lock_trace", WaitType.INV)
"""rcu_trace_lock_map."""
_FEW_CPUS: Final = 8
"""Below so many, readers have memory barriers (TASKS_TRACE_RCU_READ_MB), and the thread looks less often."""


class TasksTrace(Protocol):
    """What a version has for it."""

    def rcu_read_lock_trace(self, cpu: Cpu) -> None:
        """rcu_read_lock_trace()."""
        ...

    def rcu_read_unlock_trace(self, cpu: Cpu) -> None:
        """rcu_read_unlock_trace()."""
        ...

    def rcu_read_lock_trace_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_trace_held(), as lockdep knows it."""
        ...

    def reader_of(self, cpu: Cpu) -> Reader | None:
        """The innermost of the running task's, as the oracle has it."""
        ...

    def domain(self) -> object:
        """Whose readers these are, to the oracle."""
        ...

    async def call_rcu_tasks_trace(self, thread: Thread, function: Callback, head: RcuHead) -> None:
        """call_rcu_tasks_trace()."""
        ...

    async def synchronize_rcu_tasks_trace(self, thread: Thread) -> None:
        """synchronize_rcu_tasks_trace()."""
        ...

    async def rcu_barrier_tasks_trace(self, thread: Thread) -> None:
        """rcu_barrier_tasks_trace()."""
        ...


@attrs.define(eq=False)
class RcuTasksTrace:
    """struct rcu_tasks rcu_tasks_trace, with its thread."""

    callbacks: Callbacks
    oracle: Oracle
    grace_periods: int = 0
    _map: Lock = attrs.field(init=False)
    _lock: Lock = attrs.field(init=False)
    _heads: list[RcuHead] = attrs.field(factory=list)
    _open: dict[int, list[Reader]] = attrs.field(factory=dict)
    """Readers that are open, by task; the first is the section that trc_reader_nesting counts."""
    _kthread: Thread | None = None
    _cbs_wq: wait.WaitQueueHead = attrs.field(init=False)
    _irq_work: IrqWork = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        factory, by_irq_work = self.callbacks.system.lock_factory, self.callbacks.rules.tasks_trace_wakes_by_irq_work
        self._map = factory.make_map(_MAP)
        name = "&ACCESS_PRIVATE(rtpcp, lock)" if by_irq_work else "rcu_tasks_trace.cbs_lock"
        self._lock = factory.make(name, LockKind.RAW_SPINLOCK)
        self._cbs_wq = wait.WaitQueueHead(factory.make("(rcu_tasks_trace.cbs_wq).lock", LockKind.SPINLOCK))
        self._irq_work = IrqWork("call_rcu_tasks_iw_wakeup", self._iw_wakeup)

    def __str__(self) -> str:
        return "rcu_tasks_trace"

    def domain(self) -> object:
        """Itself."""
        return self

    # -- readers -----------------------------------------------------------------------------------------------------

    @inline
    def rcu_read_lock_trace(self, cpu: Cpu) -> None:
        """rcu_read_lock_trace()."""
        system, site = self.callbacks.system, caller_site()
        cpu.clock += system.costs.rcu_read_ns
        self._open.setdefault(_key(cpu), []).append(
            self.oracle.srcu_reader_enters(str(cpu.current), site, self.domain())
        )
        if system.lockdep.on:
            system.lockdep.acquire(cpu, self._map, read=RECURSIVE_READ, site=site)

    @inline
    def rcu_read_unlock_trace(self, cpu: Cpu) -> None:
        """rcu_read_unlock_trace(): warns of one too many."""
        system, readers = self.callbacks.system, self._open.get(_key(cpu))
        cpu.clock += system.costs.rcu_read_ns
        if system.lockdep.on:
            system.lockdep.release(cpu, self._map)
        if not readers:
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_UNLOCK, "nesting != 0", "rcu_read_unlock_trace")
            return
        self.oracle.reader_leaves(readers.pop())

    def rcu_read_lock_trace_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_trace_held()."""
        return self.callbacks.system.lockdep.is_held(cpu.ctx, self._map)

    def reader_of(self, cpu: Cpu) -> Reader | None:
        """The innermost of the running task's."""
        readers = self._open.get(_key(cpu))
        return readers[-1] if readers else None

    # -- callbacks ---------------------------------------------------------------------------------------------------

    async def call_rcu_tasks_trace(self, thread: Thread, function: Callback, head: RcuHead) -> None:
        """call_rcu_tasks_trace(): call_rcu_tasks_generic()."""
        system = self.callbacks.system
        if head.queued:
            said = "call_rcu_tasks_generic(): the callback is queued already"
            if self.callbacks.queued_twice(thread.cpu, head, said):
                head.function = rcu_leak_callback
                return
        head.function, head.queued, head.queued_ns = function, True, thread.cpu.clock
        cpu, flags = await spin_lock_irqsave(system.locks, thread, self._lock, "call_rcu_tasks_generic")
        needwake = not self._heads
        self._heads.append(head)
        cpu.clock += system.costs.call_rcu_ns
        if cpu.clock >= system.conductor.horizon:
            await cpu.point()
        await spin_unlock_irqrestore(system.locks, cpu, self._lock, flags)
        if needwake:
            await self._wake(thread)

    async def _wake(self, thread: Thread) -> None:
        kthread = self._kthread
        if kthread is None:
            system = self.callbacks.system
            home = system.cpu(0)
            kthread = self._kthread = system.create_thread(
                home, "rcu_tasks_trace", self.rcu_tasks_kthread, service=True, bound=False
            )
            self._cbs_wq.waiters.append(kthread)
        if self.callbacks.rules.tasks_trace_wakes_by_irq_work:
            await self.callbacks.system.irq_works.irq_work_queue(thread.cpu, self._irq_work)
        else:
            await wait.wake_up(self.callbacks.system, thread, self._cbs_wq)

    async def _iw_wakeup(self, cpu: Cpu) -> None:
        """call_rcu_tasks_iw_wakeup(): rcuwait_wake_up()."""
        if self._kthread is not None:
            await cpu.wake_up_process(self._kthread)

    async def rcu_tasks_kthread(self) -> None:
        """rcu_tasks_kthread(): a grace period for what is in the list, and then its callbacks, for ever."""
        thread, system = self._kthread, self.callbacks.system
        assert thread is not None
        while True:
            if self.callbacks.rules.tasks_trace_wakes_by_irq_work:
                while not self._heads:
                    thread.prepare_to_sleep()
                    if not self._heads:
                        await thread.sleep("callbacks of RCU Tasks Trace")
                thread.set_running()
            else:
                await wait.wait_event(system, thread, self._cbs_wq, lambda: bool(self._heads))
            cpu, flags = await spin_lock_irqsave(system.locks, thread, self._lock, "rcu_tasks_kthread")
            heads, self._heads = self._heads, []
            await spin_unlock_irqrestore(system.locks, cpu, self._lock, flags)
            await self._wait_gp(thread)
            await self._invoke(thread, heads)
            await schedule_timeout_uninterruptible(system, thread, self._pause())

    async def _wait_gp(self, thread: Thread) -> None:
        """rcu_tasks_wait_gp(): until each task that is a reader now has left the section in which it is."""
        holdouts = {key: readers[0] for key, readers in self._open.items() if readers}
        # rcu_tasks_trace_postscan(): tasks that are about to exit.
        await synchronize_rcu(self.callbacks, thread)
        fract = self._pause()
        while holdouts:
            await schedule_timeout_uninterruptible(self.callbacks.system, thread, fract)
            fract = min(fract + 1, self.callbacks.system.config.HZ)
            holdouts = {key: reader for key, reader in holdouts.items() if self._open[key][:1] == [reader]}
        self.grace_periods += 1

    def _pause(self) -> int:
        """gp_sleep, init_fract: in jiffies."""
        config = self.callbacks.system.config
        return max(1, config.HZ // (10 if config.PREEMPT_RT or config.nr_cpus < _FEW_CPUS else 200))

    async def _invoke(self, thread: Thread, heads: list[RcuHead]) -> None:
        """rcu_tasks_invoke_cbs(): each with bottom halves off."""
        system = self.callbacks.system
        for head in heads:
            cpu = await system.softirqs.local_bh_disable(thread)
            head.queued = False
            cpu.clock += system.costs.callback_ns
            await head.function(cpu)
            await system.softirqs.local_bh_enable(thread.cpu)
            await thread.cond_resched()

    # -- who waits ---------------------------------------------------------------------------------------------------

    async def synchronize_rcu_tasks_trace(self, thread: Thread) -> None:
        """synchronize_rcu_tasks_trace(): not from one of its own readers."""
        if self.rcu_read_lock_trace_held(thread.cpu):
            said = "Illegal synchronize_rcu_tasks_trace() in RCU Tasks Trace read-side critical section"
            thread.cpu.judge.suspicious_rcu(thread.cpu, said)
        await self._wait(thread, "synchronize_rcu_tasks_trace()")

    async def rcu_barrier_tasks_trace(self, thread: Thread) -> None:
        """rcu_barrier_tasks_trace(): one more behind what is in the one list."""
        await self._wait(thread, "rcu_barrier_tasks_trace()")

    async def _wait(self, thread: Thread, what: str) -> None:
        system = self.callbacks.system
        thread.cpu.judge.might_sleep(thread.cpu)
        system.debug_objects.init_on_stack(thread.cpu, RcuHead)
        done = system.new_completion(what)

        async def wakeme_after_rcu(on: Cpu) -> None:
            await complete(system, on, done)

        await self.call_rcu_tasks_trace(thread, wakeme_after_rcu, RcuHead(wakeme_after_rcu, "wakeme_after_rcu"))
        await wait_for_completion(system, thread, done)


@attrs.define(eq=False)
class TasksTraceBySrcu:
    """rcu_tasks_trace_srcu_struct, and what is said in its terms. Readers that nest are readers of their own here."""

    srcu: Srcu
    ssp: SrcuStruct
    _indices: dict[int, list[int]] = attrs.field(factory=dict)

    def domain(self) -> object:
        """The srcu_struct."""
        return self.ssp

    @inline
    def rcu_read_lock_trace(self, cpu: Cpu) -> None:
        """rcu_read_lock_trace()."""
        self._indices.setdefault(_key(cpu), []).append(self.srcu.srcu_read_lock(cpu, self.ssp))

    @inline
    def rcu_read_unlock_trace(self, cpu: Cpu) -> None:
        """rcu_read_unlock_trace(): warns of one too many."""
        indices = self._indices.get(_key(cpu))
        if not indices:
            condition = "!srcu_read_lock_held(&rcu_tasks_trace_srcu_struct)"
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_UNLOCK, condition, "rcu_read_unlock_trace")
            return
        self.srcu.srcu_read_unlock(cpu, self.ssp, indices.pop())

    def rcu_read_lock_trace_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_trace_held(): srcu_read_lock_held()."""
        return self.srcu.srcu_read_lock_held(cpu, self.ssp)

    def reader_of(self, cpu: Cpu) -> Reader | None:
        """The innermost of the running task's."""
        return self.srcu.reader_of(cpu, self.ssp)

    async def call_rcu_tasks_trace(self, thread: Thread, function: Callback, head: RcuHead) -> None:
        """call_rcu_tasks_trace(): call_srcu()."""
        await self.srcu.call_srcu(thread, self.ssp, function, head)

    async def synchronize_rcu_tasks_trace(self, thread: Thread) -> None:
        """synchronize_rcu_tasks_trace(): synchronize_srcu()."""
        await self.srcu.synchronize_srcu(thread, self.ssp)

    async def rcu_barrier_tasks_trace(self, thread: Thread) -> None:
        """rcu_barrier_tasks_trace(): srcu_barrier()."""
        await self.srcu.srcu_barrier(thread, self.ssp)


def tasks_trace_of(srcu: Srcu) -> TasksTrace:
    """The version's."""
    if srcu.callbacks.rules.tasks_trace_is_srcu:
        return TasksTraceBySrcu(srcu, srcu.init_srcu_struct("rcu_tasks_trace_srcu_struct"))
    return RcuTasksTrace(srcu.callbacks, srcu.oracle)


def _key(cpu: Cpu) -> int:
    """Whose readers: a thread's, or those of what runs on a CPU's idle thread."""
    return cpu.current.pid or -1 - cpu.cpu_id
