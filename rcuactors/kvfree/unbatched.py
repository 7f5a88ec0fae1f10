"""kvfree_rcu() without batches: CONFIG_KVFREE_RCU_BATCHED=n (mm/slab_common.c, mm/Kconfig, since v6.15).

So are kernels made as small as can be (SLUB_TINY). Each object is a callback of its own, kvfree_rcu_cb(), which finds
the object by its rcu_head and frees it; who has none waits for a grace period himself. There is no lock but those of
call_rcu(), and no page is needed, so no design has anything to do. What waits for all of it is rcu_barrier().
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..marks import stands_for
from ..rcu.data import RcuHead

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..mm.objects import KObject
    from .core import KvfreeRcu


class Unbatched:
    """One machine's."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self._heads: dict[KObject, RcuHead] = {}

    async def take(self, kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
        """kvfree_call_rcu(), whole: nothing is left to do."""
        if head:
            await self.queue(thread, item)
            return True
        kvfree.oracle.retired(item, thread.cpu.clock)
        await kvfree.free_in_line(thread, item)
        return True

    async def queue(self, thread: Thread, item: KObject, *, retired: bool = False) -> None:
        """call_rcu(head, kvfree_rcu_cb). `retired`: somebody has said so."""
        head = self._heads.get(item)
        if head is None:

            @stands_for("kvfree_rcu_cb")
            async def kvfree_rcu_cb(cpu: Cpu) -> None:
                await self._free(cpu, item)

            head = self._heads[item] = RcuHead(kvfree_rcu_cb, "kvfree_rcu_cb")
            if not retired:
                self._kvfree.oracle.retired(item, thread.cpu.clock)
        else:
            # A second time: its rcu_head is where it was.
            head.lies_in(item)
        await self._kvfree.callbacks.call_rcu(thread.cpu, head.function, head.name, head)

    async def _free(self, cpu: Cpu, item: KObject) -> None:
        kvfree = self._kvfree
        self._heads.pop(item, None)
        await kvfree.kvfree(cpu.current, item)
        kvfree.figures.latencies.add(cpu.clock - item.retired_ns)
