"""Snapshots: cookies of polled grace periods, by which objects can be freed without one of their own, and are checked.

Since v6.3 (commits f32276a37652, cdfa0f6fa6b7) a block keeps the full cookie of when its newest object was put in, the
rcu_head list a one-word cookie of its newest, and a batch a full one of when the list came there. A block's is taken
with each object, so one that comes late has the whole block wait.

Two things are made of them. Whoever frees asks whether the cookie's grace period is over, and if not, warns and leaks:
what was only built into the order of things before is looked at. And the monitor frees by itself what is ready, before
it starts a batch for the rest (kvfree_rcu_drain_ready()): a grace period of somebody else will do.
"""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Snapshots:
    """Cookies are taken, and asked before anything is freed.

    `unqueues_first`: debug objects hear that a block's objects are queued no longer before the cookie is asked. When it
    then says no, and they are leaked, a second kvfree_rcu() of one of them is told to nobody (commit 1e237994d9c9,
    v6.5).
    """

    unqueues_first: bool = False


CHECKED: Final = Snapshots()
"""Since v6.5."""


@attrs.frozen(kw_only=True)
class Draining:
    """kfree_rcu_monitor() with kvfree_rcu_drain_ready(), which has krcp->lock for its steps and not from first to last.

    `ends_at_first`: it starts one batch, and warns if that is waiting already (kvfree_rcu_queue_batch(), v6.12);
    before, it goes on with the others, for which nothing is left.
    `locked_again`: it takes krcp->lock again to be armed once more (commit a23da88c6c80, in stable 6.12); before, it
    is armed beside callers who look at the timer under that lock.
    """

    ends_at_first: bool
    locked_again: bool


GOES_ON: Final = Draining(ends_at_first=False, locked_again=False)
"""v6.6."""

ONE_BATCH: Final = Draining(ends_at_first=True, locked_again=False)
"""v6.12.0."""

ONE_BATCH_LOCKED: Final = Draining(ends_at_first=True, locked_again=True)
"""Since a23da88c6c80."""
