"""The comparison: a set of possible states is carried along a recording, from line to line.

At each line every state has to explain it: what the context of the line was in the middle of makes its hidden steps,
and comes to a deed that is this line. Hidden steps of others may have come first, and then there are two states. They
are looked at only where they matter, before a step about the same CPU's state. States that are equal are one. When none
is left, mechanism and kernel disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ..traces import Call, KrcState
from .asks import Kind
from .decisions import decision_of
from .expected import Expected, Expecter, matches
from .factors import GLOBAL, Factor, joined, taken_apart
from .lines import Ctx, Line, Told, state_of
from .operations import Driver, Operation
from .periods import PeriodSteps
from .registers import Registers
from .snapshots import differs
from .standins import Item, Place
from .state import State

if TYPE_CHECKING:
    from ..eras.era import Era

MOST_STATES: Final = 4000
"""As many at once are too many to decide anything."""

_NEVER: Final = 1 << 62
_NEVER_SHOWN: Final = 1


@attrs.frozen
class Disagreement:
    """Where no state is left: the line, why each of the last ones could not be, and the states they were."""

    line: Line
    reasons: tuple[str, ...]


class TooMany(Exception):
    """More states than can be carried."""


@attrs.define(eq=False)
class Verdict:
    """What came of it."""

    compared: Counter[str] = attrs.field(factory=Counter)
    disagreement: Disagreement | None = None
    undecided: str = ""
    hidden_steps: int = 0
    most_states: int = 1
    calls: int = 0


class Explainer:
    """One recording held against one version."""

    def __init__(self, told: Told, era: Era) -> None:
        self.told, self.era = told, era
        self.params = told.header.params
        self.place = Place(era, self.params, max(told.nr_cpus, 1))
        self.registers = Registers(self.place)
        later = era.rules.kvfree.snapshots is not None
        self.expecter = Expecter(told, later_kernel=later)
        self.driver = Driver(self.place, self.registers, self.expecter)
        self.verdict = Verdict()
        self.at = 0
        self._loaded: State | None = None
        self._reasons: list[str] = []
        self._serial = 0
        self.period_steps = PeriodSteps(told) if later else PeriodSteps.none()
        self._starts = sorted(
            (self._avail(line), line.at) for line in told.lines if line.event == "workqueue_execute_start"
        )
        self._reads = sorted((self._avail(line), line.at) for line in told.lines if line.event == "state")
        self._active_starts: list[int] = []
        self._active_reads: list[int] = []
        self.factors: list[Factor] = []
        self._splits = True
        self._scope: frozenset[int] = frozenset()
        self._trouble = dict(reversed(told.trouble))

    def _avail(self, line: Line) -> int:
        return line.before + 1

    # -- the way along the recording -----------------------------------------------------------------------------------

    def run(self, begin: int, end: int | None = None) -> Verdict:
        """From the line after `begin`, at which the place has been set to the first state."""
        self.registers.touch(-1)
        passed = self.period_steps.passed(begin, self.place.periods)
        saved = self.registers.save()
        self._splits = not self.period_steps.steps
        cpus = frozenset(range(len(self.place.krcs)))
        apart = [frozenset({cpu_id}) for cpu_id in cpus] if self._splits else [cpus]
        self.factors = [Factor(those, [State(saved, periods=passed)]) for those in apart]
        starts, reads = iter(self._starts), iter(self._reads)
        next_start, next_read = next(starts, (_NEVER, 0)), next(reads, (_NEVER, 0))
        for line in self.told.lines[begin + 1 : end]:
            self.at = line.at
            while next_start[0] <= line.at:
                if next_start[1] >= line.at:
                    self._active_starts.append(next_start[1])
                next_start = next(starts, (_NEVER, 0))
            while next_read[0] <= line.at:
                if next_read[1] >= line.at:
                    self._active_reads.append(next_read[1])
                next_read = next(reads, (_NEVER, 0))
            if not self._line(line):
                reasons = tuple(dict.fromkeys(self._reasons))
                self.verdict.disagreement = Disagreement(line, reasons)
                break
            most = max(len(factor.states) for factor in self.factors)
            self.verdict.most_states = max(self.verdict.most_states, most)
        self.verdict.hidden_steps = self.driver.steps
        return self.verdict

    def _line(self, line: Line) -> bool:
        self._reasons = []
        if line.at in self._trouble:
            self._reasons.append(self._trouble[line.at])
            return False
        owner = self._owner(line)
        for factor in self.factors:
            if factor is not owner and not self._look_away(factor, line):
                return False
        self._scope = owner.cpus
        explained: list[State] = []
        for state in owner.states:
            for settled in self._others_have_ended(state, line):
                explained += self._explain(settled, line)
        if line.at in self._active_starts:
            self._active_starts.remove(line.at)
        if line.at in self._active_reads:
            self._active_reads.remove(line.at)
        kind = decision_of(line)
        if explained and kind:
            self.verdict.compared[kind] += 1
        owner.states = self._distinct(explained)
        if len(owner.cpus) > 1 and self._splits and owner.states:
            for state in owner.states:
                self._make_whole(state)
            apart = taken_apart(owner)
            if len(apart) > 1:
                self.factors = [factor for factor in self.factors if factor is not owner] + apart
        return bool(owner.states)

    def _look_away(self, factor: Factor, line: Line) -> bool:
        """A line that is about others: it may say that what is hidden here has come to its end."""
        left: list[State] = []
        changed = False
        self._scope = factor.cpus
        for state in factor.states:
            if not any(ctx == line.ctx or self._has_ended(state, ctx, line) for ctx in state.under_way):
                left.append(state)
                continue
            changed = True
            for settled in self._others_have_ended(state, line):
                for after in self._passed(settled, line):
                    if after.under_way.get(line.ctx):
                        self._refuse(after, f"{after.under_way[line.ctx][-1].expects[:1]} was to come")
                    else:
                        left.append(after)
        factor.states = self._distinct(left) if changed else left
        return bool(left)

    def _owner(self, line: Line) -> Factor:
        """Which CPUs' states the line is about; those of several are joined."""
        if len(self.factors) == 1:
            return self.factors[0]
        wanted: set[int] = set()
        for factor in self.factors:
            for state in factor.states:
                op = state.top(line.ctx)
                if op is not None and not op.done and not (op.hidden and op.kind == "call"):
                    wanted |= factor.cpus
                    break
        whose, state_told = line.told.get("whose"), state_of(line)
        if line.event == "kvfree_call_rcu" or (line.event in _IN_A_CALL and line.ctx[0] == "task"):
            wanted.add(line.cpu)
        elif line.event in ("shrink_count", "shrink_scan", "kvfree_rcu_barrier"):
            wanted.update(range(len(self.place.krcs)))
        elif state_told is not None:
            wanted.add(state_told.cpu)
        elif isinstance(whose, tuple):
            wanted.add(whose[0])
        elif line.event in _ABOUT_ANY and not wanted:
            wanted |= self._candidates_for(line)
        if not wanted:
            wanted.add(line.cpu)
        these = [factor for factor in self.factors if factor.cpus & wanted]
        if len(these) == 1:
            return these[0]
        for factor in these:
            self._scope = factor.cpus
            for state in factor.states:
                self._make_whole(state)
        made = joined(these)
        self.factors = [factor for factor in self.factors if factor not in these] + [made]
        return made

    def _candidates_for(self, line: Line) -> set[int]:
        """The CPUs that a line without an address may be about."""
        found: set[int] = set()
        for factor in self.factors:
            self._scope = factor.cpus
            for state in factor.states:
                self._activate(state)
                for cpu_id in factor.cpus:
                    works = self.place.works[cpu_id]
                    match line.event:
                        case "hrtimer_expire_entry":
                            may = works["page"].hrtimer and works["page"].base in (-1, line.cpu)
                        case "timer_expire_entry":
                            work = works[str(line.told["role"])]
                            may = work.expires is not None and work.base in (-1, line.cpu)
                        case "workqueue_queue_work":
                            may = any(works[f"krw{index}"].pending for index in (0, 1))
                        case _:
                            may = line.at in state.started or bool(self._may_start(state, line))
                    if may:
                        found.add(cpu_id)
        return found

    def _distinct(self, states: list[State]) -> list[State]:
        if len(states) < 2:  # noqa: PLR2004
            return states
        found: dict[tuple[Any, ...], State] = {}
        for state in states:
            self._make_whole(state)
            key = state.key()
            other = found.get(key)
            if other is None or state.jiffies < other.jiffies:
                found[key] = state
        if len(found) > MOST_STATES:
            raise TooMany(f"line {self.told.lines[self.at].number}: {len(found)} possible states")
        return list(found.values())

    def _make_whole(self, state: State) -> None:
        """All that it is compared by is known."""
        for stack in state.under_way.values():
            for op in stack:
                if not op.over and op.held is None and op.steps:
                    self._activate(state)
                    if op.coroutine is None:
                        self.driver._make_again(op)
                    op.key()
        if state.saved is None:
            state.saved = self.registers.save()

    def _activate(self, state: State) -> None:
        """Load it. Whoever was loaded is saved."""
        if self._loaded is state and state.saved is None:
            return
        if self._loaded is not None and self._loaded.saved is None:
            self._loaded.saved = self.registers.save()
        assert state.saved is not None
        self.registers.load(state.saved)
        state.saved, self._loaded = None, state

    def _fork(self, state: State) -> State:
        if state.saved is None:
            state.saved = self.registers.save()
            self._loaded = None
        return State(
            state.saved,
            {ctx: [op.copy() for op in stack] for ctx, stack in state.under_way.items() if stack},
            dict(state.started),
            state.read,
            state.periods,
            state.jiffies,
            dict(state.told),
        )

    def _refuse(self, _state: State, why: str) -> list[State]:
        self._reasons.append(why)
        return []

    # -- hidden steps --------------------------------------------------------------------------------------------------

    def _others_have_ended(self, state: State, line: Line) -> list[State]:
        """Whatever keeps this line's context from its CPU has come to its next line, or to its end."""
        states = [state]
        for ctx in list(state.under_way):
            if ctx != line.ctx and self._has_ended(state, ctx, line):
                states = [after for before in states for after in self._settle(before, ctx)]
        return states

    def _has_ended(self, state: State, ctx: Ctx, line: Line) -> bool:
        op = state.top(ctx)
        if op is None or op.cpu_id != line.cpu or not op.hidden:
            return False
        if ctx[0] == "hardirq" or (ctx[0] == "softirq" and line.ctx[0] in ("task", "idle")):
            return True
        return op.irqs_off

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
            first = list(self._others_first(state, ctx, op.touches(), op.kind))
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
            self._reasons.append(why)
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
        elif ask.kind is Kind.GRACE_PERIOD:
            ended = self.told.period_after(op.at)
            if ended is None or ended >= self.at:
                return "a one-argument caller has not waited for a whole grace period"
        elif ask.kind is Kind.FINISHED:
            self._activate(state)
            role, asked = ask.told
            if self.place.works[ask.cpu_id][role].done < asked:
                return f"the {role} of CPU {ask.cpu_id}, that is waited for, has not finished"
        return ""

    def _number(self, at: int) -> int:
        return self.told.lines[at].number

    def _others_first(self, state: State, ctx: Ctx, touched: int, kind: str) -> Iterator[State]:
        """States in which a hidden step of somebody else has come first, before one of an operation of some kind."""
        for other in list(state.under_way):
            op = state.top(other)
            if other == ctx or op is None or not op.hidden or not _meet(op.touches(), touched):
                continue
            if self._kept_from(state, other, op):
                continue
            yield from self._step(self._fork(state), other)
        roles = _PENDING_SEEN_BY[kind]
        for at in self._active_starts:
            if at not in state.started and self.told.lines[at].told["role"] in roles:
                for whose in self._may_start(state, self.told.lines[at]):
                    if _meet(whose[0], touched):
                        after = self._fork(state)
                        self._clear_pending(after, whose)
                        after.started[at] = whose
                        yield after
        for at in self._active_reads:
            printed = state_of(self.told.lines[at])
            if (
                at not in state.read
                and printed is not None
                and printed.cpu in self._scope
                and _meet(printed.cpu, touched)
            ):
                after = self._fork(state)
                if not self._reads_now(after, printed):
                    after.read |= {at}
                    yield after
        if self.period_steps.may_come(state.periods, self.at) and self._period_matters(state, kind):
            after = self._fork(state)
            self._activate(after)
            self.period_steps.make(after.periods, self.place.periods)
            after.periods += 1
            yield after

    def _period_matters(self, state: State, kind: str) -> bool:
        """Whether the next step of a grace period changes what such an operation sees."""
        if kind != "call":
            return kind in ("monitor", "scan", "barrier", "work")
        self._activate(state)
        return self.period_steps.changes_cookies(state.periods, self.place.kvfree, self.place.periods)

    def _step(self, state: State, ctx: Ctx) -> list[State]:
        """The next step of what the context is in the middle of."""
        op = state.top(ctx)
        assert op is not None
        self._activate(state)
        lowest = max(state.jiffies, self.told.jiffies_before(self.at - 1))
        clock, spare = lowest, -1
        starts = self._following(op)
        if starts is not None and starts.event == "timer_start":
            clock = int(str(starts.told["expires"])) - int(str(starts.told["delay"]))
        else:
            starts = None
            if op.ask is not None and op.ask.kind is Kind.LOCK:
                due = self.place.works[op.ask.cpu_id]["monitor"].expires
                if due is not None and lowest < due - 1 <= self.told.jiffies_after(self.at):
                    spare = due - 1
        again = self._fork(state) if starts is not None or spare >= 0 else None
        if again is not None:
            self._activate(state)
        jiffy = self.place.system.config.jiffy_ns
        complaint = self.driver.step(op, op.cpu_id, clock * jiffy, self.at)
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
            self.driver.step(later, later.cpu_id, spare * jiffy, self.at)
            return [again] if starts is not None else [state, again]
        if op.kind == "page" and op.hidden and op.ask is not None and op.ask.kind is Kind.GOES_ON:
            following = self._following(op)
            if following is not None and following.event == "get_free_pages":
                # It goes on to the next page: nothing is looked at in between.
                return self._step(state, ctx)
        return [state]

    def _following(self, op: Operation) -> Line | None:
        after = self.told.lines[op.at].after
        return self.told.lines[after] if after >= 0 else None

    # -- works ---------------------------------------------------------------------------------------------------------

    def _works(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Those that are looked at now."""
        return ((cpu_id, self.place.works[cpu_id]) for cpu_id in sorted(self._scope))

    def _may_start(self, state: State, line: Line) -> list[tuple[int, str]]:
        """Whose work a worker may be about to run."""
        self._activate(state)
        whose = line.told.get("whose")
        if whose is None and self.told.addresses and line.told["role"] != "krw":
            return []
        taken = set(state.started.values())
        return [
            (cpu_id, role)
            for cpu_id, works in self._works()
            for role, work in works.items()
            if work.queued
            and work.on in (-1, line.cpu)
            and role.startswith(str(line.told["role"]))
            and (whose is None or whose == (cpu_id, role))
            and (cpu_id, role) not in taken
        ]

    def _clear_pending(self, state: State, whose: tuple[int, str]) -> None:
        """set_work_pool_and_clear_pending()."""
        self._activate(state)
        work = self.place.works[whose[0]][whose[1]]
        work.pending = work.queued = False
        self.registers.touch(whose[0])

    def _reads_now(self, state: State, printed: KrcState) -> str:
        """Why the snapshot was not taken now; "" if it may have been."""
        self._activate(state)
        lowest = max(state.jiffies, self.told.jiffies_before(self.at))
        why, jiffies = differs(self.place, printed, lowest, self.told.jiffies_after(self.at))
        if not why and jiffies:
            state.jiffies = max(state.jiffies, jiffies)
        return why

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _explain(self, state: State, line: Line) -> list[State]:
        handler = _HANDLERS.get(line.event)
        if handler is None:
            if line.event in _LOOKED_AT:
                return self._consume(state, line)
            return self._passed(state, line)
        return handler(self, state, line)

    def _passed(self, state: State, line: Line) -> list[State]:
        """A line of somebody else's in this context: what was hidden lies before it."""
        if not state.under_way.get(line.ctx):
            return [state]
        settled = self._settle(state, line.ctx)
        for after in settled:
            self._end(after, line.ctx)
        return settled

    def _end(self, state: State, ctx: Ctx) -> None:
        """What is over goes."""
        stack = state.under_way.get(ctx)
        while stack and stack[-1].done:
            op = stack.pop()
            if op.work is not None:
                self._activate(state)
                self.place.works[op.work[0]][op.work[1]].done += 1
                self.registers.touch(op.work[0])
            elif op.kind in ("count", "scan"):
                state.told[ctx] = (
                    (op.kind, op.returned) if op.kind == "count" else ("scan", (state.told.get(ctx), op.returned))
                )
        if stack is not None and not stack:
            del state.under_way[ctx]

    def _consume(self, state: State, line: Line) -> list[State]:
        """A line that has to be the next deed of what its context is in the middle of."""
        if not state.under_way.get(line.ctx):
            return self._unowned(state, line)
        explained: list[State] = []
        for after in self._settle(state, line.ctx):
            op = after.top(line.ctx)
            assert op is not None
            if op.done and op.kind == "call" and line.event in ("timer_start", "hrtimer_start"):
                self._refuse(after, f"the call at line {self._number(op.at)} starts no more timers")
            elif op.done:
                self._end(after, line.ctx)
                explained += self._consume(after, line)
            elif (why := matches(op.expects[0], line) or self._untimely(after, op, line)) and not self._is_others(
                op, line
            ):
                self._refuse(after, why)
            elif why:
                explained.append(after)
            else:
                explained += self._taken(after, op, line)
        return explained

    def _untimely(self, state: State, op: Operation, line: Line) -> str:
        """Why a timer's time is not that of its delay, from some moment on that was between the last line and this."""
        if line.event != "timer_start":
            return ""
        delay, expires = int(op.expects[0].told[1]), int(str(line.told["expires"]))
        now = expires - int(str(line.told["delay"]))
        lowest = max(state.jiffies, self.told.jiffies_before(line.at - 1))
        if lowest <= expires - delay <= now:
            return ""
        return f"a delay of {line.told['delay']} jiffies, but {op.expects[0]} was to come"

    def _is_others(self, op: Operation, line: Line) -> bool:
        """The line is what others do in such a context, too."""
        if line.event == "kvfree" and line.before >= 0 and self.told.lines[line.before].event == "vfree":
            return True  # vfree() frees what it kept its pages in (mm/vmalloc.c)
        if line.event in (
            "free_pages",
            "get_free_pages",
            "get_free_pages_ret",
            "vfree",
            "kvfree",
            "kmem_cache_free_bulk",
        ):
            return not any(one.event == line.event for one in op.expects[:1]) and op.kind not in (
                "work",
                "page",
                "scan",
                "monitor",
            )
        return False

    def _unowned(self, state: State, line: Line) -> list[State]:
        """A line in a context that is in the middle of nothing."""
        if line.event in _OTHERS_TOO and not line.told.get("whose"):
            return [state]
        if line.event == "get_free_pages_ret" and line.told["by"] not in ("fill_page_cache_func", "kvfree_call_rcu"):
            return [state]
        return self._refuse(state, f"nothing does {line.event} here")

    def _taken(self, state: State, op: Operation, line: Line) -> list[State]:
        """The line is explained. What was waited for is answered with it."""
        wanted = op.expects[0]
        op.expects, op.at = op.expects[1:], line.at
        if wanted.event == "timer_start":
            op.answer = line.told["expires"]
            self._activate(state)
            self.place.works[wanted.cpu_id][wanted.told[0]].base = int(str(line.told["base"]))
            self.registers.touch(wanted.cpu_id)
            state.jiffies = max(state.jiffies, int(str(line.told["expires"])) - int(str(line.told["delay"])))
        elif wanted.event == "hrtimer_start":
            self._activate(state)
            # A CPU that is not idle keeps what it starts (get_nohz_timer_target()).
            self.place.works[wanted.cpu_id]["page"].base = line.cpu if line.raw.pid else -1
            self.registers.touch(wanted.cpu_id)
        elif wanted.event == "workqueue_queue_work":
            self._activate(state)
            self.place.works[wanted.cpu_id][wanted.told[0]].on = int(str(line.told["on"]))
            self.registers.touch(wanted.cpu_id)
        elif wanted.event == "get_free_pages_ret":
            page = int(str(line.told["page"])) // 4096
            # Of a page that no later line shows, nothing is known but that it is none of those that are shown.
            op.answer = (page if self.told.pages.get(page, -1) > line.at else _NEVER_SHOWN) if page else None
        if op.ctx[0] == "task":
            op.cpu_id = line.cpu
        if op.done:
            if op.kind != "call":
                self._end(state, line.ctx)
            return [state]
        if op.expects or op.kind in _PATIENT or (op.ask is not None and op.ask.kind is Kind.GRACE_PERIOD):
            return [state]
        return self._step(state, line.ctx)

    def _push(self, state: State, op: Operation) -> list[State]:
        """Something begins; up to its first lock nothing is looked at."""
        stack = state.under_way.setdefault(op.ctx, [])
        stack.append(op)
        if op.expects or op.kind in _PATIENT:
            return [state]
        return self._step(state, op.ctx)

    def _free_context(self, state: State, line: Line) -> list[State]:
        """Whatever the context was in the middle of is over, or waits for a page, and reclaims."""
        free: list[State] = []
        for after in self._passed(state, line):
            op = after.top(line.ctx)
            if op is None or op.expects[:1] == (Expected("get_free_pages_ret", -1, op.expects[0].told),):
                free.append(after)
            else:
                self._refuse(after, f"{op.expects[0] if op.expects else op.ask} was to come")
        return free

    def _begin_call(self, state: State, line: Line) -> list[State]:
        call = cast("Call", line.told["call"])
        explained: list[State] = []
        item = self._item(line, call)
        head = not call.one_argument

        def begin() -> Coroutine[Any, Any, Any]:
            return self.place.kvfree.kvfree_call_rcu(cast("Any", self.place.thread), cast("Any", item), head=head)

        following = self.told.lines[line.after] if line.after >= 0 else None
        keeps = following is not None and following.event in _IN_A_CALL
        for after in self._free_context(state, line):
            explained += self._push(
                after, Operation("call", line.ctx, begin, line.at, line.cpu, line.irqs_off, keeps=keeps, whose=line.cpu)
            )
        return explained

    def _item(self, line: Line, call: Call) -> Item:
        item = line.told.get("item")
        if not isinstance(item, Item):
            item = Item(line.at, call.address, call.offset, is_vmalloc=call.kind == "vmalloc")
            line.told["item"] = item
        return item

    def _hrtimer_expires(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for before in self._passed(state, line):
            self._activate(before)
            whose = line.told.get("whose")
            candidates = [
                cpu_id
                for cpu_id, works in self._works()
                if works["page"].hrtimer
                and works["page"].base in (-1, line.cpu)
                and (whose is None or whose == (cpu_id, "page"))
            ]
            if not candidates:
                self._refuse(before, "no refill's hrtimer has been started")
            for after, cpu_id in self._each(before, candidates):
                self._activate(after)
                work = self.place.works[cpu_id]["page"]
                work.hrtimer = False
                self.registers.touch(cpu_id)
                handler, cpu = work.handler, self.place.cpus[line.cpu]
                op = Operation(
                    "timer", line.ctx, _beginning(handler, cpu), line.at, line.cpu, irqs_off=True, whose=cpu_id
                )
                explained += self._push(after, op)
        return explained

    def _each(self, state: State, candidates: list[Any]) -> Iterator[tuple[State, Any]]:
        """A state of its own for each candidate."""
        for candidate in candidates[1:]:
            yield self._fork(state), candidate
        if candidates:
            yield state, candidates[0]

    def _timer_expires(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        role, now = str(line.told["role"]), int(str(line.told["now"]))
        for before in self._passed(state, line):
            self._activate(before)
            whose = line.told.get("whose")
            candidates = [
                cpu_id
                for cpu_id, works in self._works()
                if (due := works[role].expires) is not None
                and due <= now
                and works[role].base in (-1, line.cpu)
                and (whose is None or whose == (cpu_id, role))
            ]
            if not candidates:
                self._refuse(before, f"no {role} timer is due")
            for after, cpu_id in self._each(before, candidates):
                self._activate(after)
                work = self.place.works[cpu_id][role]
                work.expires, work.queued = None, True
                self.registers.touch(cpu_id)
                name = self._workqueue()
                expects = self.expecter.only(Expected("workqueue_queue_work", cpu_id, (role, name)))
                op = Operation(
                    "timer", line.ctx, _nothing, line.at, line.cpu, True, expects=expects, over=True, whose=cpu_id
                )
                after.under_way.setdefault(line.ctx, []).append(op)
                explained.append(after)
        return explained

    def _workqueue(self) -> str:
        return self.expecter.workqueue(str(self.place.kvfree.workqueue))

    def _queued(self, state: State, line: Line) -> list[State]:
        """Of a batch: its callback has been called; all others by what has begun."""
        if line.told["role"] != "krw":
            return self._consume(state, line)
        if line.told["workqueue"] != self._workqueue():
            return self._refuse(state, f"the workqueue is {self._workqueue()}")
        self._activate(state)
        whose, explained = line.told.get("whose"), []
        candidates = []
        for cpu_id, works in self._works():
            for role, work in works.items():
                if not role.startswith("krw") or not work.pending or work.queued:
                    continue
                if whose is not None and whose != (cpu_id, role):
                    continue
                ended = self.told.period_after(work.since)
                if ended is None or ended >= line.at:
                    self._reasons.append(f"no whole grace period has passed since CPU {cpu_id}'s {role} was asked for")
                    continue
                candidates.append((cpu_id, role))
        if not candidates:
            return self._refuse(state, "no batch waits for a grace period that has ended")
        for after, (cpu_id, role) in self._each(state, candidates):
            self._activate(after)
            work = self.place.works[cpu_id][role]
            work.queued, work.on = True, int(str(line.told["on"]))
            self.registers.touch(cpu_id)
            explained.append(after)
        return explained

    def _executes(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for before in self._free_context(state, line):
            if line.at in before.started:
                candidates = [before.started.pop(line.at)]
                cleared = True
            else:
                cleared = False
                candidates = self._may_start(before, line)
                if not candidates:
                    self._refuse(before, f"no {line.told['role']} is queued")
            for after, whose in self._each(before, candidates):
                # Who cleared the bit did so at some time before; the last possible is now.
                for ready in [after] if cleared else self._cleared_last(after, line, whose):
                    explained += self._push(ready, self._run_of(line, whose))
        return explained

    def _cleared_last(self, state: State, line: Line, whose: tuple[int, str]) -> list[State]:
        first = [
            after for after in self._others_first(state, line.ctx, whose[0], "start") if line.at not in after.started
        ]
        ready = []
        for after in [state, *first]:
            if whose in self._may_start(after, line):
                self._clear_pending(after, whose)
                ready.append(after)
        return ready

    def _run_of(self, line: Line, whose: tuple[int, str]) -> Operation:
        cpu_id, role = whose
        work = self.place.works[cpu_id][role]
        kind = "work" if role.startswith("krw") else role
        function = {"work": "kfree_rcu_work", "page": "fill_page_cache_func", "monitor": "kfree_rcu_monitor"}[kind]
        returns = {"work": "kfree_rcu_work_ret", "page": "fill_page_cache_func_ret", "monitor": ""}[kind]
        entry = () if kind == "monitor" else self.expecter.only(Expected(function))
        ends = self.expecter.only(*([Expected(returns)] if returns else []), Expected("workqueue_execute_end"))
        return Operation(
            kind,
            line.ctx,
            lambda: work.function(self.place.thread.cpu),
            line.at,
            line.cpu,
            ends_with=ends,
            work=whose,
            expects=entry,
            whose=whose[0],
        )

    def _counts(self, state: State, line: Line) -> list[State]:
        return self._begin_shrinking(
            state, line, "count", lambda: self.place.shrinker.count(cast("Any", self.place.thread))
        )

    def _scans(self, state: State, line: Line) -> list[State]:
        wanted = self._nr_to_scan(line)
        return self._begin_shrinking(
            state, line, "scan", lambda: self.place.shrinker.scan(cast("Any", self.place.thread), wanted)
        )

    def _begin_shrinking(self, state: State, line: Line, kind: str, begin: Callable[[], Any]) -> list[State]:
        ends = self.expecter.only(Expected("shrink_scan_ret")) if kind == "scan" else ()
        explained: list[State] = []
        for after in self._free_context(state, line):
            explained += self._push(
                after, Operation(kind, line.ctx, begin, line.at, line.cpu, line.irqs_off, ends_with=ends)
            )
        return explained

    def _nr_to_scan(self, line: Line) -> int:
        """sc->nr_to_scan, which the script says afterwards; reclaim's own is SHRINK_BATCH at most."""
        at = line.after
        while at >= 0:
            told = self.told.lines[at].told
            if "nr_to_scan" in told:
                return int(str(told["nr_to_scan"]))
            if self.told.lines[at].event in ("shrink_scan", "shrink_count"):
                break
            at = self.told.lines[at].after
        return 128

    def _scan_returns(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for after in self._settle(state, line.ctx):
            op = after.top(line.ctx)
            if op is None or op.kind != "scan" or not op.over:
                self._refuse(after, "the scan was not over")
            elif (op.returned if op.returned is not None else -1) != line.told["returned"] and not (
                op.returned is None and str(line.told["returned"]) in ("18446744073709551615", "-1")
            ):
                self._refuse(after, f"{line.told['returned']} is returned, not {op.returned}")
            else:
                explained += self._taken(after, op, line)
        return explained

    def _says(self, state: State, line: Line) -> list[State]:
        """The script says what it did."""
        explained: list[State] = []
        for after in self._free_context(state, line):
            if "freed" not in line.told:
                explained.append(after)
                continue
            said = after.told.pop(line.ctx, None)
            count = freed = None
            if said is not None and said[0] == "scan":
                before, freed = said[1]
                count = before[1] if before is not None else None
                freed = freed if freed is not None else -1
            elif said is not None:
                count, freed = said[1], 0
            if (count, freed) != (line.told["count"], line.told["freed"]):
                self._refuse(after, f"count={line.told['count']} freed={line.told['freed']}, not {count}, {freed}")
            else:
                explained.append(after)
        return explained

    def _barrier(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for after in self._free_context(state, line):
            op = Operation(
                "barrier",
                line.ctx,
                lambda: self.place.kvfree.barriers.kvfree_rcu_barrier(cast("Any", self.place.thread)),
                line.at,
                line.cpu,
                ends_with=self.expecter.only(Expected("kvfree_rcu_barrier_ret")),
            )
            explained += self._push(after, op)
        return explained

    def _snapshot(self, state: State, line: Line) -> list[State]:
        printed = state_of(line)
        assert printed is not None
        explained: list[State] = []
        for after in self._free_context(state, line):
            if line.at in after.read:
                after.read -= {line.at}
                explained.append(after)
                continue
            for last in [
                after,
                *(one for one in self._others_first(after, line.ctx, printed.cpu, "read") if line.at not in one.read),
            ]:
                why = self._reads_now(last, printed)
                if why:
                    self._refuse(last, why)
                else:
                    explained.append(last)
        return explained

    def _synchronizes(self, state: State, line: Line) -> list[State]:
        """synchronize_rcu(): a one-argument caller's, or the script's."""
        explained: list[State] = []
        for after in self._passed(state, line):
            op = after.top(line.ctx)
            if op is not None and op.expects and not matches(op.expects[0], line):
                explained += self._taken(after, op, line)
            elif op is None:
                explained.append(after)
            else:
                self._refuse(after, f"{op.expects[0] if op.expects else op.ask} was to come")
        return explained

    def _period(self, state: State, line: Line) -> list[State]:
        """The thread of the grace periods has made the steps that come before this line."""
        self._activate(state)
        while self.period_steps.must_have_come(state.periods, line.at):
            self.period_steps.make(state.periods, self.place.periods)
            state.periods += 1
        return [state]


def _meet(one: int, other: int) -> bool:
    """Two steps are about the same CPU's state."""
    return one == other or one < 0 or other < 0


async def _nothing() -> None:
    """What is over before it begins."""


def _beginning(function: Any, *arguments: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    return lambda: function(*arguments)


_PENDING_SEEN_BY: Final[dict[str, frozenset[str]]] = {
    "call": frozenset({"monitor"}),
    "work": frozenset(),
    "page": frozenset(),
    "timer": frozenset({"page"}),
    "monitor": frozenset({"krw", "monitor"}),
    "scan": frozenset({"krw", "monitor"}),
    "count": frozenset(),
    "barrier": frozenset({"krw", "monitor"}),
    "start": frozenset(),
    "read": frozenset({"monitor", "page"}),
}
"""Of which works' pending bits an operation sees anything. (A snapshot is a kind of its own, as is the clearing.)"""

_PATIENT: Final = frozenset({"monitor", "page", "count", "scan", "barrier"})
"""These look at a CPU's state without its lock, too: whatever they do next may come any time before their next line."""

_IN_A_CALL: Final = frozenset(
    {
        "",
        "hrtimer_start",
        "timer_start",
        "get_free_pages",
        "get_free_pages_ret",
        "synchronize_rcu",
        "workqueue_queue_work",
        "vfree",
        "kvfree",
    }
)

_OTHERS_TOO: Final = frozenset(
    {
        "free_pages",
        "get_free_pages",
        "vfree",
        "kvfree",
        "kmem_cache_free_bulk",
        "timer_start",
        "synchronize_rcu",
    }
)
"""What others do as well, where it does not say that it is kvfree_rcu()'s."""

_ABOUT_ANY: Final = frozenset(
    {"hrtimer_expire_entry", "timer_expire_entry", "workqueue_queue_work", "workqueue_execute_start"}
)
"""Lines that say whose they are only by an address, which may be hashed."""

_LOOKED_AT: Final = frozenset(
    {
        "hrtimer_start",
        "timer_start",
        "workqueue_execute_end",
        "fill_page_cache_func",
        "fill_page_cache_func_ret",
        "get_free_pages",
        "get_free_pages_ret",
        "free_pages",
        "kfree_rcu_monitor",
        "kfree_rcu_monitor_ret",
        "kfree_rcu_work",
        "kfree_rcu_work_ret",
        "kmem_cache_free_bulk",
        "rcu_invoke_kfree_bulk_callback",
        "rcu_invoke_kvfree_callback",
        "kvfree_rcu_bulk",
        "kvfree_rcu_list",
        "kvfree_rcu_queue_batch",
        "kvfree_rcu_queue_batch_ret",
        "kvfree_rcu_barrier_ret",
        "vfree",
        "kvfree",
    }
)

_HANDLERS: Final[dict[str, Callable[[Explainer, State, Line], list[State]]]] = {
    "kvfree_call_rcu": Explainer._begin_call,
    "hrtimer_expire_entry": Explainer._hrtimer_expires,
    "timer_expire_entry": Explainer._timer_expires,
    "workqueue_queue_work": Explainer._queued,
    "workqueue_execute_start": Explainer._executes,
    "shrink_count": Explainer._counts,
    "shrink_scan": Explainer._scans,
    "shrink_scan_ret": Explainer._scan_returns,
    "runp": Explainer._says,
    "kvfree_rcu_barrier": Explainer._barrier,
    "state": Explainer._snapshot,
    "synchronize_rcu": Explainer._synchronizes,
    "rcu_grace_period": Explainer._period,
}
