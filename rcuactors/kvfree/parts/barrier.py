"""The barrier: kvfree_rcu_barrier(), since v6.12; before, nothing waits for what kvfree_rcu() has queued.

Two rounds over all CPUs. The first gets everything that is queued into a batch, and where both of a CPU's batches are
busy, waits for them and tries again. The second takes back the monitor, which may be freeing by itself, and waits for
the batches. So it takes no lock for longer than a step, and others queue, arm and shrink meanwhile: a monitor that
they have armed is taken back with the old one, one that they arm while it is being taken back is refused (a work that
is disabled is not queued), and what the shrinker frees by itself is waited for by nobody. What was queued so has no
timer until the next kvfree_rcu() on that CPU, or the shrinker (2b55d6a42d14 has it so, and 3bc999d944b3 still).

It knows nothing of a caller of the one-argument form who waits for a grace period itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from ...context.trace import keep_trace
from ...rcu.rcu_barrier import rcu_barrier
from ..krc import Cancelled, Krc

if TYPE_CHECKING:
    from ...kernel.thread import Thread
    from ...mm.slab.cache import Cache
    from ..core import KvfreeRcu

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
        await kvfree.outside.cancel_delayed_work_sync(thread, krcp.monitor_work)
        if krcp.anything_queued() and not krcp.monitor_work.work.pending:
            krcp.cancelled = _cancelled(thread)
        await _flush(kvfree, thread, krcp)


def _cancelled(thread: Thread) -> Cancelled:
    ctx, cpu = thread.ctx, thread.cpu
    return Cancelled(f"{ctx.comm}/{ctx.pid}", cpu.cpu_id, cpu.clock, "kvfree_rcu_barrier", keep_trace())


@attrs.frozen(eq=False)
class Barriers:
    """What a kernel with sheaves waits for besides, before that (mm/slab_common.c, v6.18 and later).

    kvfree_rcu_barrier() flushes the sheaves of all caches; kvfree_rcu_barrier_on_cache() those of one, and waits for
    all else that kvfree_rcu() was given: there is no narrower way. Both are what kmem_cache_destroy() calls.
    """

    kvfree: KvfreeRcu

    async def kvfree_rcu_barrier(self, thread: Thread) -> None:
        """kvfree_rcu_barrier()."""
        if self.kvfree.unbatched is not None:
            await self._without_batches(thread)
            return
        flush = self.kvfree.slab.sheaf_flush
        if flush is not None:
            await flush.flush_all_rcu_sheaves(thread)
        await self._rest(thread)

    async def kvfree_rcu_barrier_on_cache(self, thread: Thread, cache: Cache) -> None:
        """kvfree_rcu_barrier_on_cache() (commit 0f35040de593)."""
        if self.kvfree.unbatched is not None:
            await self._without_batches(thread)
            return
        flush = self.kvfree.slab.sheaf_flush
        if flush is not None:
            await flush.barrier_on_cache(thread, cache)
        await self._rest(thread)

    async def _without_batches(self, thread: Thread) -> None:
        """rcu_barrier(); where there is kfree_rcu_nolock(), behind deferred_work_barrier()."""
        if self.kvfree.slab.rules.kfree_rcu_nolock:
            await self.kvfree.slab.deferred_work_barrier(thread)
        await rcu_barrier(self.kvfree.callbacks, thread)

    async def _rest(self, thread: Thread) -> None:
        barrier = self.kvfree.rules.barrier
        assert barrier is not None, "a version without kvfree_rcu_barrier()"
        await barrier(self.kvfree, thread)


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
