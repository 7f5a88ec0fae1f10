"""The per-CPU state (struct kfree_rcu_cpu and struct kfree_rcu_cpu_work in kernel/rcu/tree.c)."""

from __future__ import annotations

from typing import Final

import attrs

from ..context.locks import Lock
from ..kernel.workqueue import DelayedWork
from ..mm.objects import KObject
from ..rcu.callbacks import RcuWork

SLAB: Final = 0
VMALLOC: Final = 1
CHANNELS: Final = (SLAB, VMALLOC)
N_BATCHES: Final = 2
"""KFREE_N_BATCHES."""


@attrs.define(eq=False)
class Block:
    """struct kvfree_rcu_bulk_data: a page of pointers. `page` is its frame number."""

    page: int
    records: list[KObject] = attrs.field(factory=list)


@attrs.define(eq=False)
class Batch:
    """struct kfree_rcu_cpu_work: what waits for one grace period.

    The channels are two lists of blocks, oldest first, and the rcu_head list.
    """

    rcu_work: RcuWork
    blocks: list[list[Block]] = attrs.field(factory=lambda: [[], []])
    head: list[KObject] = attrs.field(factory=list)

    def busy(self) -> bool:
        """need_wait_for_krwp_work(): any of the three channels waits for the grace period, or to be freed."""
        return bool(self.blocks[SLAB] or self.blocks[VMALLOC] or self.head)


@attrs.define(eq=False)
class Krc:
    """struct kfree_rcu_cpu: what one CPU has collected.

    Blocks are in order of age: the last is the newest, which is being filled.
    """

    cpu_id: int
    lock: Lock
    monitor_work: DelayedWork
    page_work: DelayedWork
    batches: tuple[Batch, ...]
    blocks: list[list[Block]] = attrs.field(factory=lambda: [[], []])
    head: list[KObject] = attrs.field(factory=list)
    count: int = 0
    cache: list[int] = attrs.field(factory=list)
    """Cached pages: bkvcache, with nr_bkv_objs as its length."""
    monitor_todo: bool = False
    """The monitor has been armed and has not run since; of the versions that keep such a flag."""
    settled: int = 0
    """As long as the monitor is armed, an object that is queued while `count` is below this changes nothing of it."""
    monitor_expires: int = 0
    """The jiffy for which the monitor's timer was asked (timer.expires); the wheel may round it up."""
    work_in_progress: bool = False
    backoff_page_cache_fill: bool = False

    def anything_queued(self) -> bool:
        """Any of the three channels holds something."""
        return bool(self.blocks[SLAB] or self.blocks[VMALLOC] or self.head)
