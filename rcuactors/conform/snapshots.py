"""A `state:` line against the state: every field of it."""

from __future__ import annotations

from typing import Any, Final

from ..kvfree.krc import SLAB, VMALLOC, objects_in
from ..traces import KrcState
from .place import Place
from .standins import Deferred

NO_TIMER: Final = -1
"""What the rig says where no timer runs. One that is late has less than nothing left, in whole jiffies."""


def differs(place: Place, printed: KrcState, lowest: int, highest: int) -> tuple[str, int]:
    """What differs, or "", and what jiffies must have been, 0 for no matter. They are between the two bounds."""
    krcp, works = place.krcs[printed.cpu], place.works[printed.cpu]
    refilling = place.kvfree.refill.of(krcp)
    slab, vmalloc = krcp.blocks
    pairs: list[tuple[str, Any, Any]] = [
        ("count", printed.count, krcp.count),
        ("head", printed.head, len(krcp.head)),
        ("slab", (printed.slab, printed.slab_pages), (objects_in([slab]), len(slab))),
        ("vmal", (printed.vmalloc, printed.vmalloc_pages), (objects_in([vmalloc]), len(vmalloc))),
        ("cache", printed.cached, len(krcp.cache)),
        ("wip", printed.work_in_progress, refilling.work_in_progress),
        ("backoff", printed.backoff, refilling.backoff_page_cache_fill),
        ("mon_pending", printed.monitor_pending, works["monitor"].pending),
    ]
    for index, (batch, told) in enumerate(zip(krcp.batches, printed.batches, strict=True)):
        counts = (objects_in([batch.blocks[SLAB]]), objects_in([batch.blocks[VMALLOC]]), len(batch.head))
        pairs.append((f"krw{index}", (told.slab, told.vmalloc, told.head), counts))
    if printed.newest_blocks is not None:
        newest = tuple(len(blocks[-1].records) if blocks else 0 for blocks in krcp.blocks)
        pairs.append(("newest_blk", printed.newest_blocks, newest))
    if printed.refill_pending is not None:
        pairs.append(("pcw_pending", printed.refill_pending, works["page"].pending))
    for name, real, ours in pairs:
        if real != ours:
            return f"CPU {printed.cpu}: {name} is {_text(real)}, not {_text(ours)}", 0
    now = 0
    for name, left, work in (
        ("mon_left_ms", printed.monitor_left_ms, works["monitor"]),
        ("pcw_left_ms", printed.refill_left_ms, works["page"]),
    ):
        why, jiffies = _left(place, name, left, work, (lowest, highest))
        if why:
            return f"CPU {printed.cpu}: {why}", 0
        now = max(now, jiffies)
    return "", now


def _left(place: Place, name: str, left_ms: int | None, work: Deferred, bounds: tuple[int, int]) -> tuple[str, int]:
    """What is left of a timer: that tells what jiffies were."""
    if left_ms is None:
        return "", 0
    if work.expires is None or left_ms == NO_TIMER:
        agree = work.expires is None and left_ms == NO_TIMER
        return ("" if agree else f"{name} is {left_ms}, the timer {work.expires}"), 0
    hz = place.system.config.HZ
    if left_ms * hz % 1000:
        return f"{name} is {left_ms}, which is no whole number of jiffies", 0
    jiffies = work.expires - left_ms * hz // 1000
    if not bounds[0] <= jiffies <= bounds[1]:
        return f"{name} is {left_ms}: jiffies {jiffies} are not from {bounds[0]} to {bounds[1]}", 0
    return "", jiffies


def _text(value: Any) -> str:
    return "/".join(str(one) for one in value) if isinstance(value, tuple) else str(int(value))
