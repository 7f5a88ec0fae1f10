"""Batching: which channels of a CPU's queue are moved into a batch that may be waiting already.

Each is a plain function that moves what it may and returns how many objects that were, 0 for nothing.
"""

from __future__ import annotations

from ..krc import CHANNELS, Batch, Krc


def by_channel(krcp: Krc, batch: Batch) -> int:
    """v5.9 to v6.1.0: each channel for which the batch has room, independently of the others.

    A batch whose work is still pending gets no grace period of its own: that is commit 5da7cb193db3's bug, here because
    the rule is.
    """
    moved = 0
    for channel in CHANNELS:
        if krcp.blocks[channel] and not batch.blocks[channel]:
            batch.blocks[channel], krcp.blocks[channel] = krcp.blocks[channel], []
            moved += sum(len(block.records) for block in batch.blocks[channel])
    if krcp.head and not batch.head:
        batch.head, krcp.head = krcp.head, []
        moved += len(batch.head)
    return moved


def whole_batch(krcp: Krc, batch: Batch) -> int:
    """Since 5da7cb193db3 (v6.3, and stable 6.1): only into a batch of which all three channels are empty."""
    return 0 if batch.busy() else by_channel(krcp, batch)
