"""Who calls: by caller, context, CPU and form; in which bursts; and how long one-argument callers wait."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import attrs

from ..traces.events import (
    Call,
    Entered,
    Event,
    Mark,
    ObjectFreed,
    PageAsked,
    PageGot,
    Returned,
    Statement,
    StateTold,
)
from .figures import Distribution
from .flight import Sort

BURST_GAP_NS: Final = 1_000_000
"""Calls on one CPU belong to one burst where none comes later than this after the one before."""
_MOST_SORTS: Final = 4096
_MOST_WAITERS: Final = 1000
_INTERRUPTS: Final = frozenset("hHszZ")
_SYNCHRONIZE: Final = ("synchronize_rcu", "synchronize_rcu_expedited", "synchronize_rcu_normal")


@attrs.define
class Burst:
    """Calls on one CPU, one soon after the other."""

    cpu: int
    first_line: int
    first_ns: int
    last_ns: int
    calls: int = 1


@attrs.define
class Callers:
    """Calls, and bursts of them."""

    total: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    sorts: Counter[Sort] = attrs.field(factory=Counter)
    kinds: Counter[str] = attrs.field(factory=Counter)
    sizes: Distribution = attrs.field(factory=Distribution)
    pauses: Distribution = attrs.field(factory=Distribution)
    largest: Burst | None = None
    _bursts: dict[int, Burst] = attrs.field(factory=dict)
    _interned: dict[tuple[str, str, int, bool], Sort] = attrs.field(factory=dict)

    def called(self, call: Call) -> Sort:
        """Take in one call; what it is counted under."""
        self.total += 1
        if self.first_ns is None:
            self.first_ns = call.time_ns
        self.last_ns = call.time_ns
        key = (call.caller, call.context, call.cpu, call.one_argument)
        sort = self._interned.get(key)
        if sort is None:
            if len(self._interned) >= _MOST_SORTS:
                key = ("(others)", call.context, call.cpu, call.one_argument)
            sort = self._interned.setdefault(key, Sort(*key))
        self.sorts[sort] += 1
        self.kinds[call.kind] += 1
        self._burst(call)
        return sort

    def end(self) -> None:
        """The trace is over, and every burst with it."""
        for burst in self._bursts.values():
            self._close(burst)
        self._bursts.clear()

    def _burst(self, call: Call) -> None:
        burst = self._bursts.get(call.cpu)
        if burst is not None and 0 <= call.time_ns - burst.last_ns <= BURST_GAP_NS:
            burst.calls += 1
            burst.last_ns = call.time_ns
            return
        if burst is not None:
            self._close(burst)
            self.pauses.add(max(call.time_ns - burst.last_ns, 0))
        self._bursts[call.cpu] = Burst(call.cpu, call.number, call.time_ns, call.time_ns)

    def _close(self, burst: Burst) -> None:
        self.sizes.add(burst.calls)
        if self.largest is None or burst.calls > self.largest.calls:
            self.largest = burst


@attrs.define
class Waiter:
    """A one-argument call that has not returned yet, as far as is seen."""

    call: Call
    waits: bool = False
    refused: bool = False


@attrs.define
class Waits:
    """One-argument calls: who waited for a grace period, since there was no page.

    Such a caller is seen to ask for a page and get none, or to enter synchronize_rcu(); the wait is from its call to
    the next line of its own that is no longer inside of it.
    """

    pages_seen: bool = False
    asked: int = 0
    refused: int = 0
    waited: Distribution = attrs.field(factory=Distribution)
    unfinished: int = 0
    longest_line: int = 0
    _calls: dict[int, Waiter] = attrs.field(factory=dict)
    _last_out: int = -1

    def called(self, call: Call) -> None:
        """A one-argument call."""
        if len(self._calls) >= _MOST_WAITERS:  # callers that nothing more is seen of
            del self._calls[next(iter(self._calls))]
        self._calls[call.pid] = Waiter(call)

    def inside(self, event: Event) -> Waiter | None:
        """The one-argument call that an event's task is in, unless an interrupt came on top of it."""
        waiter = self._calls.get(event.pid) if self._calls else None
        if waiter is None or any(flag in _INTERRUPTS for flag in event.flags):
            return None
        return waiter

    def was_inside(self, event: Event) -> bool:
        """Whether an event that was noted is of a task that is, or was until then, in such a call."""
        return event.pid in self._calls or self._last_out == event.pid

    def note(self, waiter: Waiter, event: Event) -> bool:
        """An event of a task that is in such a call. True if the object was freed in line by now."""
        match event:
            case PageAsked():
                self.pages_seen = True
                self.asked += 1
            case PageGot(page=page):
                if not page:
                    waiter.refused = waiter.waits = True
                    self.refused += 1
                elif not waiter.waits:
                    del self._calls[event.pid]  # it has its page, and returns
                    self._last_out = event.pid
            case Entered(function=function) if function in _SYNCHRONIZE:
                waiter.waits = True
            case Returned(function=function) if function in _SYNCHRONIZE:
                pass
            case Call() | Statement() | Mark() | StateTold() | ObjectFreed():
                return self._over(waiter, event)
            case _:
                pass
        return False

    def end(self) -> None:
        """The trace is over."""
        self.unfinished = sum(waiter.waits for waiter in self._calls.values())
        self._calls.clear()

    def as_json(self) -> dict[str, Any]:
        """As plain data; times in nanoseconds."""
        return {
            "pages_asked": self.asked,
            "pages_refused": self.refused,
            "waited_ns": self.waited.as_json(),
            "still_waiting": self.unfinished,
        }

    def _over(self, waiter: Waiter, event: Event) -> bool:
        if isinstance(event, ObjectFreed) and event.address != waiter.call.address:
            return False
        if self._calls.get(event.pid) is waiter:
            del self._calls[event.pid]
        if not waiter.waits:
            return False
        wait_ns = max(event.time_ns - waiter.call.time_ns, 0)
        if wait_ns >= self.waited.most:
            self.longest_line = waiter.call.number
        self.waited.add(wait_ns)
        return True
