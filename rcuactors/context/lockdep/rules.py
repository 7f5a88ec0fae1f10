"""What differs between kernel versions in lockdep: values that an era picks (eras/).

Sources: kernel/locking/lockdep.c and include/linux/lockdep.h, at the commits named. Most of it came with one series,
recursive read locks in the dependency graph (v5.10). The selftest's table is v6.1's, and so are the rules it tries.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LockdepRules:
    """One version's. The defaults are v5.9's."""

    first_lock_is_checked: bool = False
    """check_wait_context() looks at a lock that is taken while none is held, too, since the context alone may forbid it
    (commit f8b298cc39f0, v5.14). Before, a spinlock_t that was the first lock of a hardirq handler was silent."""
    read_lock_may_queue: bool = False
    """Outside interrupts read_lock() is noted as a reader that waits behind a writer who waits, as queued rwlocks do
    (read_lock_is_recursive(), commit e918188611f0, v5.10). Before, it was noted as recursive everywhere."""
    readers_are_dependencies: bool = False
    """Recursive readers are part of the dependency graph, and a path counts if it is strong (commits 9de0c9bbcedf,
    f08e3888574d and 621c9dac0eea, v5.10). Before, only locks that were not taken so left a dependency; every path
    counted; a reader that could be interrupted was no danger to a lock that the interrupt's handler takes; and who read
    a class once more was looked at no further (check_deadlock() until d61fc96a3760, v5.10)."""
    chains_tell_readers: bool = False
    """A chain of held locks that were taken in another way is another chain (commit f611e8cf98ec, v5.10). Before, it
    was validated in the first way only: a writer's was taken for known after a reader's."""
    local_locks_are_per_cpu: bool = False
    """A dependency by way of a local_lock is no danger to interrupts (LD_LOCK_PERCPU and usage_skip(), commits
    dfd5e3f5fe27 and 5f2962401c6e, v5.12)."""
