"""A lock that is held: struct held_lock (include/linux/lockdep_types.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from .lockdep.chains import ChainNode
    from .locks import Lock, LockClass


@attrs.frozen(eq=False)
class HeldLock:
    """struct held_lock: one entry of a thread's stack of held locks.

    `node` is the chain up to here, which knows the class, the way in which the lock was taken, and in which kind of
    interrupt; `site` is where. `nest` is the lock that serializes the nesting, if there is one. The same record serves
    each time when the same lock is taken in the same way at the same place.
    """

    lock: Lock
    node: ChainNode
    site: str
    nest: Lock | None = None

    @property
    def lock_class(self) -> LockClass:
        """That of the acquisition, with its subclass."""
        return self.node.lock_class
