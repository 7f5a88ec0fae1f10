"""Hidden steps: what leaves no line, and lies between two lines of its own context; each order of them is tried.

They are made as late as they can be: when the next line of their context comes. Before one, those of others that are
about the same CPU's state may have come, each with what follows from it. Where nobody else is under way there is one
order, and one state.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

from ..traces import KrcState
from .asks import HIDDEN, WAITS, Kind
from .carried import MOST_STATES, TooMany
from .cookies import NotSettled
from .dooms import Dooms
from .lines import Ctx, Line, state_of
from .operations import WAITS_FOR, Operation
from .orders import Step
from .registers import NotLooked
from .snapshots import differs
from .standins import CANCEL, FLUSH
from .state import State
from .tracks import Make

_PENDING_SEEN_BY: Final[dict[str, frozenset[str]]] = {
    "call": frozenset({"monitor"}),
    "work": frozenset(),
    "page": frozenset(),
    "timer": frozenset({"page"}),
    "monitor": frozenset({"krw", "monitor"}),
    "scan": frozenset({"krw", "monitor"}),
    "count": frozenset(),
    "barrier": frozenset({"krw", "monitor"}),
    CANCEL: frozenset({"monitor"}),
    FLUSH: frozenset(),
    WAITS_FOR: frozenset(),
    "start": frozenset(),
    "read": frozenset({"monitor", "page"}),
}
"""Of which works' pending bits an operation sees anything. (A snapshot is a kind of its own, as is the clearing.)"""

_OF_ONE_WORK: Final = frozenset({CANCEL, FLUSH, WAITS_FOR})
_HEED: Final[dict[str, frozenset[str]]] = {
    CANCEL: frozenset({"call", "monitor", "scan", "barrier", "start", "read"}),
    FLUSH: frozenset({"monitor", "scan", "barrier"}),
    WAITS_FOR: frozenset(),
}
"""What a step that looks at one work only has to come before or after; with all else it can change places.

Two that take back the same monitor leave the same behind in both orders.
"""


_POLL: Final = frozenset({"monitor", "scan", "barrier", "work"})
"""These look whether cookies are done."""

_LEADS_TO: Final = frozenset({"get_free_pages", "kvfree_rcu_queue_batch_ret", "kfree_rcu_monitor_ret"})
"""Lines before which a refill or a monitor that has let go of its lock has looked at nothing."""


