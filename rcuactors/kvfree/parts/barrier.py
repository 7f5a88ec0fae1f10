"""The barrier: kvfree_rcu_barrier(), since v6.12; before, nothing waits for what kvfree_rcu() has queued.

Two rounds over all CPUs. The first gets everything that is queued into a batch, and where both of a CPU's batches are
busy, waits for them and tries again. The second takes back the monitor, which may be freeing by itself, and waits for
the batches. So it takes no lock for longer than a step, and others queue, arm and shrink meanwhile: a monitor that
they have armed is taken back with the old one, and what the shrinker frees by itself is waited for by nobody.

It knows nothing of a caller of the one-argument form who waits for a grace period itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...kernel.workqueue.cancel import cancel_work_sync

if TYPE_CHECKING:
    from ...kernel.thread import Thread
    from ..core import KvfreeRcu
    from ..krc import Krc

Barrier = Callable[["KvfreeRcu", "Thread"], Awaitable[None]]


async def kvfree_rcu_barrier(kvfree: KvfreeRcu, thread: Thread) -> None:
    """kvfree_rcu_barrier(), v6.12: sleep until what was queued by now has been freed.

    A CPU that nothing has touched has nothing to wait for; this one is looked at in any case.
    """
    kvfree.krc(thread.cpu.cpu_id)
    for krcp in kvfree.krcs_in_turn():
        if krcp.anything_queued():
            await _queue(kvfree, thread, krcp)
    for krcp in kvfree.krcs_in_turn():
        await cancel_work_sync(kvfree.workqueues, thread, krcp.monitor_work.work, krcp.monitor_work)
        await _flush(kvfree, thread, krcp)


async def _queue(kvfree: KvfreeRcu, thread: Thread, krcp: Krc) -> None:
    """Until a batch has taken what is queued, or somebody else has."""
    while True:
        queued = await kvfree.monitor.kvfree_rcu_queue_batch(thread, krcp)
        if queued or not krcp.anything_queued():
            return
        await _flush(kvfree, thread, krcp)


async def _flush(kvfree: KvfreeRcu, thread: Thread, krcp: Krc) -> None:
    """flush_rcu_work() of each batch."""
    for batch in krcp.batches:
        await kvfree.rcu_works.flush_rcu_work(thread, batch.rcu_work)
