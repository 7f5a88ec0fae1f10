"""The one-argument form: what its caller, who may sleep, does when neither cache nor design has a page for a block."""

from __future__ import annotations

import enum


class OneArgument(enum.Enum):
    """One version's way."""

    WAITS = "waits for a grace period itself and frees (v5.9 to v5.11)"
    ALLOCATES = (
        "drops krcp->lock, asks the page allocator with the refill's flags, and takes the lock of the CPU that it is "
        "on then (add_ptr_to_bulk_krc_lock(), v5.13 to v6.4); waits if there is none"
    )
