"""synchronize_rcu_expedited() (kernel/rcu/tree_exp.h): a grace period by interrupting every CPU that is not idle.

Whoever finds nobody at it takes rcu_state.exp_mutex, begins a grace period (expedited_sequence) and has a thread of
the version's drive it: each CPU that neither idles nor is the driver's own gets an interrupt, rcu_exp_handler(), and
answers there or later (exp_nodes.py). Whoever comes meanwhile and needs no later one waits for it (exp_funnel_lock()).

rcu_expedited makes every synchronize_rcu() such a one, as all are until boot has ended; rcu_normal, which PREEMPT_RT
sets at the end of boot, makes it the other way round (kernel/rcu/update.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt
from ..context.locks import Lock, LockKind
from ..kernel.thread import EXP_HINT
from ..kernel.time.timeouts import schedule_timeout
from ..kernel.wait import WaitQueueHead, wait_event, wake_up_all
from ..marks import machinery
from . import seq as gp_seq
from .exp_stall import ExpeditedStalls, exp_stall_timeout
from .quiescent import interrupted_idle

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .data import RcuData
    from .exp_drivers import ExpeditedDriver
    from .exp_nodes import ExpeditedNode
    from .gp import GracePeriodMachine
    from .gp_workqueue import GpWorkqueue
    from .quiescent import QuiescentStates
    from .rules import RcuRules
    from .stall import StallDetector

_EXP_WQS: Final = 4
_NO_PREEMPTION: Final = preempt.PREEMPT_MASK | preempt.SOFTIRQ_MASK


@attrs.frozen
class _Locks:
    exp_mutex: Lock
    exp_wake_mutex: Lock
    exp_lock: Lock
    exp_wq: tuple[WaitQueueHead, ...]


def expedited_of(
    machine: GracePeriodMachine, quiescent: QuiescentStates, stalls: StallDetector, wq: GpWorkqueue
) -> ExpeditedGracePeriods:
    """Those of a machine, with what its version has drive them."""
    system, node, rules = quiescent.system, quiescent.expedited, quiescent.rules
    driver = rules.expedited_driver(system, wq)
    return ExpeditedGracePeriods(
        system, machine, node, rules, driver, ExpeditedStalls(machine, node, stalls.on_hopeless)
    )


@attrs.define(eq=False)
class ExpeditedGracePeriods:
    """rcu_state's part in them, and what drives them."""

    system: System
    machine: GracePeriodMachine
    node: ExpeditedNode
    rules: RcuRules
    _driver: ExpeditedDriver
    _stalls: ExpeditedStalls
    _made: _Locks | None = None
    _exp_seq_rq: int = 0
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
            queues = (make(f"&rnp->exp_wq[{number}]", LockKind.SPINLOCK) for number in range(_EXP_WQS))
            self._made = _Locks(
                make("rcu_state.exp_mutex", LockKind.MUTEX),
                make("rcu_state.exp_wake_mutex", LockKind.MUTEX),
                make("&rnp->exp_lock", LockKind.SPINLOCK),
                tuple(WaitQueueHead(lock) for lock in queues),
            )
        return self._made

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
        self._trace(thread.cpu, wanted, "snap")
        if await self._exp_funnel_lock(thread, wanted):
            return

        async def rcu_exp_sel_wait_wake(driver: Thread) -> None:
            await self._select_cpus(driver)
            await self._wait(driver)
            await self._wake(driver, wanted)

        await self._driver.drive(thread.cpu, rcu_exp_sel_wait_wake)
        await self._until_done(thread, wanted)
        await system.locks.mutex_unlock(thread, self._locks.exp_mutex)

    async def _until_done(self, thread: Thread, wanted: int) -> None:
        """wait_event(rnp->exp_wq[...], sync_exp_work_done(s))."""
        await wait_event(self.system, thread, self._queue_for(wanted), lambda: self._work_done(wanted))

    def _queue_for(self, wanted: int) -> WaitQueueHead:
        return self._locks.exp_wq[gp_seq.ctr(wanted) % _EXP_WQS]

    def _work_done(self, wanted: int) -> bool:
        """sync_exp_work_done()."""
        return gp_seq.done(self.machine.expedited_sequence, wanted)

    async def _exp_funnel_lock(self, thread: Thread, wanted: int) -> bool:
        """exp_funnel_lock(): True when somebody else's grace period will do, and has ended; else with exp_mutex."""
        system = self.system
        if self._exp_seq_rq < wanted and system.locks.mutex_trylock(thread.cpu, self._locks.exp_mutex):
            return await self._may_begin(thread, wanted)
        if self._work_done(wanted):
            return True
        cpu = await system.locks.spin_lock(thread, self._locks.exp_lock)
        if self._exp_seq_rq >= wanted:
            await system.locks.spin_unlock(cpu, self._locks.exp_lock)
            await self._until_done(thread, wanted)
            return True
        self._exp_seq_rq = wanted
        await system.locks.spin_unlock(cpu, self._locks.exp_lock)
        await system.locks.mutex_lock(thread, self._locks.exp_mutex)
        return await self._may_begin(thread, wanted)

    async def _may_begin(self, thread: Thread, wanted: int) -> bool:
        """With exp_mutex: one begins, unless one that will do has ended meanwhile."""
        if self._work_done(wanted):
            await self.system.locks.mutex_unlock(thread, self._locks.exp_mutex)
            return True
        self.machine.rcu_exp_gp_seq_start()
        self._trace(thread.cpu, wanted, "start")
        return False

    # -- who drives it -----------------------------------------------------------------------------------------------

    async def _select_cpus(self, thread: Thread) -> None:
        """sync_rcu_exp_select_cpus(): those that idle, or are this one, have answered; the others are interrupted."""
        node, system = self.node, self.system
        node.begin(system.cpus)
        await thread.spend(system.costs.gp_init_ns)
        online = frozenset(system.masks.online())
        quiescent: list[Cpu] = []
        asked: list[tuple[Cpu, int]] = []
        for cpu in node.expmask.values():
            if cpu is thread.cpu or cpu.cpu_id not in online or cpu.in_idle_loop:
                quiescent.append(cpu)
            else:
                asked.append((cpu, self._rdp(cpu).idle_entries))
        node.wait_for_readers(self.machine.tree.switched_out())
        for cpu, idle_entries in asked:
            if self._rdp(cpu).idle_entries != idle_entries or not await self._interrupt(thread, cpu):
                quiescent.append(cpu)
        node.report_all(quiescent)

    async def _interrupt(self, thread: Thread, target: Cpu) -> bool:
        """The interrupt. False where the driver is on that CPU by now, and has switched to it, or it has gone."""
        cpu = thread.preempt_disable()
        reached = cpu is not target
        if reached:
            call = self.system.cross_calls.smp_call_function_single
            reached = await call(cpu, target, self._rcu_exp_handler, wait=False) == 0
        await cpu.preempt_enable()
        return reached

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
        self.machine.rcu_exp_gp_seq_end()
        self.completed += 1
        self._trace(thread.cpu, wanted, "end")
        cpu = await system.locks.spin_lock(thread, self._locks.exp_lock)
        self._exp_seq_rq = max(self._exp_seq_rq, wanted)
        await system.locks.spin_unlock(cpu, self._locks.exp_lock)
        await wake_up_all(system, thread, self._queue_for(wanted))
        self._trace(thread.cpu, wanted, "endwake")
        await system.locks.mutex_unlock(thread, self._locks.exp_wake_mutex)

    # -- who is interrupted ------------------------------------------------------------------------------------------

    @machinery
    async def _rcu_exp_handler(self, cpu: Cpu) -> None:
        """rcu_exp_handler()."""
        rdp = self._rdp(cpu)
        if cpu.cpu_id not in self.node.expmask:
            return
        if not self.system.config.preemptible_kernel:
            self._without_preemption(cpu, rdp)
        elif cpu.ctx.rcu_nesting > 0:
            rdp.exp_no_qs = True
            cpu.current.rcu_need_qs |= EXP_HINT
        elif not cpu.ctx.preempt_count & _NO_PREEMPTION or interrupted_idle(cpu):
            self.node.report(cpu, rdp)
        else:
            rdp.exp_no_qs = True
            cpu.resched_curr()

    def _without_preemption(self, cpu: Cpu, rdp: RcuData) -> None:
        """The same of a kernel without preemptible RCU, where every switch is a quiescent state."""
        if rdp.exp_no_qs:
            return
        counted = self.rules.exp_handler_sees_preempt_count and self.system.config.preempt_count
        if interrupted_idle(cpu) or (counted and not cpu.ctx.preempt_count & _NO_PREEMPTION):
            self.node.report(cpu, rdp)
            return
        rdp.exp_no_qs = rdp.rcu_urgent_qs = True
        cpu.resched_curr()

    def _rdp(self, cpu: Cpu) -> RcuData:
        return self.machine.data[cpu.cpu_id]

    def _trace(self, cpu: Cpu, wanted: int, what: str) -> None:
        if self.system.events.on:
            self.system.emit(cpu, "rcu_exp_grace_period", f"{self.machine.name} {wanted} {what}")
