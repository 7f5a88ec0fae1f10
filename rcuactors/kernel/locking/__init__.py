"""Locks in use (kernel/locking): each type as its kernel has it, who waits in which way, who waits for whom.

Read `common` (what all of them share), `sleeping` (mutex, rt_mutex), `spinning` (raw_spinlock_t, spinlock_t,
local_lock_t), `readers_writers` (rwlock_t, rw_semaphore), then `contention` (how one waits) and `deadlock` (who waits
for ever). What a lock is, and what is wrong with the way in which locks are taken, is one floor below:
`context/locks.py`, `context/lockdep/`.
"""

from ...marks import LOCKING
from .readers_writers import Locks, queued_read_mode

__trace__ = LOCKING

__all__ = ["Locks", "queued_read_mode"]
