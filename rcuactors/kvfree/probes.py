"""What can be heard of kvfree_rcu()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Group, Probe, ProbeSet, group, probe

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from ..mm.objects import KObject


@attrs.frozen(eq=False)
class KvfreeProbes(ProbeSet):
    """kvfree_rcu()."""

    calls: Group = group()
    call_entered: Probe[[Thread, KObject, bool]] = probe("calls")
    """(thread, object, head) kvfree_call_rcu() is called; head: with an rcu_head, the two-argument form."""
    call_left: Probe[[Thread, KObject, bool]] = probe("calls")
    """(thread, object, head) It comes back: the object is queued, or freed already."""
