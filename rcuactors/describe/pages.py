"""Refills of the page cache, how long they were waited for, and the pages that kvfree_rcu() holds."""

from __future__ import annotations

from typing import Any, Final

import attrs

from ..traces.events import Event
from .figures import Distribution, Level

_MOST: Final = 100_000


@attrs.define
class Pages:
    """Pages taken and given back. Those that were there before the trace began are not known, and not counted."""

    asked: int = 0
    """By anybody: there may be no probe on what came of it."""
    got: int = 0
    refused: int = 0
    by_callers: int = 0
    given_back: int = 0
    held: Level = attrs.field(factory=Level)
    _known: set[int] = attrs.field(factory=set)

    def take(self, time_ns: int, page: int, *, by_caller: bool) -> None:
        """A page is asked for: its address, or 0."""
        if not page:
            self.refused += 1
            return
        self.got += 1
        self.by_callers += by_caller
        if len(self._known) < _MOST and page not in self._known:
            self._known.add(page)
            self.held.change(time_ns, 1)

    def give_back(self, time_ns: int, page: int) -> None:
        """A page is freed; others free pages, too."""
        if page in self._known:
            self._known.discard(page)
            self.given_back += 1
            self.held.change(time_ns, -1)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "asked_by_anybody": self.asked,
            "got": self.got,
            "refused": self.refused,
            "by_one_argument_callers": self.by_callers,
            "given_back": self.given_back,
            "held_peak": self.held.peak,
            "held_at_the_end": self.held.now,
        }


@attrs.define
class Refills:
    """Refills of the CPUs' page caches: asked for by a timer, done by a work."""

    timers: int = 0
    delayed: int = 0
    runs: int = 0
    waits: Distribution = attrs.field(factory=Distribution)
    returns_seen: bool = False
    _asked: dict[int, int] = attrs.field(factory=dict)
    _running: dict[int, int | None] = attrs.field(factory=dict)

    def asked(self, cpu: int, time_ns: int, *, by_timer: bool) -> None:
        """A call asks for a refill of its CPU's cache: by the hrtimer, or as a delayed work."""
        if by_timer:
            self.timers += 1
        else:
            self.delayed += 1
        self._asked.setdefault(cpu, time_ns)

    def queued(self, cpu: int, time_ns: int) -> None:
        """The work is queued: by the timer that was seen, or else as a delayed work whose timer was not."""
        if cpu not in self._asked:
            self.asked(cpu, time_ns, by_timer=False)

    def is_running(self, pid: int) -> bool:
        """Whether a task is filling a cache."""
        return pid in self._running

    def begins(self, event: Event, cpu: int) -> None:
        """fill_page_cache_func() is entered for that CPU."""
        self.runs += 1
        self._running[event.pid] = self._asked.pop(cpu, None)

    def ends(self, event: Event) -> None:
        """It returns: there are pages, or will be none."""
        self.returns_seen = True
        asked_ns = self._running.pop(event.pid, None)
        if asked_ns is not None:
            self.waits.add(max(event.time_ns - asked_ns, 0))

    def as_json(self) -> dict[str, Any]:
        """As plain data; times in nanoseconds."""
        return {
            "asked_by_timer": self.timers,
            "asked_as_delayed_work": self.delayed,
            "runs": self.runs,
            "wait_ns": self.waits.as_json(),
        }
