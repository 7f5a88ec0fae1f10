"""D3: make zone->lock a raw_spinlock_t, and go on as `direct` does.

Debated and dropped in August 2020 (kernel-facts 3, D3). The model shows that lockdep is content with it, as long as
the list itself takes no lock and memory is not short: on PREEMPT_RT of v5.9 to v5.11 the lists have a local_lock, which
sleeps as before, and a low zone has kswapd woken under the raw lock, whose wait queue's lock stays a spinlock_t. A
refill or a drain of a whole batch then runs with a raw lock held and interrupts off, on PREEMPT_RT too, whoever asks.
And a caller that holds zone->lock itself stands still on every kernel: Gleixner's argument, taking zone->lock there is
impossible "independent of raw/non-raw ordering".
"""

from __future__ import annotations

import attrs

from ..context.locks import LockKind
from ..kvfree.rules import EraRules
from .direct import Direct


class RawZoneLock(Direct):
    """The allocation in the caller's context, with a lock that may be taken there."""

    name = "raw-zone-lock"
    about = "as direct, with zone->lock a raw_spinlock_t (proposed and dropped in 2020)"

    def rules(self, era_rules: EraRules) -> EraRules:
        """The zone's operations go by the lock's type."""
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, zone_lock=LockKind.RAW_SPINLOCK))
