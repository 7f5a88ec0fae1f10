"""What can be heard of grace periods, read-side sections and the lives of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Probe, ProbeSet, probe

if TYPE_CHECKING:
    from .oracle import Reader, Tracked


@attrs.frozen(eq=False)
class RcuProbes(ProbeSet):
    """RCU, and the lives of objects."""

    object_allocated: Probe[[Tracked]] = probe()
    """(object) An object was given out."""
    object_retired: Probe[[Tracked, int]] = probe()
    """(object, time_ns) It was given to kvfree_rcu()."""
    object_freed: Probe[[Tracked, str]] = probe()
    """(object, how) It was given back, by the function of that name."""
    reader_entered: Probe[[Reader]] = probe()
    """(reader) A read-side section opens."""
    reader_left: Probe[[Reader]] = probe()
    """(reader) It closes."""
    gp_started: Probe[[int, int]] = probe()
    """(gp_seq, time_ns) A grace period begins (rcu_gp_init())."""
    gp_ended: Probe[[int, int]] = probe()
    """(gp_seq, time_ns) It is over (rcu_gp_cleanup())."""
