"""The one-argument form: what its caller, who may sleep, does when neither cache nor design has a page for a block.

A version either lets it wait for a grace period, or has it ask the page allocator with krcp->lock dropped. Whose lock
is taken after that is a rule of its own: the caller may have come to another CPU meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ..core import KvfreeRcu
    from ..krc import Krc


def of_this_cpu(kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> Krc:
    """krc_this_cpu_lock(): of the CPU that it is on by then, whatever that has begun in the meantime."""
    return kvfree.krc(cpu.cpu_id)


def of_its_own(_kvfree: KvfreeRcu, _cpu: Cpu, krcp: Krc) -> Krc:
    """Since 309a43165077 (v6.5): of the one that was left."""
    return krcp


@attrs.frozen(kw_only=True)
class OneArgument:
    """One version's way.

    `allocates`: it asks the page allocator, with the refill's flags and krcp->lock dropped, and waits for a grace
    period itself only if there is no page (add_ptr_to_bulk_krc_lock(), v5.13); else it waits at once.
    `lock_again`: whose lock anybody takes who has dropped it for a page, a design's too.
    """

    allocates: bool
    lock_again: Callable[[KvfreeRcu, Cpu, Krc], Krc]


WAITS: Final = OneArgument(allocates=False, lock_again=of_this_cpu)
"""v5.9 to v5.11."""

ALLOCATES: Final = OneArgument(allocates=True, lock_again=of_this_cpu)
"""v5.13 to v6.4: add_ptr_to_bulk_krc_lock(), and the lock of the CPU that it is on then."""

ALLOCATES_FOR_ITS_OWN: Final = OneArgument(allocates=True, lock_again=of_its_own)
"""Since v6.5."""
