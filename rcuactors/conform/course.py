"""The course of a comparison: a recording's pieces, one after the other, and what comes of them together.

A piece begins at a state that is told, where there is none at every state that is possible. Where something is missing
the comparison ends, and begins again at the next state in which nothing is under way: nothing is compared across a gap.
What lies between was not compared; so it is counted, and where that is much the answer is "undecided".
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from ..eras.era import Era
from ..kvfree import invariants
from ..traces import Missing
from .absent import absent
from .begin import first_states, states_behind
from .carried import TooMany
from .decisions import decision_of
from .explain import Explainer, Verdict
from .found import Found, found_at
from .lines import Told, named
from .pieces import LONGEST, Pieces
from .registers import NotLooked
from .state import State
from .untold import Untold

Make = Callable[[Told, Era], Explainer]
Following = Callable[[Told], Told | None]
Watch = Callable[[int], bool]
"""Is told the number of a line, and says whether to go on."""

_NEEDS_CALLS: Final = frozenset(
    {"hrtimer_start", "hrtimer_expire_entry", "workqueue_execute_start", "kfree_rcu_work", "kmem_cache_free_bulk"}
)
"""What comes of calls: where these are and no calls, the calls are missing."""
_ALONE: Final = frozenset({"kvfree_rcu_barrier", "shrink_scan"})
"""What is worth a comparison without any call."""

_TELLING: Final = (
    "state",
    "timer_start",
    "timer_expire_entry",
    "hrtimer_start",
    "hrtimer_expire_entry",
    "workqueue_queue_work",
    "workqueue_execute_start",
    "fill_page_cache_func",
    "kfree_rcu_monitor",
    "kfree_rcu_work",
    "get_free_pages",
    "get_free_pages_ret",
    "free_pages",
    "rcu_grace_period",
)
"""Events by which decisions show, or are bounded, on all kernels."""

_COOKIES_TAKEN_AS_DONE: Final = (
    "no state: lines, and of what was queued before, such beginnings alone were tried in which that is ready"
)

_MUCH: Final = 10
"""One decision of so many may be left out where something is missing, and the others still be the recording's."""

_MOST_GAPS: Final = 100
"""So many are told one by one."""


