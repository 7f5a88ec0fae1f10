"""What a CPU's `struct kfree_rcu_cpu` holds, in words: those of the recordings' `state:` lines.

Blocks and objects of each channel, the cached pages, the two batches, whether the monitor and the refill are pending.
"""

from __future__ import annotations

from collections.abc import Iterable

from .krc import SLAB, VMALLOC, Krc, objects_in

Words = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""


def state_words(
    *,
    count: int,
    head: int,
    slab: tuple[int, int],
    vmalloc: tuple[int, int],
    cached: int,
    monitor_pending: bool,
    refill_pending: bool | None,
    batches: Iterable[tuple[int, int, int]],
) -> Words:
    """The words of one moment: of each channel (objects, blocks), of each batch (slab, vmalloc, list).

    None is what nobody has told.
    """
    words = (
        ("count", str(count)),
        ("head", str(head)),
        ("slab", f"{slab[0]}/{slab[1]}pg"),
        ("vmal", f"{vmalloc[0]}/{vmalloc[1]}pg"),
        ("cache", str(cached)),
        ("mon_pending", "1" if monitor_pending else "0"),
    )
    refill = () if refill_pending is None else (("pcw_pending", "1" if refill_pending else "0"),)
    return *words, *refill, *[(f"krw{index}", f"[s{s} v{v} h{h}]") for index, (s, v, h) in enumerate(batches)]


def krc_words(krcp: Krc) -> Words:
    """Those of a CPU's, as it is now."""
    slab, vmalloc = krcp.blocks
    return state_words(
        count=krcp.count,
        head=len(krcp.head),
        slab=(objects_in([slab]), len(slab)),
        vmalloc=(objects_in([vmalloc]), len(vmalloc)),
        cached=len(krcp.cache),
        monitor_pending=krcp.monitor_work.work.pending,
        refill_pending=krcp.page_work.work.pending,
        batches=[
            (objects_in([batch.blocks[SLAB]]), objects_in([batch.blocks[VMALLOC]]), len(batch.head))
            for batch in krcp.batches
        ],
    )


def krc_line(krcp: Krc) -> str:
    """The same as one line, with the CPU."""
    return f"CPU {krcp.cpu_id}: " + " ".join(f"{name}={value}" for name, value in krc_words(krcp))
