"""queue_rcu_work() (kernel/workqueue.c): a work that is queued when a grace period has passed, struct rcu_work.

The kernel has it with the workqueues; here it needs what lies above them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context.violation import ViolationKind
from ..kernel.workqueue.flush import flush_work
from .data import RcuHead, rcu_leak_callback
from .rcu_barrier import rcu_barrier

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kernel.workqueue import Work, Workqueue, Workqueues
    from .callbacks import Callbacks


@attrs.define(eq=False)
class RcuWork:
    """struct rcu_work: a work that is queued when a grace period has passed, and the head that waits for that."""

    work: Work
    rcu: RcuHead = attrs.field(factory=lambda: RcuHead(rcu_leak_callback, "rcu_work_rcufn"))


@attrs.frozen(eq=False)
class RcuWorks:
    """What queues them: a grace period first, then a workqueue."""

    callbacks: Callbacks
    workqueues: Workqueues

    async def queue_rcu_work(self, cpu: Cpu, workqueue: Workqueue, rwork: RcuWork) -> bool:
        """queue_rcu_work(): pending already means False, and no new grace period."""
        self.workqueues.system.debug_objects.used(cpu, rwork.work)
        if rwork.work.pending:
            return False
        if rwork.work.disabled:
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "clear_pending_if_disabled(work)", "queue_rcu_work")
            return False
        rwork.work.pending = True

        async def rcu_work_rcufn(on: Cpu) -> None:
            flags = on.local_irq_save()
            await self.workqueues.queue_work_irqoff(on, workqueue, rwork.work)
            await on.local_irq_restore(flags)

        await self.callbacks.call_rcu_hurry(cpu, rcu_work_rcufn, "rcu_work_rcufn", rwork.rcu)
        return True

    async def flush_rcu_work(self, thread: Thread, rwork: RcuWork) -> bool:
        """flush_rcu_work(): a pending one's grace period is waited for by rcu_barrier(); then flush_work()."""
        self.workqueues.system.debug_objects.used(thread.cpu, rwork.work)
        if rwork.work.pending:
            await rcu_barrier(self.callbacks, thread)
            await flush_work(self.workqueues, thread, rwork.work)
            return True
        return await flush_work(self.workqueues, thread, rwork.work)
