"""What differs between kernel versions in kvfree_rcu(), as data and named parts, and the protocols of the parts.

A version picks its rules; nothing in the flow asks for a version. Sources: kernel/rcu/tree.c at v5.9, at commit
56292e8609e3 (v5.11) and at v6.1.192.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import attrs

from ..mm.gfp import Gfp

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..mm.objects import KObject
    from ..mm.reclaim import Shrinker
    from .core import KvfreeRcu
    from .krc import Krc

P = ParamSpec("P")
R = TypeVar("R")


class RecycleTo(enum.Enum):
    """Whose cache a drained block's page goes to."""

    CURRENT_CPU = "the cache of the CPU that the worker runs on (v5.9)"
    OWN_CPU = "the cache of the CPU whose batch it was (since 56292e8609e3)"


class Monitor(Protocol):
    """When the monitor runs, and what it moves into a batch (monitor.py)."""

    delay_jiffies: int
    """KFREE_DRAIN_JIFFIES."""

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """Under krcp->lock, with the scheduler running: an object was queued."""
        ...

    async def kfree_rcu_monitor(self, cpu: Cpu, krcp: Krc) -> None:
        """The monitor's work."""
        ...

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """Under krcp->lock: from now on the monitor may be armed."""
        ...


@attrs.frozen(kw_only=True)
class RefillRules:
    """How the worker gets the cache's pages."""

    gfp: Gfp
    ends_at_failure: bool
    """A page that cannot be had ends the loop."""


@attrs.frozen(kw_only=True)
class KvfreeRules:
    """One version's constants and parts. `block_capacity` is KVFREE_BULK_MAX_ENTR with 4 KiB pages."""

    block_capacity: int
    drain_ms: int
    """KFREE_DRAIN_JIFFIES, in milliseconds."""
    min_cached_objs: int
    """Default of rcu_min_cached_objs."""
    boot_prefill: bool
    """kfree_rcu_batch_init() fills every CPU's cache."""
    recycle_to: RecycleTo
    monitor: Callable[[KvfreeRcu], Monitor]
    shrinker: Callable[[KvfreeRcu], Shrinker]
    refill: RefillRules
    one_argument_allocates: bool
    """A caller of the one-argument form gets a page itself, with krcp->lock dropped and `refill.gfp`."""


class PageSource(Protocol):
    """A design: one way to get a page for a new block when the CPU's cache is empty.

    A design may have more methods, those of `OptionalMethods`. Both methods here run under krcp->lock, a raw lock, with
    interrupts off, in whatever context the caller of kvfree_rcu() is in.
    """

    name: str
    about: str

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> int | None:
        """A page frame number now, or None: then the object goes the fallback way."""
        ...

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """An object found no block: ask for pages, if this design does so."""


class OptionalMethods(Protocol):
    """What a design may have besides the methods of `PageSource`, each or not."""

    def attach(self, kvfree: KvfreeRcu) -> None:
        """Called once, when the machine is put together and nothing runs yet."""

    def prepare(self, kvfree: KvfreeRcu, krcp: Krc) -> None:
        """A CPU's state has been made; pages may be taken from the zone at boot."""

    async def take(self, kvfree: KvfreeRcu, cpu: Cpu, item: KObject, head: bool) -> bool:
        """Before anything else, no lock held.

        True: the design has taken the object over, and sees to it that it is freed after a grace period.
        """
        ...

    async def get_page_unlocked(self, kvfree: KvfreeRcu, cpu: Cpu, head: bool) -> int | None:
        """get_page() gave none; krcp->lock is dropped and interrupts are as the caller had them.

        `head` says that the caller must not sleep.
        """
        ...

    async def put_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc, page: int) -> bool:
        """Under krcp->lock, a drained block's page for which the cache has no room. True: the design keeps it."""
        ...


class DesignExtras:
    """The methods of `OptionalMethods` that a design has; None where it has none."""

    def __init__(self, source: PageSource) -> None:
        self.attach = _own(source, OptionalMethods.attach)
        self.prepare = _own(source, OptionalMethods.prepare)
        self.take = _own(source, OptionalMethods.take)
        self.get_page_unlocked = _own(source, OptionalMethods.get_page_unlocked)
        self.put_page = _own(source, OptionalMethods.put_page)


def _own(source: PageSource, method: Callable[Concatenate[OptionalMethods, P], R]) -> Callable[P, R] | None:
    own: Callable[P, R] | None = getattr(source, method.__name__, None)
    return own
