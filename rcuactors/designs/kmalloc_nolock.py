"""D15: the block is a slab object from kmalloc_nolock() (commit af92793e52c3; what that does is in mm/slab).

Nobody proposed it for kvfree_rcu(); it is what a user of today's kernel would reach for. The call is allowed in any
context, NMI included; on PREEMPT_RT it returns NULL in NMI and hardirq. That does not make kvfree_rcu() legal in an
NMI: the block is asked for under krcp->lock, which the NMI may have interrupted.

A block is 2,048 bytes, so that there is a larger cache left for the second try: kmalloc_nolock() does not do large
kmalloc(). That is 254 pointers instead of 510. Freed blocks are not cached but given back to slab, by way of an
irq_work (kfree_nolock()); the kvfree_rcu() page cache stays empty. Where v6.1 gets a page itself, for a caller of the
one-argument form that this design had none for, that page holds 254 pointers, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import attrs

from ..kvfree.rules import EraRules
from ..mm.objects import PAGE_OFFSET, PAGE_SIZE, KObject
from ..mm.slab.slab_nolock import kmalloc_nolock

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

BLOCK_BYTES: Final = 2048
_HEAD_BYTES: Final = 16
CAPACITY: Final = (BLOCK_BYTES - _HEAD_BYTES) // 8


class SlabBlock(int):
    """A block's page frame number that remembers which object in the page it is."""

    memory: KObject

    def __new__(cls, memory: KObject) -> Self:
        """The page that the object lies in."""
        made = super().__new__(cls, (memory.address - PAGE_OFFSET) // PAGE_SIZE)
        made.memory = memory
        return made


class KmallocNolock:
    """Blocks out of slab, by trylocks."""

    name = "kmalloc-nolock"
    about = "take the block from kmalloc_nolock(), 2,048 bytes, under krcp->lock (af92793e52c3)"

    def rules(self, era_rules: EraRules) -> EraRules:
        """Smaller blocks, no page cache."""
        capacity = min(CAPACITY, era_rules.kvfree.block_capacity)
        return attrs.evolve(era_rules, kvfree=attrs.evolve(era_rules.kvfree, block_capacity=capacity, page_cache=False))

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """Whatever the caller's context."""
        memory = await kmalloc_nolock(kvfree.slab, cpu, BLOCK_BYTES)
        if memory is None:
            return None
        kvfree.figures.caller_pages += 1
        return SlabBlock(memory)

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """There is no cache to refill."""

    async def put_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc, page: int) -> bool:
        """kfree_nolock(); a page that v6.1 took for a caller of the one-argument form goes where it came from."""
        if not isinstance(page, SlabBlock):
            return False
        await kvfree.slab.kfree_nolock_own(cpu, page.memory)
        return True
