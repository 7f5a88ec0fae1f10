"""synchronize_rcu_expedited() (kernel/rcu/tree_exp.h): a grace period by interrupting every CPU that is not idle.

Whoever finds nobody at it takes rcu_state.exp_mutex, begins a grace period (expedited_sequence) and has a thread of
the version's drive it: each CPU that neither idles nor is the driver's own gets an interrupt, rcu_exp_handler()
(exp_select.py), and answers there or later (exp_nodes.py). Whoever comes meanwhile goes up the rcu_node tree, and waits
at the first node by which somebody has gone who wants as much (exp_funnel_lock()).

rcu_expedited makes every synchronize_rcu() such a one, as all are until boot has ended; rcu_normal, which PREEMPT_RT
sets at the end of boot, makes it the other way round (kernel/rcu/update.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import Lock, LockKind
from ..kernel.time.timeouts import schedule_timeout
from ..kernel.wait import WaitQueueHead, wait_event, wake_up_all
from . import seq as gp_seq
from .exp_select import ExpeditedSelection
from .exp_stall import ExpeditedStalls, exp_stall_timeout

if TYPE_CHECKING:
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .exp_nodes import ExpeditedTree
    from .gp import GracePeriodMachine
    from .gp_workqueue import GpWorkqueue
    from .nodes import RcuNode
    from .quiescent import QuiescentStates
    from .rules import RcuRules
    from .stall import StallDetector

_EXP_WQS: Final = 4


@attrs.frozen
class _Locks:
    exp_mutex: Lock
    exp_wake_mutex: Lock


@attrs.frozen
class _NodeLocks:
    exp_lock: Lock
    exp_wq: tuple[WaitQueueHead, ...]


def expedited_of(
    machine: GracePeriodMachine, quiescent: QuiescentStates, stalls: StallDetector, wq: GpWorkqueue
) -> ExpeditedGracePeriods:
    """Those of a machine, with what its version has drive them."""
    system, node, rules = quiescent.system, quiescent.expedited, quiescent.rules
    selection = ExpeditedSelection(system, machine, node, rules, rules.expedited_driver(system, wq))
    return ExpeditedGracePeriods(system, machine, node, rules, selection, ExpeditedStalls(machine, stalls.on_hopeless))


@attrs.define(eq=False)
class ExpeditedGracePeriods:
    """rcu_state's part in them, and what drives them."""

    system: System
    machine: GracePeriodMachine
    node: ExpeditedTree
    rules: RcuRules
    selection: ExpeditedSelection
    _stalls: ExpeditedStalls
    _made: _Locks | None = None
    _of_nodes: dict[RcuNode, _NodeLocks] = attrs.field(factory=dict)
    _rcu_normal: bool = attrs.field(init=False)
    nesting: int = 1
    """rcu_expedited_nesting: how often grace periods have been made expedited; boot is one."""
    completed: int = 0
    """How many have ended."""

    def __attrs_post_init__(self) -> None:
        self._rcu_normal = self.system.config.rcu_normal

    @property
    def _locks(self) -> _Locks:
        """Made when they are first wanted: most machines never do."""
        if self._made is None:
            make = self.system.lock_factory.make
            mutexes = (make(f"rcu_state.{name}", LockKind.MUTEX) for name in ("exp_mutex", "exp_wake_mutex"))
            self._made = _Locks(*mutexes)
            self._of(self.machine.root)
        return self._made

    def _of(self, node: RcuNode) -> _NodeLocks:
        """The same of a node."""
        locks = self._of_nodes.get(node)
        if locks is None:
            make = self.system.lock_factory.make
            lock = make("&rnp->exp_lock", LockKind.SPINLOCK)
            queues = (make(f"&rnp->exp_wq[{number}]", LockKind.SPINLOCK) for number in range(_EXP_WQS))
            locks = self._of_nodes[node] = _NodeLocks(lock, tuple(WaitQueueHead(each) for each in queues))
        return locks

    # -- whether it is to be one (kernel/rcu/update.c) -----------------------------------------------------------------

    def rcu_gp_is_expedited(self) -> bool:
        """rcu_gp_is_expedited(): every grace period that somebody waits for is to be one."""
        return self.system.config.rcu_expedited or self.nesting > 0

    def rcu_gp_is_normal(self) -> bool:
        """rcu_gp_is_normal(): none is, whoever asks for it."""
        return self._rcu_normal

    def rcu_expedite_gp(self) -> None:
        """rcu_expedite_gp(): all are, until rcu_unexpedite_gp() has been called as often."""
        self.nesting += 1

    def rcu_unexpedite_gp(self) -> None:
        """rcu_unexpedite_gp()."""
        self.nesting -= 1

    def rcu_end_inkernel_boot(self) -> None:
        """rcu_end_inkernel_boot(); rcu_normal_after_boot is PREEMPT_RT's."""
        self.rcu_unexpedite_gp()
        self._rcu_normal = self._rcu_normal or self.system.config.PREEMPT_RT

    # -- who asks ----------------------------------------------------------------------------------------------------

    async def synchronize(self, thread: Thread) -> None:
        """synchronize_rcu_expedited(), behind its checks: sleep until an expedited grace period has passed."""
        system = self.system
        wanted = gp_seq.snap(self.machine.expedited_sequence)
        self.selection.trace(thread.cpu, "snap", wanted)
        if await self._exp_funnel_lock(thread, wanted):
            return

        async def rcu_exp_sel_wait_wake(driver: Thread) -> None:
            await self.selection.sync_rcu_exp_select_cpus(driver)
            await self._wait(driver)
            await self._wake(driver, wanted)

        await self.selection.driver.drive(thread.cpu, rcu_exp_sel_wait_wake)
        await self._until_done(thread, self.machine.root, wanted)
        await system.locks.mutex_unlock(thread, self._locks.exp_mutex)

    async def _until_done(self, thread: Thread, node: RcuNode, wanted: int) -> None:
        """wait_event(rnp->exp_wq[...], sync_exp_work_done(s))."""
        await wait_event(self.system, thread, self._queue_for(node, wanted), lambda: self._work_done(wanted))

    def _queue_for(self, node: RcuNode, wanted: int) -> WaitQueueHead:
        return self._of(node).exp_wq[gp_seq.ctr(wanted) % _EXP_WQS]

    def _work_done(self, wanted: int) -> bool:
        """sync_exp_work_done()."""
        return gp_seq.done(self.machine.expedited_sequence, wanted)

    async def _exp_funnel_lock(self, thread: Thread, wanted: int) -> bool:
        """exp_funnel_lock(): True when somebody else's grace period will do, and has ended; else with exp_mutex."""
        locks, root = self.system.locks, self.machine.root
        leaf = self.machine.data[thread.cpu.cpu_id].mynode
        node: RcuNode | None = leaf
        fresh = leaf.exp.exp_seq_rq < wanted and root.exp.exp_seq_rq < wanted
        if fresh and locks.mutex_trylock(thread.cpu, self._locks.exp_mutex):
            return await self._may_begin(thread, wanted)
        while node is not None:
            if self._work_done(wanted):
                return True
            if not await self._goes_first(thread, node, wanted):
                await self._until_done(thread, node, wanted)
                return True
            node = node.parent
        await locks.mutex_lock(thread, self._locks.exp_mutex)
        return await self._may_begin(thread, wanted)

    async def _goes_first(self, thread: Thread, node: RcuNode, wanted: int) -> bool:
        """Nobody who wants as much has gone by way of that node, and it is noted that now somebody has."""
        locks, lock = self.system.locks, self._of(node).exp_lock
        cpu = await locks.spin_lock(thread, lock)
        first = node.exp.exp_seq_rq < wanted
        if first:
            node.exp.exp_seq_rq = wanted
        await locks.spin_unlock(cpu, lock)
        return first

    async def _may_begin(self, thread: Thread, wanted: int) -> bool:
        """With exp_mutex: one begins, unless one that will do has ended meanwhile."""
        if self._work_done(wanted):
            await self.system.locks.mutex_unlock(thread, self._locks.exp_mutex)
            return True
        self.machine.rcu_exp_gp_seq_start()
        self.selection.trace(thread.cpu, "start", wanted)
        return False

    # -- who drives it -----------------------------------------------------------------------------------------------

    async def _wait(self, thread: Thread) -> None:
        """synchronize_rcu_expedited_wait(): until all have answered; a stall is told as often as it lasts so long."""
        system, node = self.system, self.node
        timeout = left = exp_stall_timeout(system, self.rules)
        began = self.machine.jiffies(thread.cpu.clock)
        node.waits(thread)
        while not node.done():
            thread.prepare_to_sleep()
            if node.done():
                thread.set_running()
                break
            left = await schedule_timeout(system, thread, left)
            if not left and not node.done():
                self._stalls.report(thread.cpu, self.machine.jiffies(thread.cpu.clock) - began)
                left = 3 * timeout + 3
        node.waits(None)

    async def _wake(self, thread: Thread, wanted: int) -> None:
        """rcu_exp_wait_wake(), from the end of the wait on: the grace period ends, and who waits for it is woken."""
        system = self.system
        await system.locks.mutex_lock(thread, self._locks.exp_wake_mutex)
        await thread.spend(system.costs.gp_cleanup_ns)
        system.all_cpus_seen(thread.cpu, self.machine.root)
        self.machine.rcu_exp_gp_seq_end()
        self.completed += 1
        self.selection.trace(thread.cpu, "end", wanted)
        for node in self.machine.tree.breadth_first():
            if node.exp.exp_seq_rq < wanted:
                await self._goes_first(thread, node, wanted)
            await wake_up_all(system, thread, self._queue_for(node, wanted))
        self.selection.trace(thread.cpu, "endwake", wanted)
        await system.locks.mutex_unlock(thread, self._locks.exp_wake_mutex)
