"""What differs between kernel versions, as data and named parts, the protocols of kvfree_rcu()'s parts, and a design's.

A version picks its rules; nothing in the flow asks for a version. They are frozen values: a design that changes one
evolves it before the machine is built. Sources: kernel/rcu/tree.c at v5.9, at commit 56292e8609e3 (v5.11), at v6.1,
v6.1.192, v6.6.80, v6.12 and v6.12.94, and mm/slab_common.c at v6.18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import attrs

from ..context.lockdep.rules import LockdepRules
from ..context.splat_rules import SplatRules
from ..errors import bad_value, shown
from ..kernel.rules import KernelRules
from ..mm.objects import PAGE_SIZE
from ..mm.rules import MmRules
from ..rcu.rules import RcuRules
from .parts.barrier import Barrier
from .parts.one_argument import OneArgument
from .parts.refill import RefillRules
from .parts.snapshots import Draining, Snapshots

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kernel.workqueue import Workqueue, Workqueues
    from ..mm.objects import KObject
    from ..mm.reclaim import Shrinker
    from .core import KvfreeRcu
    from .figures import ArmingStatistics
    from .krc import Batch, Krc

P = ParamSpec("P")
R = TypeVar("R")


class Arming(Protocol):
    """When the monitor runs (parts/arming.py). All of it under krcp->lock."""

    delay_jiffies: int
    """KFREE_DRAIN_JIFFIES."""

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """An object was queued, with the scheduler running."""
        ...

    def due(self, krcp: Krc) -> bool:
        """Whether to start batches now; what was armed is used up by that."""
        ...

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:
        """Batches were started; `stayed`: after one of them at least, something was left."""
        ...

    async def armed_again(self, cpu: Cpu, krcp: Krc, *, locked: bool) -> None:
        """The monitor has done what it could, and something is left; with krcp->lock or without (Draining)."""
        ...

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """From now on the monitor may be armed."""
        ...

    def statistics(self) -> ArmingStatistics:
        """Its figures, as they are now."""
        ...


@attrs.frozen(kw_only=True)
class KvfreeRules:
    """One version's constants and parts. Source: kernel/rcu/tree.c, since v6.14 mm/slab_common.c."""

    block_capacity: int = attrs.field()
    """KVFREE_BULK_MAX_ENTR with 4 KiB pages: what struct kvfree_rcu_bulk_data (kernel/rcu/tree.c) leaves of a page. It
    has a pointer and a number until v6.2; a list_head, a full cookie and a number in v6.6."""
    drain_ms: int
    """KFREE_DRAIN_JIFFIES, in milliseconds: HZ / 50 before commit 51824b780b71, 5 * HZ since."""
    min_cached_objs: int
    """Default of rcu_min_cached_objs: 2, and 5 since commit 56292e8609e3."""
    page_cache: bool = True
    """Pages are cached at all, as many as rcu_min_cached_objs says; every version's are, not every design's."""
    boot_prefill: bool
    """kfree_rcu_batch_init() fills every CPU's cache: until commit 56292e8609e3."""
    debug_under_lock: bool = False
    """kvfree_call_rcu() tells debug objects with krcp->lock held, a raw lock (kernel/rcu/tree.c: 5.11 does so, 6.1.0
    does so before it takes the lock)."""
    records_aux_stack: bool = False
    """kvfree_call_rcu() has KASAN save who called it (commit 84109ab58590, v5.13)."""
    arming: Callable[[KvfreeRcu], Arming]
    batching: Callable[[Krc, Batch], int]
    """Moves what may be moved into a batch; how many objects that were."""
    counting: Callable[[int, int], int]
    """krcp->count after so many were moved, from what it was before."""
    recycling: Callable[[KvfreeRcu, Cpu, Krc], Krc]
    """Whose cache a drained block's page goes to."""
    refill: RefillRules
    one_argument: OneArgument
    """What a caller who may sleep does when neither cache nor design has a page."""
    workqueue: Callable[[Workqueues], Workqueue]
    """Where the monitor, the batches and a refill that was put off are queued."""
    shrinker: Callable[[KvfreeRcu], Shrinker]
    snapshots: Snapshots | None = None
    """Cookies of polled grace periods, a block's and a list's, and what is done with them; None: there are none (until
    v6.3)."""
    draining: Draining | None = None
    """The monitor frees by itself what is ready (kvfree_rcu_drain_ready(), v6.3), and how it goes on; None: it only
    starts batches."""
    barrier: Barrier | None = None
    """kvfree_rcu_barrier(); None: there is none."""
    says_mightsleep: bool = False
    """The one-argument form has a name of its own, kvfree_rcu_mightsleep(): from v6.4 on, and in stable 6.1."""
    one_argument_by_macro: bool = True
    """The macro of the two-argument form takes one argument, too: until commit 7e3f926bf453 (v6.4)."""
    may_be_unbatched: bool = False
    """There is CONFIG_KVFREE_RCU_BATCHED, and kernels without it (since v6.15; mm/Kconfig)."""
    flavour: str = ""
    """What its events begin with; "" for RCU's own name (rcu_state.name), as it was before the code moved to
    mm/slab_common.c (commit bbe658d65802)."""

    @block_capacity.validator
    def _check_capacity(self, _attribute: object, capacity: int) -> None:
        if not 0 < capacity <= PAGE_SIZE // 8:
            raise bad_value(f"block_capacity={capacity}", f"a number from 1 to {PAGE_SIZE // 8}, a page of pointers")


