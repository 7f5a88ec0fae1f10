"""What a CPU's `struct kfree_rcu_cpu` holds, in words: those of the recordings' `state:` lines.

Blocks and objects of each channel, the cached pages, the two batches, whether the monitor and the refill are pending.
"""

from __future__ import annotations

from .krc import SLAB, VMALLOC, Krc, objects_in


def krc_words(krcp: Krc) -> tuple[tuple[str, str], ...]:
    """Names and values, in the order in which they are shown."""
    slab, vmalloc = krcp.blocks
    words = [
        ("count", f"{krcp.count}"),
        ("head", f"{len(krcp.head)}"),
        ("slab", f"{objects_in([slab])}/{len(slab)}pg"),
        ("vmal", f"{objects_in([vmalloc])}/{len(vmalloc)}pg"),
        ("cache", f"{len(krcp.cache)}"),
        ("mon_pending", f"{krcp.monitor_work.work.pending:d}"),
        ("pcw_pending", f"{krcp.page_work.work.pending:d}"),
    ]
    for index, batch in enumerate(krcp.batches):
        counts = (objects_in([batch.blocks[SLAB]]), objects_in([batch.blocks[VMALLOC]]), len(batch.head))
        words.append((f"krw{index}", "[s{} v{} h{}]".format(*counts)))
    return tuple(words)


def krc_line(krcp: Krc) -> str:
    """The same as one line, with the CPU."""
    return f"CPU {krcp.cpu_id}: " + " ".join(f"{name}={value}" for name, value in krc_words(krcp))
