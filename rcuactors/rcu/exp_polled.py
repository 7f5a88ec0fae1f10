"""Polled expedited grace periods (kernel/rcu/tree_exp.h): start_poll_synchronize_rcu_expedited().

Whoever wants one notes his cookie in his CPU's leaf of the rcu_node tree (`exp_seq_poll_rq`) and queues that leaf's
work on rcu_gp_wq. The work waits for expedited grace periods until the cookie is satisfied, which one of them does
unless it had begun before; the leaf has room for one cookie, the latest. Commits d96c52fe4907 (v6.0), 6c502b14ba66.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context.locks import Lock, LockKind
from ..kernel.workqueue import Work
from ..marks import machinery
from .seq import GET_STATE_COMPLETED
from .synchronize_rcu import synchronize_rcu_expedited

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .gp_workqueue import GpWorkqueue
    from .nodes import RcuNode
    from .polled import PolledGracePeriods, RcuGpOldstate


@attrs.define(eq=False)
class _OfLeaf:
    """What struct rcu_node has for it."""

    exp_poll_lock: Lock
    exp_poll_wq: Work
    exp_seq_poll_rq: int = GET_STATE_COMPLETED


@attrs.frozen(eq=False)
class ExpeditedPolling:
    """For one machine."""

    polled: PolledGracePeriods
    _wq: GpWorkqueue
    _leaves: dict[RcuNode, _OfLeaf] = attrs.field(factory=dict)

    async def start_poll_synchronize_rcu_expedited(self, cpu: Cpu) -> int:
        """start_poll_synchronize_rcu_expedited(): a one-word cookie, and an expedited grace period is on its way."""
        polled, system = self.polled, cpu.system
        cookie = polled.get_state_synchronize_rcu()
        node = self._of(polled.machine.data[cpu.cpu_id].mynode)
        flags = cpu.local_irq_save("start_poll_synchronize_rcu_expedited")
        await system.locks.raw_spin_lock(cpu, node.exp_poll_lock)
        if not polled.poll_state_synchronize_rcu(cookie):
            node.exp_seq_poll_rq = cookie
            await self._wq.workqueues.queue_work(cpu, self._wq.rcu_gp_wq, node.exp_poll_wq)
        await system.locks.raw_spin_unlock(cpu, node.exp_poll_lock)
        await cpu.local_irq_restore(flags)
        return cookie

    async def start_poll_synchronize_rcu_expedited_full(self, cpu: Cpu) -> RcuGpOldstate:
        """start_poll_synchronize_rcu_expedited_full(): the same, and the cookie is the full one."""
        cookie = self.polled.get_state_synchronize_rcu_full()
        await self.start_poll_synchronize_rcu_expedited(cpu)
        return cookie

    @machinery
    def _of(self, leaf: RcuNode) -> _OfLeaf:
        made = self._leaves.get(leaf)
        if made is None:

            async def sync_rcu_do_polled_gp(cpu: Cpu) -> None:
                await self._sync_rcu_do_polled_gp(cpu, self._leaves[leaf])

            lock = self._wq.workqueues.system.lock_factory.make("&rnp->exp_poll_lock", LockKind.RAW_SPINLOCK)
            key = "(work_completion)(&rnp->exp_poll_wq)"
            work = Work("sync_rcu_do_polled_gp", sync_rcu_do_polled_gp, key=key, site=ExpeditedPolling)
            made = self._leaves[leaf] = _OfLeaf(lock, work)
        return made

    @machinery
    async def _sync_rcu_do_polled_gp(self, cpu: Cpu, node: _OfLeaf) -> None:
        """sync_rcu_do_polled_gp(): until what was asked for last has passed; what is asked meanwhile queues it anew."""
        polled, thread = self.polled, cpu.current
        cookie = await self._take(cpu, node)
        if cookie == GET_STATE_COMPLETED:
            return
        while not polled.poll_state_synchronize_rcu(cookie):
            await synchronize_rcu_expedited(polled.callbacks, thread)
        cpu, flags = thread.local_irq_save()
        await cpu.system.locks.raw_spin_lock(cpu, node.exp_poll_lock)
        if polled.poll_state_synchronize_rcu(node.exp_seq_poll_rq):
            node.exp_seq_poll_rq = GET_STATE_COMPLETED
        await cpu.system.locks.raw_spin_unlock(cpu, node.exp_poll_lock)
        await cpu.local_irq_restore(flags)

    @staticmethod
    async def _take(cpu: Cpu, node: _OfLeaf) -> int:
        flags = cpu.local_irq_save()
        await cpu.system.locks.raw_spin_lock(cpu, node.exp_poll_lock)
        cookie, node.exp_seq_poll_rq = node.exp_seq_poll_rq, GET_STATE_COMPLETED
        await cpu.system.locks.raw_spin_unlock(cpu, node.exp_poll_lock)
        await cpu.local_irq_restore(flags)
        return cookie
