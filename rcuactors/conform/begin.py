"""The state to begin with: what a `state:` line says, loaded into a place.

Objects and pages that are there already are known by number alone, so they are compared by that.
"""

from __future__ import annotations

from typing import Any

from ..kvfree.krc import SLAB, VMALLOC, Block
from ..traces import KrcState
from .lines import Line, Told, state_of
from .place import Place
from .standins import Item


class _Unknown:
    """Numbers for what was there before."""

    def __init__(self) -> None:
        self._last = 0

    def page(self) -> int:
        """A page that was not seen when it was taken."""
        self._last -= 1
        return self._last

    def items(self, number: int, *, is_vmalloc: bool = False) -> list[Any]:
        """Objects whose calls were not seen."""
        items = []
        for _ in range(number):
            self._last -= 1
            items.append(Item(self._last, 0, 0, is_vmalloc=is_vmalloc))
        return items


_UNKNOWN = _Unknown()


def set_state(place: Place, printed: KrcState, jiffies: int) -> None:
    """One CPU's."""
    krcp = place.krcs[printed.cpu]
    capacity = place.kvfree.rules.block_capacity
    newest = printed.newest_blocks or (-1, -1)
    krcp.count = printed.count
    krcp.cache = [_UNKNOWN.page() for _ in range(printed.cached)]
    krcp.head = _UNKNOWN.items(printed.head)
    krcp.blocks = [
        _blocks(printed.slab, printed.slab_pages, newest[SLAB], capacity, is_vmalloc=False),
        _blocks(printed.vmalloc, printed.vmalloc_pages, newest[VMALLOC], capacity, is_vmalloc=True),
    ]
    works = place.works[printed.cpu]
    for index, (batch, told) in enumerate(zip(krcp.batches, printed.batches, strict=True)):
        batch.head = _UNKNOWN.items(told.head)
        batch.blocks = [
            _blocks(told.slab, -(-told.slab // capacity), -1, capacity, is_vmalloc=False),
            _blocks(told.vmalloc, -(-told.vmalloc // capacity), -1, capacity, is_vmalloc=True),
        ]
        if batch.busy():
            work = works[f"krw{index}"]
            work.pending, work.asked = True, 1
    refilling = place.kvfree.refill.of(krcp)
    refilling.work_in_progress, refilling.backoff_page_cache_fill = printed.work_in_progress, printed.backoff
    monitor = works["monitor"]
    monitor.pending = printed.monitor_pending
    if printed.monitor_pending:
        monitor.asked = 1
        left = printed.monitor_left_ms
        if left is not None and left != -1:
            monitor.expires = jiffies + left * place.system.config.HZ // 1000
        elif left is not None:
            monitor.queued = True
        else:
            monitor.expires = jiffies + place.kvfree.arming.delay_jiffies
        if monitor.expires is not None:
            arming: Any = place.kvfree.arming
            arming.of(krcp).monitor_expires = monitor.expires


def _blocks(objects: int, pages: int, newest: int, capacity: int, *, is_vmalloc: bool) -> list[Block]:
    """So many objects in so many blocks: the newest has what is said, or what the others leave."""
    blocks: list[Block] = []
    left = objects
    for index in range(pages):
        last = index == pages - 1
        size = left if last else min(capacity, left - (pages - 1 - index))
        if not last and newest > 0 and index == pages - 2:
            size = left - newest
        blocks.append(Block(_UNKNOWN.page(), _UNKNOWN.items(size, is_vmalloc=is_vmalloc)))
        left -= size
    return blocks


def first_states(told: Told, place: Place, after: int) -> int:
    """Set a place to the first state of all CPUs that is told after a line; the line at which it is, -1 for none.

    One after which nothing is known to be under way: later ones than the first have to be quiet.
    """
    seen: dict[int, Line] = {}
    for line in told.lines[after + 1 :]:
        printed = state_of(line)
        if printed is None:
            if line.event and after >= 0:
                seen.clear()
            continue
        if after >= 0 and not _is_quiet(printed):
            seen.clear()
            continue
        seen[printed.cpu] = line
        if len(seen) == len(place.krcs):
            for known in seen.values():
                state = state_of(known)
                assert state is not None
                set_state(place, state, told.jiffies_before(known.at))
            return line.at
    return -1


def _is_quiet(printed: KrcState) -> bool:
    waiting = sum(batch.slab + batch.vmalloc + batch.head for batch in printed.batches)
    return not (waiting or printed.work_in_progress or printed.monitor_pending or printed.refill_pending)
