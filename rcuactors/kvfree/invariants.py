"""What is true of a CPU's state whenever krcp->lock is about to be let go of, by the rules of the version.

A model whose own state is wrong proves nothing, so these are looked at where parts meet: when an object was queued the
slow way, when batches were started, when a worker has taken one, when a page went into the cache. They concern the
model, not the modelled kernel: what a version does wrong by its rule (a count that says too little, an object added to
a batch that waits already) is no violation here.

`checked` switches them, for all machines of the process. A call that goes the slow way pays for a look at all blocks
of its CPU, so a plain run leaves them out; the tests have them on, by the environment variable RCUACTORS_INVARIANTS=y,
which the processes that they start inherit.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .krc import CHANNELS, Batch, Krc
from .parts.batching import by_channel
from .parts.counting import loose

if TYPE_CHECKING:
    from .core import KvfreeRcu
    from .rules import KvfreeRules

checked = os.environ.get("RCUACTORS_INVARIANTS") == "y"


@contextlib.contextmanager
def checking(*, on: bool = True) -> Iterator[None]:
    """Have them on meanwhile, for those who look for bugs, or off: in this process."""
    global checked  # noqa: PLW0603 - it is a switch of the process
    before, checked = checked, on
    try:
        yield
    finally:
        checked = before


class BrokenInvariant(AssertionError):
    """The model's own state is wrong: a bug of rcuactors, or of a design that writes to what is not its own."""


def check(kvfree: KvfreeRcu, krcp: Krc) -> None:
    """All that can be seen of one CPU. Raises BrokenInvariant."""
    rules = kvfree.rules
    capacity = rules.block_capacity
    queued = krcp.queued()
    if krcp.count != queued and (rules.counting is not loose or krcp.count > queued):
        raise _broken(krcp, f"count is {krcp.count}, but {queued} objects are queued")
    for blocks in (*krcp.blocks, *(channel for batch in krcp.batches for channel in batch.blocks)):
        for block in blocks:
            if not 0 < len(block.records) <= capacity:
                raise _broken(krcp, f"a block holds {len(block.records)} of at most {capacity} objects")
    if not _blocks_come_from_outside(kvfree):
        _check_full(krcp, capacity)
    for batch in krcp.batches:
        if batch.busy() and not _will_run(batch):
            raise _broken(krcp, "a batch holds objects, and nothing is under way that would free them")


def _blocks_come_from_outside(kvfree: KvfreeRcu) -> bool:
    """A caller who drops krcp->lock for a page opens its block behind one that others have begun meanwhile."""
    return kvfree.rules.one_argument.allocates or kvfree.extras.get_page_unlocked is not None


def _check_full(krcp: Krc, capacity: int) -> None:
    for channel in CHANNELS:
        for block in krcp.blocks[channel][:-1]:
            if len(block.records) < capacity:
                raise _broken(krcp, f"a block with {len(block.records)} objects has a newer one behind it")


def _will_run(batch: Batch) -> bool:
    """Its work waits for the grace period or for a worker, or a worker has begun with it and not yet taken the lock."""
    work = batch.rcu_work.work
    return work.pending or (work.pool is not None and work.pool.executing(work) is not None)


def check_cache(krcp: Krc, limit: int) -> None:
    """A page went into the cache. Raises BrokenInvariant."""
    if len(krcp.cache) > limit or len(set(krcp.cache)) < len(krcp.cache):
        raise _broken(krcp, f"the cache holds {krcp.cache}, of at most {limit} different pages")


def batch_started(rules: KvfreeRules, krcp: Krc, *, queued: bool) -> None:
    """A grace period was asked for. `queued` is queue_rcu_work()'s answer: False says that one is waited for already.

    Only where batches go by channel may that be (kvfree_rcu_queue_batch() of later kernels warns of it). Raises
    BrokenInvariant.
    """
    if not queued and rules.batching is not by_channel:
        raise _broken(krcp, "objects were moved into a batch that waits already")


def _broken(krcp: Krc, what: str) -> BrokenInvariant:
    return BrokenInvariant(f"kvfree_rcu() of CPU {krcp.cpu_id}: {what}")
