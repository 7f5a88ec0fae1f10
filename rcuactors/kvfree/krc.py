"""The per-CPU state (struct kfree_rcu_cpu and struct kfree_rcu_cpu_work in kernel/rcu/tree.c), and what is done to it.

Its cache of pages, too: get_cached_bnode(), put_cached_bnode().

What happens to it under krcp->lock between two points is a plain function over it: here what all versions share, in
`parts/` what they differ in. None of these looks at the lock, at a clock or at the works, so each can be run on a
`copy()`. What only one part needs to know of a CPU is that part's own, and lies in a `Slot` of the part's type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import attrs

from ..context.locks import Lock
from ..context.trace import KeptTrace
from ..kernel.workqueue import DelayedWork
from ..mm.objects import KObject
from ..rcu.polled import COMPLETED, RcuGpOldstate
from ..rcu.rcu_work import RcuWork
from ..rcu.seq import GET_STATE_COMPLETED

SLAB: Final = 0
VMALLOC: Final = 1
CHANNELS: Final = (SLAB, VMALLOC)
N_BATCHES: Final = 2
"""KFREE_N_BATCHES."""

LOCK_NAME: Final = "krc.lock"
"""As lockdep prints it."""

T = TypeVar("T")


@attrs.define(eq=False)
class Block:
    """struct kvfree_rcu_bulk_data: a page of pointers. `page` is its frame number."""

    page: int
    records: list[KObject] = attrs.field(factory=list)
    gp_snap: RcuGpOldstate = COMPLETED
    """Of when its newest object was put in, in versions that take cookies."""


@attrs.define(eq=False)
class Batch:
    """struct kfree_rcu_cpu_work: what waits for one grace period.

    The channels are two lists of blocks, oldest first, and the rcu_head list.
    """

    rcu_work: RcuWork
    blocks: list[list[Block]] = attrs.field(factory=lambda: [[], []])
    head: list[KObject] = attrs.field(factory=list)
    head_free_gp_snap: RcuGpOldstate = COMPLETED
    """Of when the list came here, in versions that take cookies."""

    def busy(self) -> bool:
        """need_wait_for_krwp_work(): any of the three channels waits for the grace period, or to be freed."""
        return bool(self.blocks[SLAB] or self.blocks[VMALLOC] or self.head)


@attrs.frozen
class Cancelled:
    """Who has taken the monitor back while something was queued, and from where."""

    who: str
    cpu_id: int
    time_ns: int
    how: str
    trace: KeptTrace

    def lines(self) -> list[str]:
        """As a report has it."""
        return [
            f"Cancelled by task {self.who} on CPU {self.cpu_id} at {self.time_ns} ns, by {self.how}():",
            *(f" {line}" for line in self.trace.lines()),
        ]


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
    head_gp_snap: int = GET_STATE_COMPLETED
    """Of when its newest object was linked, in versions that take cookies."""
    count: int = 0
    cache: list[int] = attrs.field(factory=list)
    """Cached pages: bkvcache, with nr_bkv_objs as its length."""
    settled: int = 0
    """The arming part's word to who queues: while the monitor's work is pending, nothing about its timer changes with
    an object that is queued when `count` is below this."""
    validated: bool = False
    """Lockdep knows what it is to take the lock in a thread that has nothing disabled and holds nothing."""
    cancelled: Cancelled | None = None
    """Who has left what is queued without a monitor, until that is armed anew."""
    slots: list[Any] = attrs.field(factory=list)
    """What each part knows of this CPU: only its `Slot` looks there."""

    def queued(self) -> int:
        """Objects in blocks and on the list. `count` may say less, by the version's counting."""
        return objects_in(self.blocks) + len(self.head)

    def anything_queued(self) -> bool:
        """need_offload_krc(): any of the three channels holds something."""
        return bool(self.blocks[SLAB] or self.blocks[VMALLOC] or self.head)

    def all_queued(self) -> list[KObject]:
        """What is in blocks and on the list."""
        return [*(item for blocks in self.blocks for block in blocks for item in block.records), *self.head]

    def copy(self) -> Krc:
        """The same state once more, for a plain function to work on. The lock, the works and the objects are shared."""
        return attrs.evolve(
            self,
            batches=tuple(
                attrs.evolve(batch, blocks=_copied(batch.blocks), head=list(batch.head)) for batch in self.batches
            ),
            blocks=_copied(self.blocks),
            head=list(self.head),
            cache=list(self.cache),
            slots=[attrs.evolve(state) for state in self.slots],
        )


def _copied(channels: list[list[Block]]) -> list[list[Block]]:
    return [[attrs.evolve(block, records=list(block.records)) for block in blocks] for blocks in channels]


def objects_in(channels: list[list[Block]]) -> int:
    """Objects in the blocks of both channels."""
    return sum(len(block.records) for blocks in channels for block in blocks)


@attrs.frozen
class Slot(Generic[T]):
    """Where a part finds what it knows of a CPU."""

    index: int

    def of(self, krcp: Krc) -> T:
        """The CPU's."""
        state: T = krcp.slots[self.index]
        return state


class Slots:
    """The slots of one machine's parts: given out while it is put together, filled for each CPU that comes."""

    def __init__(self) -> None:
        self._makers: list[Callable[[], object]] = []

    def add(self, make: Callable[[], T]) -> Slot[T]:
        """A slot for a part; `make` gives a new CPU's state, an attrs class."""
        self._makers.append(make)
        return Slot(len(self._makers) - 1)

    def new(self) -> list[object]:
        """What lies in the slots of a new CPU."""
        return [make() for make in self._makers]


# -- plain functions, under krcp->lock ---------------------------------------------------------------------------------


def append(krcp: Krc, item: KObject, capacity: int) -> bool:
    """Into the newest block of the object's channel; False when that has no room, or there is none."""
    blocks = krcp.blocks[item.is_vmalloc]
    if not blocks or len(blocks[-1].records) >= capacity:
        return False
    blocks[-1].records.append(item)
    return True


def open_block(krcp: Krc, page: int, item: KObject) -> None:
    """A new block, and the object as its first."""
    krcp.blocks[item.is_vmalloc].append(Block(page, [item]))


def take_cached_page(krcp: Krc) -> int | None:
    """get_cached_bnode()."""
    return krcp.cache.pop() if krcp.cache else None


def keep_page(krcp: Krc, page: int, limit: int) -> bool:
    """put_cached_bnode(): keep a page, if the cache holds fewer than `limit`."""
    if len(krcp.cache) >= limit:
        return False
    krcp.cache.append(page)
    return True


def take_cache(krcp: Krc) -> list[int]:
    """All cached pages, the oldest first."""
    pages, krcp.cache = krcp.cache, []
    return pages


def take_ready_blocks(krcp: Krc, is_over: Callable[[RcuGpOldstate], bool]) -> list[list[Block]]:
    """Of each channel the oldest blocks, up to the first whose grace period is not over."""
    taken: list[list[Block]] = []
    for channel in CHANNELS:
        blocks = krcp.blocks[channel]
        ready = next((at for at, block in enumerate(blocks) if not is_over(block.gp_snap)), len(blocks))
        taken.append(blocks[:ready])
        krcp.blocks[channel] = blocks[ready:]
    return taken


def take_batch(batch: Batch) -> tuple[list[list[Block]], list[KObject]]:
    """All that has waited for the grace period: the blocks of both channels, and the list. The batch is empty then."""
    blocks, batch.blocks = batch.blocks, [[], []]
    head, batch.head = batch.head, []
    return blocks, head
