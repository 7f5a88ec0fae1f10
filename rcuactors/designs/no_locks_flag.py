"""D4: a gfp flag, ___GFP_NO_LOCKS, with which the page allocator returns NULL rather than take a non-raw lock.

Proposed by Rezki in August 2020; the patch with the value 0x800000 is quoted in seed 003. Here in two variants:

* no-locks-flag: the allocator tests the flag at its entry, so that every allocation of the machine pays for the test;
  a combination that makes no sense (Hocko: "craziness like __GFP_NO_LOCK | __GFP_RECLAIM") is refused with a warning.
* no-locks-flag-late: it looks at the flag only once the CPU's list was found empty (Babka, seed 002), so the way of a
  request that finds a page there is as it was. Nonsense goes unnoticed until then.

The model shows that both take a page under a raw lock while the list has one, and none afterwards; that the late one
is too late on PREEMPT_RT of v5.9 to v5.11, where the list itself has a local_lock to be taken first; and that neither
flag reaches what the allocator's hooks do (mm/page/hooks.py).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from ..kvfree.rules import EraRules
from ..mm.gfp import GFP_NOWARN, Gfp
from ..mm.page.no_locks import NoLocks

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class NoLocksFlag:
    """The flag, tested at the allocator's entry."""

    name = "no-locks-flag"
    about = "___GFP_NO_LOCKS, tested at the page allocator's entry: NULL rather than a lock (proposed in 2020)"
    at_entry = True

    def rules(self, era_rules: EraRules) -> EraRules:
        """The page allocator learns the flag."""
        no_locks = partial(NoLocks, flag=Gfp.NO_LOCKS, at_entry=self.at_entry)
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, no_locks=no_locks))

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """Whatever is on the CPU's list."""
        page = await kvfree.pages.get_free_page(cpu.current, Gfp.NO_LOCKS | GFP_NOWARN)
        kvfree.figures.caller_pages += page is not None
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills anything."""


class NoLocksFlagLate(NoLocksFlag):
    """The flag, looked at when the list was found empty."""

    name = "no-locks-flag-late"
    about = "___GFP_NO_LOCKS, looked at only when the CPU's page list was found empty (Babka, 2020)"
    at_entry = False