class HiddenSteps(Dooms):
    """Makes them."""

    def _others_have_ended(self, state: State, line: Line) -> list[State]:
        """Whatever keeps this line's context from its CPU has come to its next line, or to its end."""
        states = [state]
        for ctx in list(state.under_way):
            if ctx == line.ctx or not self._has_ended(state, ctx, line):
                continue
            op = state.top(ctx)
            if op is not None and op.expects:
                return self._refuse(state, f"{op.expects[0]} was to come, and its CPU has gone on to something else")
            states = [after for before in states for after in self._settle(before, ctx)]
        return states

    def _has_ended(self, state: State, ctx: Ctx, line: Line) -> bool:
        """The line cannot have been written on that CPU before what the context is in the middle of is over."""
        op = state.top(ctx)
        if op is None or op.cpu_id != line.cpu or op.done:
            return False
        if ctx[0] == "hardirq" or (ctx[0] == "softirq" and line.ctx[0] in ("task", "idle")):
            return True
        if op.hidden:
            return op.irqs_off or (op.kind == "call" and self._has_gone_on(op, ctx, line))
        # A CPU does not idle while a worker of its own is about to end its work, which does not sleep.
        ends = op.expects[0].event == "workqueue_execute_end"
        return ends and line.raw.pid == 0 and self.told.lines[op.at].raw.comm.startswith(f"kworker/{line.cpu}:")

    def _has_gone_on(self, op: Operation, ctx: Ctx, line: Line) -> bool:
        """Whoever is on his way to krcp->lock is no longer, where the line is written on his CPU.

        He does not sleep there, and does not move: the CPU cannot idle before. Nor can another task run on it where he
        cannot be preempted.
        """
        if ctx[0] != "task" or line.ctx == ctx or not (op.ask is None or op.ask.kind is Kind.LOCK):
            return False
        if self.told.lines[op.at].cpu != op.cpu_id:
            return False  # it may not have come there yet
        return line.raw.pid == 0 or (line.ctx[0] == "task" and self.told.lines[op.at].stays)

    def _settle(self, state: State, ctx: Ctx) -> list[State]:
        """The context's hidden steps, in every order with those of others that may come first."""
        todo, settled = [state], []
        seen: set[tuple[Any, ...]] = set()
        while todo:
            state = todo.pop()
            op = state.top(ctx)
            if op is None or not op.hidden:
                settled.append(state)
                continue
            first = list(self._others_first(state, frozenset({ctx}), op.touches(), op.next_kind))
            if first or seen:
                self._make_whole(state)
                key = state.key()
                if key in seen:
                    continue
                seen.add(key)
                if len(seen) > MOST_STATES:
                    raise TooMany(f"line {self.told.lines[self.at].number}: too many orders of hidden steps")
            todo += first
            if self._may_go_on(state, ctx, op):
                todo += self._step(state, ctx)
        return settled

    def _may_go_on(self, state: State, ctx: Ctx, op: Operation) -> bool:
        """Its next step can be made now; else that is noted."""
        why = self._kept_from(state, ctx, op)
        if why:
            self._refuse(state, why)
        return not why

    def _kept_from(self, state: State, ctx: Ctx, op: Operation) -> str:
        ask = op.ask
        if ask is None:
            return ""
        if ask.kind is Kind.LOCK:
            for other_ctx, stack in state.under_way.items():
                for other in stack:
                    if other.holds == ask.cpu_id and (other_ctx != ctx or other is not op):
                        return f"the {other.kind} that has begun at line {self._number(other.at)} has krcp->lock"
        elif ask.kind is Kind.GRACE_PERIOD and not self.told.expedites:
            ended = self.told.period_after(op.at)
            if ended is None or ended >= self.at:
                return "a one-argument caller has not waited for a whole grace period"
        elif ask.kind is Kind.FINISHED:
            self._activate(state)
            role, asked = ask.told
            if self.place.works[ask.cpu_id][role].done < asked:
                return f"the {role} of CPU {ask.cpu_id}, that is waited for, has not finished"
        return ""

    def _others_first(self, state: State, but: frozenset[Ctx], touched: int, kind: str) -> Iterator[State]:
        """States in which a hidden step of somebody else, but of those, has come first, before one of some kind."""
        earlier = {op.alike for ctx in but if (op := state.top(ctx)) is not None and op.hidden}
        for other in list(state.under_way):
            op = state.top(other)
            if op is not None and op.alike is not None and op.hidden and other not in but:
                if op.alike in earlier:
                    continue
                earlier.add(op.alike)
            if other not in but and op is not None and op.hidden and not self._kept_from(state, other, op):
                if _meet(op, touched, kind):
                    yield from self._step(self._fork(state), other)
                elif op.whose < 0:
                    yield from self._others_on(state, other, but, touched, kind)
        if kind == WAITS_FOR:
            return
        yield from self._starts_first(state, touched, _PENDING_SEEN_BY[kind])
        yield from self._reads_first(state, touched)
        for come, make in self.period_steps.next(state.periods, self.at):
            if self._period_matters(state, kind, make):
                yield self._period_comes(self._fork(state), come, make)

    def _others_on(self, state: State, other: Ctx, but: frozenset[Ctx], touched: int, kind: str) -> Iterator[State]:
        """Somebody who goes from CPU to CPU has come to this one: in every order with thirds on the way."""
        todo, seen = [state], set()
        but |= {other}
        while todo:
            state = todo.pop()
            self._make_whole(state)
            if (key := state.key()) in seen:
                continue
            seen.add(key)
            op = state.top(other)
            if op is None or not op.hidden:
                continue
            todo += self._others_first(state, but, op.touches(), op.next_kind)
            if self._kept_from(state, other, op):
                continue
            meets = _meet(op, touched, kind)
            for after in self._step(self._fork(state), other):
                if meets:
                    yield after
                else:
                    todo.append(after)

    def _starts_first(self, state: State, touched: int, roles: frozenset[str]) -> Iterator[State]:
        """A worker has cleared a work's pending bit."""
        for at in self._active_starts:
            if at in state.started or self.told.lines[at].told["role"] not in roles:
                continue
            for whose in self._may_start(state, self.told.lines[at]):
                if _same(whose[0], touched):
                    after = self._fork(state)
                    self._clear_pending(after, whose, self.told.lines[at])
                    after.started[at] = whose
                    after.order = Step(f"CPU {whose[0]}'s {whose[1]} is no longer pending", at, after.order, early=True)
                    yield after

    def _reads_first(self, state: State, touched: int) -> Iterator[State]:
        """A snapshot was taken that is printed later."""
        for at in self._active_reads:
            printed = state_of(self.told.lines[at])
            if at in state.read or printed is None or printed.cpu not in self._scope:
                continue
            if _same(printed.cpu, touched):
                after = self._fork(state)
                if not self._reads_now(after, printed):
                    after.read |= {at}
                    after.order = Step(f"the snapshot of CPU {printed.cpu} is taken", at, after.order, early=True)
                    yield after

    def _period_matters(self, state: State, kind: str, make: Make) -> bool:
        """Whether a step of a grace period changes what such an operation sees."""
        if kind != "call":
            return kind in ("monitor", "scan", "barrier", "work")
        self._activate(state)
        return self.period_steps.changes_cookies(make, self.place.kvfree, self.place.periods)

    def _step(self, state: State, ctx: Ctx) -> list[State]:
        """The next step of what the context is in the middle of."""
        op = state.top(ctx)
        assert op is not None
        if op.ask is not None and op.ask.kind in HIDDEN | WAITS:
            state.order = Step(_in_words(op.kind, op.ask.kind), op.at, state.order)
        if op.looks_at_nothing:
            self.driver.step(op, op.cpu_id, 0)
            return [state]
        if state.cookies and op.kind in _POLL:
            return self._step_polling(state, ctx)
        return self._step_looking(state, ctx, op)

    def _step_polling(self, state: State, ctx: Ctx) -> list[State]:
        """The same by somebody who may poll a cookie of which nobody knows whether it is done."""
        before = self._fork(state)
        top = state.top(ctx)
        assert top is not None
        try:
            return self._step_looking(state, ctx, top)
        except NotSettled as open_cookie:
            self._loaded = None
            self.registers.touch(-1)
            after: list[State] = []
            for values in open_cookie.ways:
                settled = self._fork(before)
                settled.cookies = {**before.cookies, open_cookie.number: values}
                after += self._step_polling(settled, ctx)
            return after

    def _step_looking(self, state: State, ctx: Ctx, op: Operation) -> list[State]:
        self._activate(state)
        if not self.leaves_open:
            return self._step_on(state, ctx, op)
        before = self._fork(state)
        try:
            self.registers.looks.heedless = op.heedless
            if op.kind == "scan" and op.ask is not None and op.ask.kind is Kind.LOCK:
                # It takes all pages that there are, and counts them when it has let go of the lock.
                len(self.place.krcs[op.ask.cpu_id].cache)
            self._activate(state)
            return self._step_on(state, ctx, op)
        except NotLooked as unknown:
            return [after for known in self._ways(before, unknown) for after in self._step(known, ctx)]

    def _ways(self, state: State, unknown: NotLooked) -> list[State]:
        """A state for each of the ways in which something may be that somebody is about to look at."""
        self._loaded = None
        self.registers.touch(-1)
        ways = [self._fork(state) for _ in unknown.ways[1:]] + [state]
        for way, known in zip(ways, unknown.ways, strict=True):
            self._activate(way)
            self.registers.settle(unknown.cpu_id, known)
        return ways

    def _step_on(self, state: State, ctx: Ctx, op: Operation) -> list[State]:
        starts = self._following(op)
        if starts is not None and starts.event != "timer_start":
            starts = None
        lowest = max(state.jiffies, self.told.jiffies_before(self.at - 1))
        clock = _now_at(starts) if starts is not None else lowest
        spare = self._spare(op, lowest) if starts is None else -1
        again = self._fork(state) if starts is not None or spare >= 0 else None
        self._activate(state)
        jiffy = self.place.system.config.jiffy_ns
        complaint = self.driver.step(op, op.cpu_id, clock * jiffy)
        self._foresee(state, op)
        if complaint:
            return self._refuse(state, complaint)
        if again is not None and op.ask is not None and op.ask.kind is Kind.TIMER:
            if starts is not None:
                # The line tells what jiffies were when it was written; the delay was added to them before that.
                spare = int(str(starts.told["expires"])) - int(op.ask.told[1])
                if spare == clock or not lowest <= spare <= clock:
                    return [state]
            later = again.top(ctx)
            assert later is not None
            self._activate(again)
            if starts is None:
                # Jiffies may have gone on since they were last known: a timer that is due sooner is not shortened.
                again.jiffies = spare
            self.driver.step(later, later.cpu_id, spare * jiffy)
            return [again] if starts is not None else [state, again]
        return self._on_to_next_page(state, ctx, op)

    def _spare(self, op: Operation, lowest: int) -> int:
        """The least that jiffies must be for a timer that runs not to be shortened, if they may be; else -1."""
        if op.ask is None or op.ask.kind is not Kind.LOCK:
            return -1
        if not self.expecter.shows("timer_start"):
            return -1
        due = self.place.works[op.ask.cpu_id]["monitor"].expires
        return due - 1 if due is not None and lowest < due - 1 <= self.told.jiffies_after(self.at) else -1

    def _on_to_next_page(self, state: State, ctx: Ctx, op: Operation) -> list[State]:
        """A refill goes on from one page to the next, and a function to its end, without a look at anything.

        So does a monitor that frees nothing by itself; and a shrinker goes on to the next CPU's lock, if it does not
        matter how much that has. At the last one's it is about that CPU alone.
        """
        ask = op.ask
        if op.hidden and ask is not None and ask.kind is Kind.GOES_ON and not ask.told:
            if op.heedless or (op.kind == "monitor" and self.place.kvfree.rules.draining is None):
                return self._step(state, ctx)
        elif op.heedless and op.hidden and ask is not None and ask.cpu_id == len(self.place.krcs) - 1:
            op.whose = ask.cpu_id
        if op.kind in ("page", "monitor") and op.hidden and op.ask is not None and op.ask.kind is Kind.GOES_ON:
            following = self._following(op)
            if following is not None and following.event in _LEADS_TO:
                return self._step(state, ctx)
        return [state]

    def _may_start(self, state: State, line: Line) -> list[tuple[int, str]]:
        """Whose work a worker may be about to run."""
        self._activate(state)
        whose = line.told.get("whose")
        if whose is None and self.told.addresses and line.told["role"] != "krw":
            return []
        taken = {*state.started.values(), *self._not_told(state)}
        return [
            (cpu_id, role)
            for cpu_id, works in self._works()
            for role, work in works.items()
            if work.queued
            and work.on in (-1, line.cpu)
            and role.startswith(str(line.told["role"]))
            and (whose is None or whose == (cpu_id, role))
            and (cpu_id, role) not in taken
            and self._may_bear(work, line)
        ]

    def _not_told(self, state: State) -> Iterator[tuple[int, str]]:
        """Works whose being queued is told by a line that has not come: they are on no list before (__queue_work())."""
        for stack in state.under_way.values():
            for op in stack:
                for line in op.expects:
                    if line.event == "workqueue_queue_work":
                        yield line.cpu_id, str(line.told[0])

    def _clear_pending(self, state: State, whose: tuple[int, str], line: Line) -> None:
        """set_work_pool_and_clear_pending()."""
        self._activate(state)
        work = self.place.works[whose[0]][whose[1]]
        work.pending = work.queued = False
        self._is_named(work, line)
        self.registers.touch(whose[0])

    def _reads_now(self, state: State, printed: KrcState) -> str:
        """Why the snapshot was not taken now; "" if it may have been."""
        self._activate(state)
        lowest = max(state.jiffies, self.told.jiffies_before(self.at - 1))
        why, jiffies = differs(self.place, printed, lowest, self.told.jiffies_after(self.at))
        if not why and jiffies:
            state.jiffies = max(state.jiffies, jiffies)
        return why


@functools.cache
def _in_words(kind: str, asked: Kind) -> str:
    return f"{kind}: {asked.value}"


def _same(one: int, other: int) -> bool:
    """Two steps are about the same CPU's state; -1 is about any."""
    return one == other or one < 0 or other < 0


def _meet(op: Operation, touched: int, kind: str) -> bool:
    """The order of an operation's next step and one of some kind matters."""
    if not _same(op.touches(), touched):
        return False
    mine = op.next_kind
    if mine in _OF_ONE_WORK:
        return kind in _HEED[mine]
    return kind not in _OF_ONE_WORK or mine in _HEED[kind]


def _now_at(line: Line) -> int:
    """Jiffies when the line of a timer was written."""
    return int(str(line.told["expires"])) - int(str(line.told["delay"]))
