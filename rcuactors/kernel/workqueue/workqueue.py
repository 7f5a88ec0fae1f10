"""struct workqueue_struct (kernel/workqueue.c): flags, max_active, and what is in flight by colour.

A pool_workqueue lets `max_active` works of one queue into one pool; the others wait until one of these has run
(pwq_dec_nr_in_flight()). A flush waits for the works of the colours so far (flush_workqueue_prep_pwqs()).
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import attrs

from ...context.locks import Lock, LockFactory, LockKind
from ...context.memory import LIVE

if TYPE_CHECKING:
    from ..completion import Completion
    from .pool import Pool, Worker
    from .work import Queued

DEFAULT_ACTIVE: Final = 256
"""WQ_DFL_ACTIVE."""


class WqFlags(enum.IntFlag):
    """Flags of alloc_workqueue() (include/linux/workqueue.h)."""

    UNBOUND = 1 << 1
    MEM_RECLAIM = 1 << 3
    HIGHPRI = 1 << 4
    ORDERED = 1 << 17


NO_FLAGS: Final = WqFlags(0)

_HIGHPRI: Final = int(WqFlags.HIGHPRI)
_UNBOUND: Final = int(WqFlags.UNBOUND)
"""As numbers: an operation on flags makes a new flag, which is looked for at each work that is queued."""


@attrs.define(eq=False)
class Pwq:
    """struct pool_workqueue: one workqueue's part of one pool."""

    active: int = 0
    inactive: deque[Queued] = attrs.field(factory=deque)


@attrs.define(eq=False)
class Workqueue:
    """struct workqueue_struct. A bound one's works run on the CPU that queued them."""

    name: str
    flags: WqFlags = NO_FLAGS
    max_active: int = DEFAULT_ACTIVE
    namesakes: int = 0
    """Workqueues of the same name that lockdep has heard of before (count_matching_names())."""
    draining: int = 0
    """__WQ_DRAINING: only its own works may queue on it."""
    destroying: bool = False
    """__WQ_DESTROYING."""
    color: int = 0
    in_flight: Counter[int] = attrs.field(factory=Counter)
    """Works that were queued and have not run to their end, by colour."""
    flushers: list[tuple[int, Completion]] = attrs.field(factory=list)
    rescuer: Worker | None = None
    """WQ_MEM_RECLAIM: the thread that runs its works when no worker can be made; None until it is first called."""
    maydays: deque[Pool] = attrs.field(factory=deque)
    """Pools that have called for it."""
    stopping: Completion | None = None
    """destroy_workqueue() waits for the rescuer to end (kthread_stop()); or has waited."""
    state: int = LIVE
    destroyed_by: str = ""
    _mutex: Lock | None = None
    _map: Lock | None = None

    @property
    def highpri(self) -> bool:
        """WQ_HIGHPRI."""
        return self.flags._value_ & _HIGHPRI != 0

    @property
    def unbound(self) -> bool:
        """WQ_UNBOUND."""
        return self.flags._value_ & _UNBOUND != 0

    def lockdep_map(self, factory: LockFactory) -> Lock:
        """wq->lockdep_map: of a class of its own (wq_init_lockdep())."""
        if self._map is None:
            number = f"#{self.namesakes + 1}" if self.namesakes else ""
            self._map = factory.make(f"(wq_completion){self.name}{number}", LockKind.MAP, key=self)
        return self._map

    def mutex(self, factory: LockFactory) -> Lock:
        """wq->mutex: one class for all of them (mutex_init() in alloc_workqueue())."""
        if self._mutex is None:
            self._mutex = factory.make("&wq->mutex", LockKind.MUTEX)
        return self._mutex

    # -- as memory (context.memory.Memory) --

    size = 512

    def add(self, member: object) -> None:
        """Nothing that is known of lies in it."""

    def history(self) -> list[str]:
        """Who has destroyed it."""
        return [f"destroyed by {self.destroyed_by}"]

    def __str__(self) -> str:
        return f"the workqueue {self.name}"

    def flushed(self, color: int) -> bool:
        """No work of that colour or of an older one is in flight."""
        return not any(count for at, count in self.in_flight.items() if at <= color)

    def done(self, color: int) -> list[Completion]:
        """One of a colour has ended: who waited for no more than that."""
        self.in_flight[color] -= 1
        if self.in_flight[color]:
            return []
        del self.in_flight[color]
        ready = [waiting for waiting in self.flushers if self.flushed(waiting[0])]
        for waiting in ready:
            self.flushers.remove(waiting)
        return [completion for _, completion in ready]
