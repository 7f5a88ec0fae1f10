"""The debated ways to get a page for a new block, one short file each, behind `kvfree.rules.PageSource`."""

from __future__ import annotations

from collections.abc import Callable

from ..kvfree.rules import PageSource
from ..marks import Side
from ..spelling import no_such
from .alloc_pages_nolock import AllocPagesNolock
from .direct import Direct
from .gfp_zero import GfpZero
from .growing_reserve import GrowingReserve
from .hrtimer_work import HrtimerWork
from .kmalloc_nolock import KmallocNolock
from .lockless import Lockless
from .no_locks_flag import NoLocksFlag, NoLocksFlagLate
from .nolock_sheaves import NolockSheaves
from .pcp_peek import PcpPeek
from .preemptible_guard import PreemptibleGuard
from .raw_zone_lock import RawZoneLock
from .reserve import Reserve
from .sheaves import Sheaves
from .skip_on_rt import SkipOnRt
from .softirq_alloc import SoftirqAlloc
from .unlocked import Unlocked
from .work_directly import WorkDirectly

__side__ = Side.DESIGN

# In the order of kernel-facts: D1, D2 and so on.
_ALL: tuple[Callable[[], PageSource], ...] = (
    Direct,
    SkipOnRt,
    RawZoneLock,
    NoLocksFlag,
    NoLocksFlagLate,
    Lockless,
    GfpZero,
    PcpPeek,
    Reserve,
    GrowingReserve,
    PreemptibleGuard,
    Unlocked,
    SoftirqAlloc,
    HrtimerWork,
    WorkDirectly,
    AllocPagesNolock,
    KmallocNolock,
    Sheaves,
    NolockSheaves,
)

DESIGNS: dict[str, Callable[[], PageSource]] = {make().name: make for make in _ALL}


def make_design(name: str) -> PageSource:
    """The design of that name. Raises BadInput."""
    if name not in DESIGNS:
        raise no_such("design", name, DESIGNS)
    return DESIGNS[name]()
