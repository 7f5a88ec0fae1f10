"""What differs between kernel versions in kvfree_rcu(), as data, and the protocol of the part that gets pages.

A version picks its rules; nothing in the flow asks for a version. Sources: kernel/rcu/tree.c at v5.9 and at commit
56292e8609e3 (v5.11).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu
    from .krc import Krc


class RecycleTo(enum.Enum):
    """Whose cache a drained block's page goes to."""

    CURRENT_CPU = "the cache of the CPU that the worker runs on (v5.9)"
    OWN_CPU = "the cache of the CPU whose batch it was (since 56292e8609e3)"


@attrs.frozen(kw_only=True)
class KvfreeRules:
    """One version's constants. `block_capacity` is KVFREE_BULK_MAX_ENTR with 4 KiB pages."""

    block_capacity: int
    drain_jiffies_divisor: int
    """KFREE_DRAIN_JIFFIES is HZ divided by this."""
    min_cached_objs: int
    """Default of rcu_min_cached_objs."""
    boot_prefill: bool
    """kfree_rcu_batch_init() fills every CPU's cache."""
    recycle_to: RecycleTo


class PageSource(Protocol):
    """A design: one way to get a page for a new block when the CPU's cache is empty.

    Both methods run under krcp->lock, a raw spinlock, with interrupts off, in whatever context the caller of
    kvfree_rcu() is in.
    """

    name: str
    about: str

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> int | None:
        """A page frame number now, or None: then the object goes the fallback way."""
        ...

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """An object found no block: ask for pages, if this design does so."""
