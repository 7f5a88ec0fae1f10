"""What can be heard of grace periods, read-side sections and the lives of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Group, Probe, ProbeSet, group, probe

if TYPE_CHECKING:
    from .oracle import Reader, Tracked


@attrs.define(eq=False)
class RcuProbes(ProbeSet):
    """RCU, and the lives of objects."""

    objects: Group = group()
    object_allocated: Probe[[Tracked]] = probe("objects")
    """(object) An object was given out."""
    object_retired: Probe[[Tracked, int]] = probe("objects")
    """(object, time_ns) It was given to kvfree_rcu()."""
    object_freed: Probe[[Tracked, str]] = probe("objects")
    """(object, how) It was given back, by the function of that name."""
    reader_entered: Probe[[Reader]] = probe()
    """(reader) A reader begins: a read-side section, or what else counts as one (rcu/book.py)."""
    reader_left: Probe[[Reader]] = probe()
    """(reader) It ends."""
    gp_started: Probe[[int, int]] = probe()
    """(gp_seq, time_ns) A grace period begins (rcu_gp_init())."""
    gp_ended: Probe[[int, int]] = probe()
    """(gp_seq, time_ns) It is over (rcu_gp_cleanup())."""
    gp_step: Probe[[int, str, int]] = probe()
    """(gp_seq, step, time_ns) Its kthread comes to a step, by the tracepoint's words: start, fqsstart, fqsend, end; and
    cleanup, where rcu_gp_cleanup() begins."""
    exp_step: Probe[[int, str, int]] = probe()
    """(sequence, step, time_ns) The same of an expedited one, which ends at that number: snap, start, selectofl, end,
    endwake."""