@attrs.define(eq=False)
class Course:
    """One recording held against one version."""

    era: Era
    keep_going: bool = False
    make: Make = Explainer
    watch: Watch | None = None
    compared: Counter[str] = attrs.field(factory=Counter)
    found: list[Found] = attrs.field(factory=list)
    undecided: str = ""
    until: str = ""
    spans: list[tuple[int, int]] = attrs.field(factory=list)
    gaps: list[str] = attrs.field(factory=list)
    interrupted: bool = False
    calls: int = 0
    steps: int = 0
    most: int = 0
    _events: set[str] = attrs.field(factory=set)
    _going: Verdict | None = None
    """What has come of the stretch that is under way."""
    _shown: int = 0
    """Decisions that were told."""
    _looked_at: int = 0
    _counted: int = 0
    """The last line of which that is known."""
    _gap: str = ""
    """Behind which the comparison has not begun again."""
    _backwards: str = ""
    """Where time goes back first."""
    _lost: str = ""
    """The first one behind which it never has."""

    def along(self, told: Told, pieces: Pieces | None = None) -> None:
        """Compare a piece, and those that follow."""
        try:
            self._along(told, pieces)
        except KeyboardInterrupt:
            if self.watch is None:
                raise
            self.interrupted = True  # it was not looked at in time: the file gives no more lines, perhaps
        self.interrupted |= pieces is not None and pieces.stopped
        if self._backwards and not self.found:
            self.undecided = f"{self._backwards}: lines are out of order, or of two runs"
        if not (self.undecided or self.found or self.interrupted):
            self.undecided = self._why_not()

    def _along(self, told: Told, pieces: Pieces | None) -> None:
        piece: Told | None = told
        while piece is not None and not self.undecided:
            following = self._take(piece, pieces)
            if pieces is not None:
                gc.collect()  # what explained it goes round in circles
            piece = following(piece) if following is not None else None

    def so_far(self) -> tuple[Counter[str], int]:
        """(what agrees, by kind; hidden steps) at this moment, also for another thread that looks on."""
        compared, steps, going = Counter(dict(self.compared)), self.steps, self._going
        if going is not None:
            compared, steps = compared + Counter(dict(going.compared)), steps + going.hidden_steps
        return compared, steps

    def without(self) -> tuple[str, ...]:
        """The events of which it has not one line: what such lines would tell was not compared."""
        return tuple(event for event in _TELLING if event not in self._events)

    def _why_not(self) -> str:
        """Why it is no agreement, though nothing disagrees."""
        if not self.calls and not self._events & _ALONE:
            return "nothing to compare: neither calls nor what comes of them"
        if self._lost:
            return f"{self._lost}, and no state from which it could go on is told behind it: the rest is not compared"
        if not self.compared:
            return "no state of all CPUs is told from which it could begin: nothing was compared"
        if self._looked_at * _MUCH < self._shown * (_MUCH - 1):
            return f"of {self._shown:,} decisions that are told only {self._looked_at:,} could be compared"
        return ""

    def _take(self, told: Told, pieces: Pieces | None) -> Following | None:
        """Compare a piece; how the next one is come by."""
        self._gap = told.behind
        if told.gap is not None and told.gap.missing is Missing.BACKWARDS:
            self._backwards = self._backwards or named(told.gap)
        self._events |= told.events
        if "kvfree_rcu_barrier" in told.events and self.era.rules.kvfree.barrier is None:
            self.undecided = f"kvfree_rcu_barrier lines: {self.era.name} has no such function; it is of another kernel"
            return None
        if not self.calls and not told.calls and told.events & _NEEDS_CALLS:
            self.undecided = "no kvfree_call_rcu lines: what was queued, and when, is not told"
            if self._gap:
                self._say(f"{self._gap}: not compared behind it")
            return None
        explainer = self.make(told, self.era)
        begin = first_states(told, explainer.place, told.starts)
        starting = self._possible(told, explainer) if begin < 0 else None
        if self.undecided:
            return None
        last = self._last_state(told, explainer, begin) if told.full and begin >= 0 else None
        if last is not None and last[1] <= begin:
            if pieces is not None and len(told.lines) < LONGEST:
                return pieces.longer
            last = None
        end = last[1] + 1 if last is not None else None
        if begin >= 0 or starting is not None:
            self._resume(told, begin)
            self._compare(told, explainer, begin, end, starting)
        self._count(told, begin if begin >= 0 or starting is not None else len(told.lines), end)
        return self._next(told, pieces, last)

    def _possible(self, told: Told, explainer: Explainer) -> list[list[State]] | None:
        """Where no state is told at all: those of each CPU that are possible. None where nothing is to be compared."""
        if "state" in self._events or not told.calls:
            return None
        untold = Untold(told, self.era.rules.kvfree.block_capacity)
        self.undecided = untold.why_not()
        if self.undecided:
            return None
        try:
            starting = [untold.states(explainer, krcp.cpu_id) for krcp in explainer.place.krcs]
        except TooMany as many:
            self.undecided = f"too many possible states: {many}"
            return None
        if [] in starting:
            self.undecided = f"no state: lines, and no beginning is known of CPU {starting.index([])} that could be"
        return starting

    def _next(self, told: Told, pieces: Pieces | None, last: tuple[int, int] | None) -> Following | None:
        if self.interrupted or self.undecided or (self.found and not self.keep_going) or pieces is None:
            self._ends(told)
            return None
        return partial(pieces.rest, starts=last[0]) if last is not None else partial(self._behind, pieces)

    def _behind(self, pieces: Pieces, told: Told) -> Told | None:
        following = pieces.behind(told)
        if following is None:
            self._ends(told)
        return following

    def _ends(self, told: Told) -> None:
        if not told.full:
            self.until = told.ends_early

    def _last_state(self, told: Told, explainer: Explainer, begin: int) -> tuple[int, int]:
        """The last state from which the next piece can begin, and the latest line behind which that comes first."""
        after, last, at = begin, begin, begin
        while (at := first_states(told, explainer.place, max(last, 0))) >= 0:
            after, last = max(last, 0), at
        low, high = after, max(last - 1, after)
        while low < high:
            middle = (low + high + 1) // 2
            if first_states(told, explainer.place, middle) == last:
                low = middle
            else:
                high = middle - 1
        first_states(told, explainer.place, told.starts)
        return low, last

    def _resume(self, told: Told, begin: int) -> None:
        if self._gap:
            self._say(f"{self._gap}: compared again from line {told.lines[max(begin, 0)].number} on")
            self._gap = ""

    def _say(self, gap: str) -> None:
        if len(self.gaps) < _MOST_GAPS:
            self.gaps.append(gap)
        elif len(self.gaps) == _MOST_GAPS:
            self.gaps.append("and more of that kind")

    def _compare(
        self, told: Told, explainer: Explainer, begin: int, end: int | None, starting: list[list[State]] | None
    ) -> None:
        while True:
            verdict = self._run(told, explainer, begin, end, starting)
            self._going = None
            self.compared += verdict.compared
            self.steps, self.most = self.steps + verdict.hidden_steps, max(self.most, verdict.most_states)
            self.interrupted = verdict.interrupted
            self.undecided = verdict.undecided or ("" if self.interrupted else told.broken)
            over = explainer.at if verdict.disagreement or verdict.undecided or self.interrupted else (end or 0) - 1
            self._span(told, begin, over)
            if verdict.disagreement is None:
                return
            if missing := absent(told):
                self.undecided = f"line {verdict.disagreement.line.number}: {missing}"
                return
            if starting is not None and explainer.place.kvfree.takes_cookies:
                line = verdict.disagreement.line.number
                self.undecided = f"line {line}: {_COOKIES_TAKEN_AS_DONE}"
                return
            self.found.append(found_at(told, verdict.disagreement))
            if not self.keep_going:
                return
            explainer, starting = self.make(told, self.era), None
            begin = states_behind(told, explainer.place, verdict.disagreement.line.at)
            if begin < 0 or (end is not None and begin >= end):
                return

    def _span(self, told: Told, begin: int, last: int) -> None:
        if 0 <= last <= begin:
            return
        first = told.lines[begin + 1].number if begin + 1 < len(told.lines) else told.lines[-1].number
        until = told.lines[last].number
        if self.spans and self.spans[-1][1] in (told.lines[begin].number, first - 1):
            first = self.spans.pop()[0]
        self.spans.append((first, max(until, first)))

    def _count(self, told: Told, begin: int, end: int | None) -> None:
        """Decisions of the piece that come for the first time, and those of them that were looked at."""
        for line in told.lines[:end]:
            if line.number <= self._counted:
                continue
            self.calls += line.event == "kvfree_call_rcu"
            if decision_of(line) and (told.starts >= 0 or line.at > begin or begin == len(told.lines)):
                self._shown += 1
                self._looked_at += line.at > begin
        self._counted = told.lines[(end or 0) - 1].number
        if begin == len(told.lines) and self._gap:
            self._say(f"{self._gap}: not compared behind it")
            self._lost, self._gap = self._lost or self._gap, ""

    def _run(
        self, told: Told, explainer: Explainer, begin: int, end: int | None, starting: list[list[State]] | None
    ) -> Verdict:
        explainer.watch, self._going = self.watch, explainer.verdict
        try:
            # A state that cannot be is no bug of the model here: it comes of a recording, and no line will bear it out.
            with invariants.checking(on=False):
                return explainer.run(begin, end, starting)
        except TooMany as many:
            verdict = explainer.verdict
            verdict.undecided = f"too many possible states: {many}"
            return verdict
        except NotLooked:
            verdict = explainer.verdict
            verdict.undecided = f"line {told.lines[explainer.at].number}: how many pages are cached is not told"
            return verdict
