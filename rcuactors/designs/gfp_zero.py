"""D6: GFP_NO_LOCK is (gfp_t)0: a request without any reclaim bit must not take a lock.

Hocko, October 2020 (seed 003), to spare a bit. Rezki tried it at once and met the callers that had passed 0 all along:
"BUG: kernel NULL pointer dereference" at 0.65 s of the boot, in __find_event_file(). The model shows both: it does as
the flag does, without one, and a caller with gfp 0 gets NULL wherever the CPU's list is empty (scenarios/
gfp_zero_boot.py). That 0 has no flag to be lost is an advantage where the allocator's hooks mask the caller's flags.
Since commit 97769a53f117 no reclaim bit means "must not spin" indeed (kernel-facts 6.2).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from ..kvfree.rules import EraRules
from ..mm.gfp import Gfp
from ..mm.page.no_locks import NoLocks

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

GFP_NO_LOCK: Final = Gfp(0)


class GfpZero:
    """No reclaim bits: no locks."""

    name = "gfp-zero"
    about = "GFP_NO_LOCK == 0: whoever asks without a reclaim bit gets NULL rather than a lock (Hocko, 2020)"

    def rules(self, era_rules: EraRules) -> EraRules:
        """For every request of the machine; where alloc_flags are made from gfp flags anyway."""
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, no_locks=partial(NoLocks, at_entry=True)))

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """Whatever is on the CPU's list."""
        page = await kvfree.pages.get_free_page(cpu.current, GFP_NO_LOCK)
        kvfree.figures.caller_pages += page is not None
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills anything."""
