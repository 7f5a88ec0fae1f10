"""D12 without its hrtimer: the work that refills the cache is queued at once, from under krcp->lock.

Commit 56292e8609e3 says that its hrtimer stage is needed to avoid deadlocks with the scheduler. This is the design
that would deadlock: queue_work() takes the pool's lock and wakes a worker, which takes the worker's pi_lock and the
lock of its run queue (kernel/workqueue.c, __queue_work()), and the caller may hold just that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hrtimer_work import HrtimerWork

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class WorkDirectly(HrtimerWork):
    """Cache, workqueue."""

    name = "work-directly"
    about = "use the cache only, and queue the work that refills it at once (56292e8609e3 without its hrtimer)"

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Queue the work, unless one is on its way."""
        if not kvfree.refill.begin(krcp):
            return
        await kvfree.workqueues.queue_work(cpu, kvfree.workqueues.system_highpri_wq, krcp.page_work.work)
