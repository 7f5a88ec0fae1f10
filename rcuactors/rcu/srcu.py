"""SRCU (kernel/rcu/srcutree.c): readers that may sleep, each of one srcu_struct; call_srcu() and who waits for it.

A reader of one srcu_struct is nothing to another, nor to RCU: the oracle keeps a book of its own for each. What lockdep
knows of them is the srcu_struct's own map. Up to v6.1 nobody but the check in synchronize_srcu() looked at that; since
commit f0f44752f5f6 (v6.4) it is part of the graph of dependencies, and synchronize_srcu() is an empty section of a
writer's (lock_sync()), so that waiting for a reader who waits for oneself is told before it happens.

Callbacks wait in the boot CPU's list until the srcu_struct is seen to be contended (SRCU_SIZE_SMALL; not modelled), on
v5.9 and v5.11 in that of the CPU.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import RECURSIVE_READ, Lock, LockKind, MapSpec
from ..context.trace import caller_site
from ..context.violation import ViolationKind
from ..context.waittype import WaitType
from ..engine.probe import Access
from ..kernel.completion import complete, wait_for_completion
from ..kernel.irq.irq_work import IrqWork
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ..kernel.percpu import PerCpu
from ..kernel.workqueue.flush import flush_delayed_work, flush_work
from ..marks import inline
from . import seq as gp_seq
from .callbacks import SchedulerActive
from .data import Callback, RcuHead, rcu_leak_callback
from .srcu_gp import SrcuGracePeriods
from .srcu_struct import IDLE, SrcuData, SrcuStruct
from .tasks_trace import TasksTrace, tasks_trace_of

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks
    from .gp_workqueue import GpWorkqueue
    from .oracle import Oracle, Reader

_BOOT_CPU: Final = 0
_EXP_HOLDOFF_NS: Final = 25_000
"""DEFAULT_SRCU_EXP_HOLDOFF: so long after a grace period synchronize_srcu() does not take it for idle."""


@attrs.define(eq=False)
class Srcu:
    """All of SRCU on one machine."""

    callbacks: Callbacks
    wq: GpWorkqueue
    oracle: Oracle
    gp: SrcuGracePeriods = attrs.field(init=False)
    _readers: dict[tuple[int, SrcuStruct, int], list[Reader]] = attrs.field(factory=dict)
    """Those that are open, by thread, srcu_struct and index."""

    def __attrs_post_init__(self) -> None:
        self.gp = SrcuGracePeriods(self.callbacks.system, self.wq, self.callbacks.rules)

    @cached_property
    def tasks_trace(self) -> TasksTrace:
        """RCU Tasks Trace, which is an srcu_struct in v7.3; made when somebody first wants it."""
        return tasks_trace_of(self)

    # -- srcu_structs ------------------------------------------------------------------------------------------------

    def init_srcu_struct(self, name: str, key: object = None) -> SrcuStruct:
        """init_srcu_struct(), DEFINE_SRCU(): `key` is what tells lockdep's classes of one name apart."""
        system, usage = self.callbacks.system, self.callbacks.rules.srcu_usage
        factory = system.lock_factory
        ssp = SrcuStruct(
            name,
            self._dep_map(name, key),
            factory.make(f"&ACCESS_PRIVATE({usage}, lock)", self.callbacks.rules.srcu_lock_kind),
            factory.make(f"&{usage}->srcu_gp_mutex", LockKind.MUTEX),
            factory.make(f"&{usage}->srcu_cb_mutex", LockKind.MUTEX),
            factory.make(f"&{usage}->srcu_barrier_mutex", LockKind.MUTEX),
        )

        async def process_srcu(on: Cpu) -> None:
            await self.gp.process_srcu(on.current, ssp)

        async def srcu_irq_work(on: Cpu) -> None:
            await self.gp.queue_process_srcu(on, ssp)

        ssp.irq_work = IrqWork("srcu_irq_work", srcu_irq_work)
        ssp.work = self.wq.workqueues.new_delayed_work(f"{usage}->work", process_srcu, SrcuGracePeriods)
        running = system.conductor.running
        ssp.last_gp_end_ns = running.clock if running is not None else 0
        ssp.sda = PerCpu(lambda cpu_id: self._new_data(ssp, cpu_id), system.masks)
        return ssp

    def _dep_map(self, name: str, key: object) -> Lock:
        factory = self.callbacks.system.lock_factory
        if self.callbacks.rules.srcu_is_in_the_graph:
            return factory.make(name, LockKind.MAP, key=(SrcuStruct, key))
        return factory.make_map(MapSpec(name, WaitType.INV))

    def _new_data(self, ssp: SrcuStruct, cpu_id: int) -> SrcuData:
        async def srcu_invoke_callbacks(on: Cpu) -> None:
            await self.gp.srcu_invoke_callbacks(on.current, ssp, ssp.sda[cpu_id])

        kind = self.callbacks.rules.srcu_lock_kind
        lock = self.callbacks.system.lock_factory.make("&ACCESS_PRIVATE(sdp, lock)", kind)
        work = self.wq.workqueues.new_delayed_work("sdp->work", srcu_invoke_callbacks, SrcuData)
        return SrcuData(cpu_id, lock, work)

    async def cleanup_srcu_struct(self, thread: Thread, ssp: SrcuStruct) -> None:
        """cleanup_srcu_struct(): warns, and leaks it, where somebody still reads, or waits for a callback."""
        judge = thread.cpu.judge
        where, kind = "cleanup_srcu_struct", ViolationKind.BAD_CONTEXT
        if ssp.readers_active(0, 1):
            judge.warn_on(thread.cpu, kind, "srcu_readers_active(ssp)", where)
            return
        await flush_delayed_work(self.wq.workqueues, thread, ssp.work)
        for _, sdp in ssp.sda.touched():
            await self._stop_callbacks(thread, sdp)
            if sdp.cblist.n_cbs():
                judge.warn_on(thread.cpu, kind, "rcu_segcblist_n_cbs(&sdp->srcu_cblist)", where)
                return
        if ssp.state != IDLE:
            judge.warn_on(thread.cpu, kind, "rcu_seq_state(READ_ONCE(sup->srcu_gp_seq)) != SRCU_STATE_IDLE", where)
            return
        ssp.gone = True

    async def _stop_callbacks(self, thread: Thread, sdp: SrcuData) -> None:
        """del_timer_sync(&sdp->delay_work), flush_work(&sdp->work): what waits for the timer is not called any more."""
        if sdp.work.timer.pending:
            await self.callbacks.system.timers.timer_delete(thread.cpu, sdp.work.timer)
            sdp.work.work.pending = False
        await flush_work(self.wq.workqueues, thread, sdp.work.work)

    # -- readers -----------------------------------------------------------------------------------------------------

    @inline
    def srcu_read_lock(self, cpu: Cpu, ssp: SrcuStruct) -> int:
        """srcu_read_lock(): the index, for srcu_read_unlock(). Never waits; whoever holds it may sleep."""
        system = self.callbacks.system
        cpu.clock += system.costs.rcu_read_ns
        idx = ssp.idx & 1
        self._count(cpu, ssp).locks[idx] += 1
        site = caller_site()
        if system.lockdep.on:
            system.lockdep.acquire(cpu, ssp.dep_map, read=RECURSIVE_READ, site=site)
        reader = self.oracle.srcu_reader_enters(str(cpu.current), site, ssp)
        self._readers.setdefault((_key(cpu), ssp, idx), []).append(reader)
        return idx

    @inline
    def srcu_read_unlock(self, cpu: Cpu, ssp: SrcuStruct, idx: int) -> None:
        """srcu_read_unlock(), with the index that srcu_read_lock() gave."""
        system = self.callbacks.system
        cpu.clock += system.costs.rcu_read_ns
        if idx & ~1:
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_UNLOCK, "idx & ~0x1", "srcu_read_unlock")
        if system.lockdep.on:
            system.lockdep.release(cpu, ssp.dep_map)
        self._count(cpu, ssp).unlocks[idx & 1] += 1
        readers = self._readers.get((_key(cpu), ssp, idx & 1))
        if readers:
            self.oracle.reader_leaves(readers.pop())

    def _count(self, cpu: Cpu, ssp: SrcuStruct) -> SrcuData:
        access = self.callbacks.system.conductor.probes.access
        if access.on:
            access(ssp, Access.WRITE)
        return ssp.sda[cpu.cpu_id]

    def reader_of(self, cpu: Cpu, ssp: SrcuStruct) -> Reader | None:
        """The innermost of the running thread's, as the oracle has it."""
        open_ = [readers[-1] for idx in (0, 1) if (readers := self._readers.get((_key(cpu), ssp, idx)))]
        return max(open_, key=lambda reader: reader.serial, default=None)

    def srcu_read_lock_held(self, cpu: Cpu, ssp: SrcuStruct) -> bool:
        """srcu_read_lock_held(), as lockdep knows it."""
        return self.callbacks.system.lockdep.is_held(cpu.ctx, ssp.dep_map)

    # -- callbacks ---------------------------------------------------------------------------------------------------

    async def call_srcu(
        self, thread: Thread, ssp: SrcuStruct, function: Callback, head: RcuHead, *, expedited: bool = False
    ) -> None:
        """call_srcu(): have a function called with bottom halves off, when all that read now have ended."""
        callbacks = self.callbacks
        if head.queued:
            said = "call_srcu(): Leaked duplicate callback"
            if callbacks.queued_twice(thread.cpu, head, said):
                head.function = rcu_leak_callback
                return
        head.function, head.queued, head.queued_ns = function, True, thread.cpu.clock
        await self._gp_start_if_needed(thread, ssp, head, expedited=expedited)

    async def _gp_start_if_needed(self, thread: Thread, ssp: SrcuStruct, head: RcuHead, *, expedited: bool) -> None:
        """srcu_gp_start_if_needed()."""
        system = self.callbacks.system
        sdp = self._list_for(thread.cpu, ssp)
        cpu, flags = await spin_lock_irqsave(system.locks, thread, sdp.lock, "srcu_gp_start_if_needed")
        sdp.cblist.enqueue(head)
        cpu.clock += system.costs.call_rcu_ns
        wanted = gp_seq.snap(ssp.gp_seq)
        sdp.cblist.done_seq = ssp.gp_seq
        sdp.cblist.accelerate(wanted)
        needed = sdp.gp_seq_needed < wanted or (expedited and sdp.gp_seq_needed_exp < wanted)
        sdp.gp_seq_needed = max(sdp.gp_seq_needed, wanted)
        if expedited:
            sdp.gp_seq_needed_exp = max(sdp.gp_seq_needed_exp, wanted)
        await spin_unlock_irqrestore(system.locks, cpu, sdp.lock, flags)
        if needed:
            await self.gp.start_if_needed(thread, ssp, wanted, expedited=expedited)

    def _list_for(self, cpu: Cpu, ssp: SrcuStruct) -> SrcuData:
        return ssp.sda[_BOOT_CPU if self.callbacks.rules.srcu_callbacks_on_boot_cpu else cpu.cpu_id]

    # -- who waits ---------------------------------------------------------------------------------------------------

    async def synchronize_srcu(self, thread: Thread, ssp: SrcuStruct) -> None:
        """synchronize_srcu(): sleep until all that read now have ended; expedited if nobody else is at it."""
        idle = await self._might_be_idle(thread, ssp)
        if idle or self.callbacks.expedited.rcu_gp_is_expedited():
            await self.synchronize_srcu_expedited(thread, ssp)
        else:
            await self._synchronize(thread, ssp, expedited=False)

    async def synchronize_srcu_expedited(self, thread: Thread, ssp: SrcuStruct) -> None:
        """synchronize_srcu_expedited(): without the jiffy between two looks; not so where rcu_normal has it so."""
        await self._synchronize(thread, ssp, expedited=not self.callbacks.expedited.rcu_gp_is_normal())

    async def _synchronize(self, thread: Thread, ssp: SrcuStruct, *, expedited: bool) -> None:
        """__synchronize_srcu()."""
        callbacks, cpu = self.callbacks, thread.cpu
        system = callbacks.system
        if callbacks.rules.srcu_is_in_the_graph:
            system.lockdep.sync(cpu, ssp.dep_map, "__synchronize_srcu")
        if system.lockdep.is_held(cpu.ctx, ssp.dep_map) or callbacks.readers.in_any_section(cpu):
            said = "Illegal synchronize_srcu() in same-type SRCU (or in RCU) read-side critical section"
            cpu.judge.suspicious_rcu(cpu, said)
        if callbacks.scheduler_active is SchedulerActive.INACTIVE:
            return
        cpu.judge.might_sleep(cpu)
        system.debug_objects.init_on_stack(cpu, RcuHead)
        done = system.new_completion("synchronize_srcu()")

        async def wakeme_after_rcu(on: Cpu) -> None:
            await complete(system, on, done)

        await self.call_srcu(
            thread, ssp, wakeme_after_rcu, RcuHead(wakeme_after_rcu, "wakeme_after_rcu"), expedited=expedited
        )
        await wait_for_completion(system, thread, done)

    async def _might_be_idle(self, thread: Thread, ssp: SrcuStruct) -> bool:
        """srcu_might_be_idle(): no callback here, no grace period in progress, and none a moment ago."""
        system = self.callbacks.system
        sdp = ssp.sda[thread.cpu.cpu_id]
        cpu, flags = await spin_lock_irqsave(system.locks, thread, sdp.lock, "srcu_might_be_idle")
        waiting = bool(sdp.cblist.heads) and not sdp.cblist.ready()
        await spin_unlock_irqrestore(system.locks, cpu, sdp.lock, flags)
        if waiting or thread.cpu.clock - ssp.last_gp_end_ns < _EXP_HOLDOFF_NS:
            return False
        return ssp.gp_seq >= ssp.gp_seq_needed

    async def srcu_barrier(self, thread: Thread, ssp: SrcuStruct) -> None:
        """srcu_barrier(): sleep until every callback queued so far has been called."""
        system = self.callbacks.system
        wanted = gp_seq.snap(ssp.barrier_seq)
        await system.locks.mutex_lock(thread, ssp.barrier_mutex)
        if not gp_seq.done(ssp.barrier_seq, wanted):
            ssp.barrier_seq = gp_seq.start(ssp.barrier_seq)
            done = ssp.barrier_done = system.new_completion("srcu_barrier()")
            ssp.barriers = 1
            for _, sdp in ssp.sda.touched():
                await self._barrier_one_cpu(thread, ssp, sdp)
            await self._barrier_callback(thread.cpu, ssp)
            await wait_for_completion(system, thread, done)
            ssp.barrier_seq = gp_seq.end(ssp.barrier_seq)
        await system.locks.mutex_unlock(thread, ssp.barrier_mutex)

    async def _barrier_one_cpu(self, thread: Thread, ssp: SrcuStruct, sdp: SrcuData) -> None:
        """srcu_barrier_one_cpu(): one more behind what is in its list."""
        system = self.callbacks.system

        async def srcu_barrier_cb(on: Cpu) -> None:
            await self._barrier_callback(on, ssp)

        cpu, flags = await spin_lock_irqsave(system.locks, thread, sdp.lock, "srcu_barrier_one_cpu")
        if sdp.cblist.n_cbs():
            ssp.barriers += 1
            sdp.cblist.done_seq = ssp.gp_seq
            sdp.cblist.entrain(RcuHead(srcu_barrier_cb, "srcu_barrier_cb"))
        await spin_unlock_irqrestore(system.locks, cpu, sdp.lock, flags)

    async def _barrier_callback(self, cpu: Cpu, ssp: SrcuStruct) -> None:
        ssp.barriers -= 1
        if not ssp.barriers:
            assert ssp.barrier_done is not None
            await complete(self.callbacks.system, cpu, ssp.barrier_done)


def _key(cpu: Cpu) -> int:
    """Whose readers: a thread's, or those of what runs on a CPU's idle thread."""
    return cpu.current.pid or -1 - cpu.cpu_id
