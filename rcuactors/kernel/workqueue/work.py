"""What is queued: struct work_struct, struct delayed_work (include/linux/workqueue.h), and their lockdep maps.

A work's class is named after its variable, "(work_completion)(&w)", and belongs to the place that initializes it
(INIT_WORK() has a static lock_class_key). Here it is told apart by the function that it runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from ...context.locks import Lock, LockFactory, LockKind
from ...context.memory import Memory
from ..time.timer import Timer

if TYPE_CHECKING:
    from ..completion import Completion
    from ..cpu import Cpu
    from ..thread import Thread
    from .pool import Pool
    from .workqueue import Workqueue

Function = Callable[["Cpu"], Awaitable[None]]


@attrs.define(eq=False)
class Work:
    """struct work_struct.

    `function` runs on a worker; `pending` is WORK_STRUCT_PENDING: set while queued, cleared just before the function
    runs. `key` is the name of its lockdep map, `site` what tells maps of one name apart.
    """

    name: str
    function: Function
    key: str = attrs.field(
        default=attrs.Factory(lambda work: f"(work_completion)(&{work.name})", takes_self=True), kw_only=True
    )
    site: object = attrs.field(default=None, kw_only=True)
    pending: bool = False
    runs: int = 0
    pool: Pool | None = None
    """Where it was queued last."""
    flushers: list[Completion] = attrs.field(factory=list)
    canceling: bool = False
    """WORK_OFFQ_CANCELING: cancel_work_sync() has it, and waits for the end of its function."""
    disabled: int = 0
    """WORK_OFFQ_DISABLE: how many have disabled it."""
    cancel_waiters: list[Completion] = attrs.field(factory=list)
    """Others who cancel it meanwhile (cancel_waitq)."""
    grabbers: list[Thread] = attrs.field(factory=list)
    """Threads that spin in try_to_grab_pending() until it is on a list, or has run."""
    inside: Memory | None = None
    known: bool = True
    """Debug objects track it."""
    zeroed: bool = False
    """Nobody has initialised it: all its bytes are 0."""
    lost: bool = False
    """It was initialised while it was on a list: nothing in it says of which workqueue it is."""
    _map: Lock | None = None

    @property
    def func(self) -> str:
        """The function's name, as %ps has it; where it is made by us, the work's."""
        return str(getattr(self.site, "co_name", self.name))

    def lockdep_map(self, factory: LockFactory) -> Lock:
        """work->lockdep_map."""
        if self._map is None:
            self._map = factory.make(self.key, LockKind.MAP, key=self.site or self.function)
        return self._map

    def set_pending(self) -> bool:
        """test_and_set_bit(WORK_STRUCT_PENDING_BIT), for one that is not disabled: whether the bit is the caller's."""
        ours = not (self.pending or self.disabled)
        self.pending = self.pending or ours
        return ours

    def init(self) -> None:
        """INIT_WORK(), of one that may have been initialised before."""
        self.lost, self.pending, self.zeroed, self.disabled = self.queued(), False, False, 0

    def zero(self) -> None:
        """It is as kzalloc() leaves it."""
        self.known, self.zeroed = False, True

    def queued(self) -> bool:
        """It is on the list of a pool or of a worker, or waits behind max_active."""
        return (self.pending or self.lost) and self.pool is not None and self.pool.find(self) is not None


@attrs.define(eq=False)
class DelayedWork:
    """struct delayed_work: a work and the timer that queues it."""

    work: Work
    timer: Timer
    workqueue: Workqueue | None = None
    on: Cpu | None = None
    """The CPU that it was asked for; None: WORK_CPU_UNBOUND."""


@attrs.define(eq=False)
class Queued:
    """One queueing of a work: an entry of a list, with the workqueue and the flush colour that it was queued in."""

    work: Work
    workqueue: Workqueue
    color: int
