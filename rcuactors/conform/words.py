"""A possible state in words, for whoever reads a disagreement."""

from __future__ import annotations

from typing import Any

from .lines import Told
from .registers import Saved, Unlooked


def in_words(cpu_id: int, saved: Saved, under_way: list[tuple[str, int]], told: Told, *, counts: bool) -> str:
    """One CPU's struct kfree_rcu_cpu, its works, and what is under way. `counts`: it has a counter of its own."""
    count, cache, head, _, blocks, batches, slots, works = saved[cpu_id]
    pages = "/".join(map(str, sorted(cache))) if isinstance(cache, frozenset) else str(len(cache))
    words = [f"CPU {cpu_id}:{f' count={count}' if counts else ''} cache={pages} {_queued(blocks, head)}"]
    words += [f"krw{index}=[{_queued(waiting, listed)}]" for index, (waiting, listed, _) in enumerate(batches)]
    words.append(f"wip={int(slots[0][0])} backoff={'?' if isinstance(slots[0][1], Unlooked) else int(slots[0][1])}")
    words += [f"{name} {way}" for name, work in zip(_NAMES, works, strict=True) if (way := _on_its_way(work))]
    words += [f"under way: {kind} (line {told.lines[at].number})" for kind, at in under_way]
    return ", ".join(words)


_NAMES = ("monitor", "refill", "krw0's work", "krw1's work")


def _queued(blocks: Any, head: Any) -> str:
    slab, vmalloc = (sum(records.size for _, _, records in channel) for channel in blocks)
    return f"slab={slab}/{len(blocks[0])}pg vmal={vmalloc}/{len(blocks[1])}pg head={head.size}"


def _on_its_way(work: tuple[Any, ...]) -> str:
    pending, disabled, expires, hrtimer, _, queued, *_ = work
    if hrtimer:
        return "hrtimer runs"
    if queued:
        return "is queued"
    if expires is not None:
        return f"timer runs, until {expires}" if expires else "timer runs"
    if disabled:
        return "is disabled"
    return "is pending" if pending else ""
