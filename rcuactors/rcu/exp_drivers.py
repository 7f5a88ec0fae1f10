"""Who drives an expedited grace period forward (kernel/rcu/tree_exp.h, synchronize_rcu_expedited_queue_work()).

Up to v6.6 a work on the caller's stack, on rcu_gp_wq; from v6.9 on (commit 23da2ad64dcb and those before it: v6.6 still
has the work, v6.12 the thread) a kthread worker. CONFIG_RCU_EXP_KTHREAD, which has the thread in older versions, too,
needs RCU_EXPERT and is not modelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..kernel.cpu import Cpu
from ..kernel.kthread_worker import KthreadWork, KthreadWorker
from ..kernel.system import System
from ..kernel.thread import Thread
from ..kernel.workqueue import Work
from .gp_workqueue import GpWorkqueue

Drive = Callable[[Thread], Awaitable[None]]


class ExpeditedDriver(Protocol):
    """Runs what drives a grace period, in a thread of its own."""

    def __init__(self, system: System, wq: GpWorkqueue) -> None: ...

    async def drive(self, cpu: Cpu, drive: Drive) -> None:
        """synchronize_rcu_expedited_queue_work()."""
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


class OnKthreadWorker:
    """rcu_exp_gp_kworker's thread."""

    def __init__(self, system: System, _wq: GpWorkqueue) -> None:
        self._rcu_exp_gp_kworker = KthreadWorker(system, "rcu_exp_gp_kthread_worker")

    async def drive(self, cpu: Cpu, drive: Drive) -> None:
        """kthread_init_work(), kthread_queue_work()."""
        await self._rcu_exp_gp_kworker.kthread_queue_work(cpu, KthreadWork("wait_rcu_exp_gp", drive))