@attrs.frozen(kw_only=True)
class EraRules:
    """All rules of one version, floor by floor."""

    kernel: KernelRules
    lockdep: LockdepRules
    rcu: RcuRules
    mm: MmRules
    kvfree: KvfreeRules
    splat: SplatRules = attrs.field(factory=SplatRules)


def rules_with(source: PageSource, rules: EraRules) -> EraRules:
    """The rules of a version as the design has them. Raises BadInput when the design makes no rules of them."""
    change = DesignExtras(source).rules
    if change is None:
        return rules
    changed: object = change(rules)
    if not isinstance(changed, EraRules):
        raise bad_value(
            f"design {source.name}: rules() returned {shown(changed)}",
            "the rules that it was given, or attrs.evolve() of them",
        )
    return changed


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

    def rules(self, era_rules: EraRules) -> EraRules:
        """Before the machine is built, from the version's rules.

        What a design changes of the machine it changes here, by `attrs.evolve()`: a lock's type, what forbids locks,
        how large a block is.
        """
        ...

    def attach(self, kvfree: KvfreeRcu) -> None:
        """Called once, when the machine is put together and nothing runs yet.

        Here a design makes what is its own; it writes to nothing else.
        """

    def prepare(self, kvfree: KvfreeRcu, krcp: Krc) -> None:
        """A CPU's state has been made; pages may be taken from the zone at boot."""

    async def take(self, kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
        """Before anything else, no lock held.

        True: the design has taken the object over, and sees to it that it is freed after a grace period.
        """
        ...

    async def get_page_unlocked(self, kvfree: KvfreeRcu, thread: Thread, head: bool) -> int | None:
        """After a get_page() that gave none; krcp->lock is dropped and interrupts are as the caller had them.

        `head` says that the caller must not sleep.
        """
        ...

    async def put_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc, page: int) -> bool:
        """Under krcp->lock, a drained block's page for which the cache has no room. True: the design keeps it."""
        ...


class DesignExtras:
    """The methods of `OptionalMethods` that a design has; None where it has none."""

    def __init__(self, source: PageSource) -> None:
        self.rules = _own(source, OptionalMethods.rules)
        self.attach = _own(source, OptionalMethods.attach)
        self.prepare = _own(source, OptionalMethods.prepare)
        self.take = _own(source, OptionalMethods.take)
        self.get_page_unlocked = _own(source, OptionalMethods.get_page_unlocked)
        self.put_page = _own(source, OptionalMethods.put_page)


def _own(source: PageSource, method: Callable[Concatenate[OptionalMethods, P], R]) -> Callable[P, R] | None:
    own: Callable[P, R] | None = getattr(source, method.__name__, None)
    return own
