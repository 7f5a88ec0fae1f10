"""Who drives an expedited grace period forward (kernel/rcu/tree_exp.h, synchronize_rcu_expedited_queue_work()).

Up to v6.6 a work on the caller's stack, on rcu_gp_wq; from v6.9 on (commit 23da2ad64dcb and those before it: v6.6 still
has the work, v6.12 the thread) a kthread worker. CONFIG_RCU_EXP_KTHREAD, which has the thread in older versions, too,
needs RCU_EXPERT and is not modelled.

It has the leaves of the rcu_node tree looked through, all but the last by others: works on rcu_par_gp_wq, each on the
first CPU of its leaf; or kthread workers, one a leaf, that keep to the leaf's CPUs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ..kernel.cpu import Cpu
from ..kernel.kthread_worker import KthreadWork, KthreadWorker
from ..kernel.system import System
from ..kernel.thread import Thread
from ..kernel.workqueue import Work
from ..kernel.workqueue.flush import flush_work
from .gp_workqueue import GpWorkqueue

if TYPE_CHECKING:
    from .nodes import RcuNode

Drive = Callable[[Thread], Awaitable[None]]
Flush = Callable[[Thread], Awaitable[object]]


class ExpeditedDriver(Protocol):
    """Runs what drives a grace period, in a thread of its own."""

    def __init__(self, system: System, wq: GpWorkqueue) -> None: ...

    async def drive(self, cpu: Cpu, drive: Drive) -> None:
        """synchronize_rcu_expedited_queue_work()."""
        ...

    async def select(self, cpu: Cpu, leaf: RcuNode, select: Drive) -> Flush:
        """sync_rcu_exp_select_cpus_queue_work(): has a leaf looked through; what is returned waits for that."""
        ...


class OnWorkqueue:
    """A work on rcu_gp_wq, which has a rescuer."""

    def __init__(self, system: System, wq: GpWorkqueue) -> None:
        self._system, self._wq = system, wq

    async def drive(self, cpu: Cpu, drive: Drive) -> None:
        """INIT_WORK_ONSTACK(), queue_work()."""

        async def wait_rcu_exp_gp(on: Cpu) -> None:
            await drive(on.current)

        self._system.debug_objects.init_on_stack(cpu, Work)
        work = Work("wait_rcu_exp_gp", wait_rcu_exp_gp, key="(work_completion)(&rew.rew_work)", site=OnWorkqueue)
        await self._wq.workqueues.queue_work(cpu, self._wq.rcu_gp_wq, work)

    async def select(self, cpu: Cpu, leaf: RcuNode, select: Drive) -> Flush:
        """INIT_WORK(), queue_work_on(): the first CPU of the leaf that is all there (ffmask), any if there is none."""
        workqueues, active = self._wq.workqueues, self._system.masks.active
        first = next((cpu_id for cpu_id in range(leaf.grplo, leaf.grphi + 1) if cpu_id in active), None)
        target = self._system.cpu(first) if first is not None else None

        async def sync_rcu_exp_select_node_cpus(on: Cpu) -> None:
            await select(on.current)

        key = "(work_completion)(&rnp->rew.rew_work)"
        work = Work("sync_rcu_exp_select_node_cpus", sync_rcu_exp_select_node_cpus, key=key, site=OnWorkqueue)
        await workqueues.queue_work(cpu, self._wq.rcu_par_gp_wq, work, on=target)
        return lambda thread: flush_work(workqueues, thread, work)


class OnKthreadWorker:
    """rcu_exp_gp_kworker's thread, and one of each leaf (rcu_spawn_exp_par_gp_kworker())."""

    def __init__(self, system: System, _wq: GpWorkqueue) -> None:
        self._system = system
        self._rcu_exp_gp_kworker = KthreadWorker(system, "rcu_exp_gp_kthread_worker")
        self._exp_kworkers: dict[RcuNode, KthreadWorker] = {}

    async def drive(self, cpu: Cpu, drive: Drive) -> None:
        """kthread_init_work(), kthread_queue_work()."""
        await self._rcu_exp_gp_kworker.kthread_queue_work(cpu, KthreadWork("wait_rcu_exp_gp", drive))

    async def select(self, cpu: Cpu, leaf: RcuNode, select: Drive) -> Flush:
        """kthread_init_work(), kthread_queue_work()."""
        worker = self._exp_kworkers.get(leaf)
        if worker is None:
            cpus = range(leaf.grplo, leaf.grphi + 1)
            name = "rcu_exp_par_gp_kthread_worker"
            worker = self._exp_kworkers[leaf] = KthreadWorker(self._system, name, cpus=cpus)
        work = KthreadWork("sync_rcu_exp_select_node_cpus", select)
        await worker.kthread_queue_work(cpu, work)
        return lambda thread: worker.kthread_flush_work(thread, work)
