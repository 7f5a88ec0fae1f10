"""Wait types of locks and contexts (include/linux/lockdep_types.h, enum lockdep_wait_type).

The numbers are printed in splats. Without PROVE_RAW_LOCK_NESTING a spinlock_t counts as a raw one and the numbers
above shift down by one.
"""

from __future__ import annotations

import enum

import attrs


class WaitType(enum.Enum):
    """enum lockdep_wait_type: what taking a lock may have to wait for."""

    # There is one object of each member. Enum's own hash is a function in Python, and numbers are looked up by these.
    __hash__ = object.__hash__

    INV = "not checked"
    FREE = "wait free: RCU"
    SPIN = "spin: raw_spinlock_t"
    CONFIG = "spin, or sleep on PREEMPT_RT: spinlock_t"
    SLEEP = "sleep: mutex"
    MAX = "no limit"


_NESTING = {WaitType.INV: 0, WaitType.FREE: 1, WaitType.SPIN: 2, WaitType.CONFIG: 3, WaitType.SLEEP: 4, WaitType.MAX: 5}
_PLAIN = {WaitType.INV: 0, WaitType.FREE: 1, WaitType.SPIN: 2, WaitType.CONFIG: 2, WaitType.SLEEP: 3, WaitType.MAX: 4}


@attrs.frozen
class WaitNumbers:
    """The numbers of one configuration."""

    prove_raw_lock_nesting: bool

    def of(self, wait: WaitType) -> int:
        """The number lockdep compares and prints."""
        return (_NESTING if self.prove_raw_lock_nesting else _PLAIN)[wait]
