"""What can be heard of kvfree_rcu()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Group, Probe, ProbeSet, group, probe

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from ..mm.objects import KObject
    from .krc import Batch, Krc


@attrs.define(eq=False)
class KvfreeProbes(ProbeSet):
    """kvfree_rcu()."""

    told: Group = group()
    """Somebody listens to these, or to what else a call does in one step: its lock, its section with interrupts off."""
    call_entered: Probe[[Thread, KObject, bool]] = probe("told")
    """(thread, object, head) kvfree_call_rcu() is called; head: with an rcu_head, the two-argument form."""
    call_left: Probe[[Thread, KObject, bool]] = probe("told")
    """(thread, object, head) It comes back: the object is queued, or freed already."""
    queued: Probe[[Krc, KObject]] = probe("told")
    """(krcp, object) Under its lock, it has become the last of the newest block of its channel, or of the rcu_head
    list."""
    batched: Probe[[Krc, Batch]] = probe()
    """(krcp, batch) Under its lock, what was queued is the batch's, whose grace period has been asked for."""
    block_freed: Probe[[Krc, bool, int]] = probe()
    """(krcp, vmalloc, nr_records) A block of pointers is freed, by whoever runs: kvfree_rcu_bulk()."""
    listed_freed: Probe[[Krc, KObject]] = probe()
    """(krcp, object) An object of the rcu_head list is freed, by whoever runs."""
