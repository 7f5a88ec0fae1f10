"""v5.11: the page cache is refilled by an hrtimer and a workqueue.

Sources: kernel/rcu/tree.c at commit 56292e8609e3 (in stable 5.10 as 9b81af9c8455); kernel/locking/lockdep.c at v5.11.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..kvfree.parts.recycling import to_own_cpu
from .era import Era
from .v5_9 import V5_9

V5_11: Final = Era(
    name="v5.11",
    release="5.11.0",
    about="page cache refilled by an hrtimer and a workqueue (commit 56292e8609e3)",
    design="hrtimer-work",
    rules=attrs.evolve(
        V5_9.rules,
        lockdep=attrs.evolve(
            V5_9.rules.lockdep, read_lock_may_queue=True, readers_are_dependencies=True, chains_tell_readers=True
        ),
        kvfree=attrs.evolve(
            V5_9.rules.kvfree,
            min_cached_objs=5,
            boot_prefill=False,
            recycling=to_own_cpu,
        ),
    ),
)
