"""D16: slab objects go into a sheaf of their cache, before kvfree_rcu() itself sees them (mm/slub.c, autumn 2025).

What that is stands in mm/slab/rcu_sheaf.py; from 7.0 on it is the slab's own. Here it is what was debated: on a version
whose slab has no sheaves every kmalloc() cache gets some, which kfree_rcu() fills and kmalloc() takes from when the
CPU's slab is used up; on v6.18 all caches get what only some have there. Where a sheaf cannot be had, and for vmalloc
areas, everything goes on as in `hrtimer-work`.
"""

from __future__ import annotations

import attrs

from ..kvfree.rules import EraRules
from ..mm.slab.rules import SheafRules, SheavesOnRt
from .hrtimer_work import HrtimerWork


class Sheaves(HrtimerWork):
    """Sheaves, and hrtimer-work behind them."""

    name = "sheaves"
    about = "collect slab objects in a sheaf of their cache, else hrtimer-work (SLUB sheaves, 2025)"

    def rules(self, era_rules: EraRules) -> EraRules:
        """The slab allocator has sheaves in every cache, and on PREEMPT_RT too."""
        own = era_rules.mm.sheaves or SheafRules(come_first=False, waiting_is_told=True)
        sheaves = attrs.evolve(own, every_cache=True, on_rt=SheavesOnRt.TRIED, override_map=True)
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, sheaves=sheaves))
