"""Of a trace: timers, works, functions with probes on both ends, grace periods."""

from __future__ import annotations

from typing import Final

import attrs

from ..traces.events import (
    Entered,
    Event,
    ExpeditedPeriod,
    GracePeriod,
    HrtimerExpired,
    HrtimerStarted,
    Returned,
    TimerCancelled,
    TimerExpired,
    TimerStarted,
    WorkEnded,
    WorkQueued,
    WorkStarted,
)
from ..traces.trace import Trace
from .board import Board, Tracks
from .elements import ArrowKind, Detail, LaneKind, MarkKind, Span, SpanKind
from .places import PERIODS, TIMERS, WORKERS, group_of

_KTHREAD: Final = "the grace-period kthread"
"""Where a probe on its functions does not say its name."""
_EXPEDITED: Final = "expedited"

_NOT_TOLD: Final = (("ended", "not told"),)
_RETURNING: Final = frozenset(
    {"fill_page_cache_func", "kfree_rcu_monitor", "kfree_rcu_work", "kfree_rcu_shrink_scan", "kvfree_rcu_barrier"}
)
"""Functions whose return is worth a span where it is recorded; where it is not, the span ends with the next entry."""

Key = tuple[LaneKind, object]


@attrs.define(eq=False)
class TracedWorks:
    """The lanes of what is to happen later, and of what happens meanwhile."""

    board: Board
    trace: Trace
    _tracks: dict[tuple[str, str], Tracks] = attrs.field(factory=dict)
    _armed: dict[Key, Span] = attrs.field(factory=dict)
    """By timer, or by function and CPU where the address is hidden."""
    _pending: dict[object, Span] = attrs.field(factory=dict)
    _at_work: dict[int, Span] = attrs.field(factory=dict)
    """By the worker's pid."""
    _inside: dict[tuple[int, str], Span] = attrs.field(factory=dict)
    """By pid and function."""
    _periods: dict[int, Span] = attrs.field(factory=dict)
    """By lane."""
    _seen: set[type[Event]] = attrs.field(factory=set)
    _hidden: bool = False

    def take(self, event: Event) -> None:
        """One event."""
        self._seen.add(type(event))
        if not self._timer(event):
            self._other(event)

    def _timer(self, event: Event) -> bool:
        """It is one of a timer's."""
        detail: Detail
        match event:
            case HrtimerStarted():
                detail = (("expires", f"{event.expires_ns} ns, by the kernel's clock"),)
                self._arm(event, LaneKind.HRTIMER, event.timer, event.function, event.cpu, detail)
            case TimerStarted():
                cpu = event.on_cpu if event.on_cpu >= 0 else event.cpu
                detail = (("expires", f"jiffy {event.expires}"), ("asked for", f"{event.timeout} jiffies"))
                self._arm(event, LaneKind.TIMER, event.timer, event.function, cpu, detail)
            case HrtimerExpired():
                self._disarm(event, LaneKind.HRTIMER, event.timer, event.function, expired=True)
            case TimerExpired():
                self._disarm(event, LaneKind.TIMER, event.timer, event.function, expired=True)
            case TimerCancelled(timer=timer) if timer is not None:
                kind = LaneKind.HRTIMER if event.high_resolution else LaneKind.TIMER
                self._disarm(event, kind, timer, "", expired=False)
            case _:
                return False
        return True

    def _other(self, event: Event) -> None:
        match event:
            case WorkQueued():
                self._queued(event)
            case WorkStarted():
                self._started(event)
            case WorkEnded():
                self._over(self._at_work.pop(event.pid, None), event)
            case Entered():
                self._entered(event)
            case Returned():
                self._over(self._inside.pop((event.pid, event.function), None), event)
            case GracePeriod():
                self._period(event)
            case ExpeditedPeriod():
                self._expedited(event)

    def _over(self, begun: Span | None, event: Event, more: Detail = ()) -> None:
        if begun is not None:
            self.board.close(begun, event.time_ns, more)

    def _lanes(self, group: str, name: str, kind: LaneKind, cpu: int = -1) -> Tracks:
        tracks = self._tracks.get((group, name))
        if tracks is None:
            tracks = self._tracks[group, name] = Tracks(self.board, group, name, kind, cpu)
        return tracks

    # -- timers ------------------------------------------------------------------------------------------------------

    def _key(self, kind: LaneKind, timer: int | None, function: str, cpu: int) -> Key:
        if timer is not None:
            return kind, timer
        self._hidden = True
        return kind, (function, cpu)

    def _name(self, timer: int | None, function: str) -> str:
        """As the machine's are called, where the rig has told the addresses of a CPU's timers."""
        for told in self.trace.header.krc.values():
            if timer == told.monitor_timer:
                return "kfree_rcu_monitor (delayed work)"
            if timer == told.refill_timer:
                return "fill_page_cache_func (delayed work)"
        return function

    def _arm(
        self,
        event: Event,
        kind: LaneKind,
        timer: int | None,
        function: str,
        cpu: int,
        detail: Detail,
    ) -> None:
        key = self._key(kind, timer, function, cpu)
        self._over(self._armed.pop(key, None), event, (("ended", "armed anew"),))
        name = self._name(timer, function)
        tracks = self._lanes(TIMERS, f"{name}, CPU {cpu}", kind, cpu)
        who = f"{event.comm}/{event.pid}"
        self._armed[key] = tracks.open(
            event.time_ns, SpanKind.TIMER_ARMED, name, who=who, about=function, detail=detail
        )

    def _disarm(self, event: Event, kind: LaneKind, timer: int | None, function: str, *, expired: bool) -> None:
        begun = self._armed.pop(self._key(kind, timer, function, event.cpu), None)
        if begun is None:
            return
        # timer_cancel is written for a timer that expires as well, just before.
        self.board.close(begun, event.time_ns, (("ended", "expired" if expired else "expired or taken back"),))
        if expired:
            self.board.mark(begun.lane, event.time_ns, MarkKind.TIMER_FIRED, begun.label, about=begun.about)

    # -- works -------------------------------------------------------------------------------------------------------

    def _queued(self, event: WorkQueued) -> None:
        where = f"CPU {event.on_cpu}" if event.on_cpu >= 0 else "unbound"
        high = ", high priority" if "highpri" in event.workqueue else ""
        tracks = self._lanes(WORKERS, f"pool, {where}{high}", LaneKind.POOL)
        key = event.work if event.work is not None else event.function
        self._over(self._pending.pop(key, None), event, _NOT_TOLD)
        self._pending[key] = tracks.open(
            event.time_ns,
            SpanKind.WORK_PENDING,
            event.function,
            who=f"{event.comm}/{event.pid}",
            about=event.function,
            detail=(("workqueue", event.workqueue),),
        )

    def _started(self, event: WorkStarted) -> None:
        now, who = event.time_ns, f"{event.comm}/{event.pid}"
        lane = self.board.lane(WORKERS, event.comm, LaneKind.WORKER)
        self._over(self._at_work.pop(event.pid, None), event, _NOT_TOLD)
        pending = self._pending.pop(event.work if event.work is not None else event.function, None)
        if pending is not None:
            self.board.close(pending, now, (("taken by", who),))
            self.board.arrow(ArrowKind.MESSAGE, (pending.lane, now), (lane, now), f"{event.function} begins")
        begun = self.board.begin(lane, now, SpanKind.WORK_RUNS, event.function, who, event.function)
        self._at_work[event.pid] = begun

    # -- functions ---------------------------------------------------------------------------------------------------

    def _entered(self, event: Entered) -> None:
        key = event.pid, event.function
        self._over(self._inside.pop(key, None), event, _NOT_TOLD)
        if event.function not in _RETURNING:
            return
        tracks = self._lanes(group_of(event.cpu), "functions", LaneKind.OTHER, event.cpu)
        who = f"{event.comm}/{event.pid}"
        self._inside[key] = tracks.open(
            event.time_ns, SpanKind.CALL, f"{event.function}()", who=who, about=event.function
        )

    # -- grace periods -----------------------------------------------------------------------------------------------

    def _period(self, event: GracePeriod) -> None:
        name = event.rcu_name or _KTHREAD
        lane = self.board.lane(PERIODS, name, LaneKind.GRACE_PERIOD)
        label = f"gp_seq {event.gp_seq}" if event.gp_seq is not None else "a grace period"
        if event.step == "start":
            self._begin(lane, event.time_ns, label)
        elif event.step == "end":
            self._end(lane, event.time_ns)
        elif event.step in ("fqsstart", "fqsend"):
            steps = self.board.lane(PERIODS, f"{name}, steps", LaneKind.GRACE_PERIOD)
            self.board.mark(steps, event.time_ns, MarkKind.EVENT, event.step)

    def _expedited(self, event: ExpeditedPeriod) -> None:
        lane = self.board.lane(PERIODS, _EXPEDITED, LaneKind.GRACE_PERIOD)
        if event.step == "start":
            self._begin(lane, event.time_ns, f"expedited {event.seq}")
        elif event.step == "end":
            self._end(lane, event.time_ns)

    def _begin(self, lane: int, now: int, label: str) -> None:
        self._end(lane, now)
        self._periods[lane] = self.board.begin(lane, now, SpanKind.GRACE_PERIOD, label, about=label)

    def _end(self, lane: int, now: int) -> None:
        begun = self._periods.pop(lane, None)
        if begun is not None:
            self.board.close(begun, now)

    def notes(self) -> list[str]:
        """What of these the trace does not tell."""
        said = []
        if self._hidden:
            said.append("which timer it is: the kernel has hidden the addresses, and they are told apart by function")
        if GracePeriod not in self._seen:
            said.append("grace periods: rcu_grace_period was not recorded")
        if not self._seen & {WorkQueued, WorkStarted}:
            said.append("works: workqueue_* was not recorded")
        if not self._seen & {HrtimerStarted, TimerStarted}:
            said.append("timers: timer_* and hrtimer_* were not recorded")
        return said
