"""How a request reaches its page, and the proposals by which a caller can forbid the allocator's locks.

A `Route` is the kernel's alloc_flags, as far as it concerns locks. A `NoLocks` says which gfp flags mean "return NULL
rather than take a lock that is not raw", and when the allocator looks at them: at its entry, which every allocation
pays for, or only once a CPU's page list was found empty (Babka's variant). No released kernel of the modelled versions
has one; a design may make it a rule (rules.py). What the allocator's hooks do on the way out is not covered by any of
them.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from ...context.violation import ViolationKind
from ..gfp import GFP_V5_9, RECLAIM, Gfp, GfpWords

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu


_NO_FLAG: Final = Gfp(0)


class Route(enum.Enum):
    """Where a request may go."""

    ANY = "the CPU's page list, then the zone, whose lock is waited for"
    LIST_ONLY = "the CPU's page list as far as that can be had at once; never the zone"
    TRY = "list and zone, their locks only tried (ALLOC_TRYLOCK)"
    ZONE = "straight to the zone: an order for which the lists hold nothing"


@attrs.define(eq=False, kw_only=True)
class NoLocks:
    """One proposal.

    `flag` set in a request, or, without a flag, none of __GFP_RECLAIM, means: no locks. `looks` counts how often a
    request was looked at, by whoever asked.
    """

    flag: Gfp = _NO_FLAG
    at_entry: bool
    looks: int = 0
    words: GfpWords = GFP_V5_9
    """How the version prints flags."""
    _warned: bool = False

    def route(self, cpu: Cpu, gfp: Gfp) -> Route | None:
        """What becomes of a request: ANY, LIST_ONLY, or None for flags that contradict each other."""
        self.looks += 1
        cpu.clock += cpu.system.costs.gfp_test_ns
        if not (gfp & self.flag if self.flag else not gfp & RECLAIM):
            return Route.ANY
        if not self.flag or not gfp & RECLAIM:
            return Route.LIST_ONLY
        if not self._warned:
            self._warned = True
            message = f"page allocation: no locks, but reclaim: gfp_mask=0x{int(gfp):x}({self.words.text(gfp)})"
            cpu.judge.warn(cpu, ViolationKind.BAD_GFP, message, "prepare_alloc_pages")
        return None
