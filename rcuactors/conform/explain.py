"""The comparison: a set of possible states is carried along a recording, from line to line.

At each line every state has to explain it: what the context of the line was in the middle of makes its hidden steps,
and comes to a deed that is this line. Hidden steps of others may have come first, and then there are two states. They
are looked at only where they matter, before a step about the same CPU's state. States that are equal are one. When none
is left, mechanism and kernel disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..kvfree.parts.counting import loose
from .beginnings import IN_A_CALL, Beginnings
from .carried import TooMany
from .cookies import Known, known_at, untold_in
from .decisions import decision_of
from .factors import Factor, joined, taken_apart
from .lines import Line, Told, state_of
from .orders import Step
from .periods import Made
from .registers import Saved, bears
from .state import State
from .words import in_words

if TYPE_CHECKING:
    from ..eras.era import Era

_NEVER: Final = 1 << 62
MOST_WORLDS: Final = 64


@attrs.frozen
class Disagreement:
    """Where no state is left: the line, why each of the last ones could not be, and the states they were."""

    line: Line
    reasons: tuple[str, ...]
    states: tuple[str, ...] = ()
    """Each of the last possible states, in words."""
    tried: tuple[str, ...] = ()
    """The orders of hidden steps that were tried before the line, each with what came of it."""


@attrs.define(eq=False)
class Verdict:
    """What came of it."""

    compared: Counter[str] = attrs.field(factory=Counter)
    disagreement: Disagreement | None = None
    undecided: str = ""
    interrupted: bool = False
    hidden_steps: int = 0
    most_states: int = 1
    calls: int = 0


class Explainer(Beginnings):
    """One recording held against one version."""

    def __init__(self, told: Told, era: Era) -> None:
        super().__init__(told, era)
        self.verdict = Verdict()
        self.watch: Callable[[int], bool] | None = None
        """Is told the number of each line, and says whether to go on."""
        self._last: list[tuple[frozenset[int], Saved, list[tuple[str, int]]]] = []
        self.worlds: list[list[Factor]] = []
        """A world for each way in which tasks may have been moved between their call's probe and krcp->lock."""
        self._splits = True
        self._starts = _windows(told, "workqueue_execute_start")
        self._reads = _windows(told, "state")
        self._trouble = dict(reversed(told.trouble))
        self._handlers: dict[str, Callable[[State, Line], list[State]]] = {
            "kvfree_call_rcu": self._begin_call,
            "hrtimer_expire_entry": self._hrtimer_expires,
            "timer_expire_entry": self._timer_expires,
            "workqueue_queue_work": self._queued,
            "workqueue_execute_start": self._executes,
            "shrink_count": self._counts,
            "shrink_scan": self._scans,
            "shrink_scan_ret": self._scan_returns,
            "runp": self._says,
            "kvfree_rcu_barrier": self._barrier,
            "state": self._snapshot,
            "synchronize_rcu": self._synchronizes,
            "rcu_grace_period": self._counts_only,
            "rcu_exp_grace_period": self._counts_only,
            **dict.fromkeys(_LOOKED_AT, self._consume),
        }

    def run(self, begin: int, end: int | None = None, starting: list[list[State]] | None = None) -> Verdict:
        """From the line after `begin`, at which the place was set to the first state; or from these of each CPU."""
        self.registers.touch(-1)
        come = self.period_steps.begin(begin, self.place.periods)
        saved = self.registers.save()
        cookies = self._cookies(come, begin)
        self._splits = not (self.period_steps.any or cookies)
        cpus = frozenset(range(len(self.place.krcs)))
        apart = [frozenset({cpu_id}) for cpu_id in cpus] if self._splits else [cpus]
        if starting is None:
            self.factors = [Factor(those, [State(saved, cookies=cookies, periods=come)]) for those in apart]
        else:
            for state in (state for states in starting for state in states):
                state.periods = come
            each = [Factor(frozenset({cpu_id}), states) for cpu_id, states in enumerate(starting)]
            self.factors = each if self._splits else [joined(each)]
            self.leaves_open = True
        self.worlds = [self.factors]
        starts, reads = iter(self._starts), iter(self._reads)
        next_start, next_read = next(starts, (_NEVER, 0)), next(reads, (_NEVER, 0))
        for line in self.told.lines[begin + 1 : end]:
            if self.watch is not None and not self.watch(line.number):
                self.verdict.interrupted = True
                break
            self.at = line.at
            while next_start[0] <= line.at:
                if next_start[1] >= line.at:
                    self._active_starts.append(next_start[1])
                next_start = next(starts, (_NEVER, 0))
            while next_read[0] <= line.at:
                if next_read[1] >= line.at:
                    self._active_reads.append(next_read[1])
                next_read = next(reads, (_NEVER, 0))
            if not self._look_at(line):
                self.verdict.disagreement = self._disagreement(line)
                break
            most = max(len(factor.states) for factors in self.worlds for factor in factors)
            self.verdict.most_states = max(self.verdict.most_states, most)
        self.verdict.hidden_steps = self.driver.steps
        return self.verdict

    def _cookies(self, come: Made, begin: int) -> Known:
        """What cookies may be worth that were taken before the place was set to the first state."""
        now = self.place.periods.registers()
        known = known_at(untold_in(self.place.krcs), self.period_steps.reach(come, begin, self.place.periods))
        self.place.periods.load(now)
        return known

    def _disagreement(self, line: Line) -> Disagreement:
        reasons = self._orders.reasons() or ("what is under way cannot have come to this line",)
        states = dict.fromkeys(
            in_words(cpu_id, saved, under_way, self.told, counts=self.place.kvfree.rules.counting is loose)
            for cpus, saved, under_way in self._last
            for cpu_id in sorted(cpus)
        )
        return Disagreement(line, reasons, tuple(states), self._orders.in_words(self.told))

    def _note(self, factor: Factor) -> None:
        """What is possible before a line, to be told if nothing explains it."""
        for state in factor.states:
            saved = state.saved if state.saved is not None else self.registers.save()
            tops = [
                (stack[-1].kind, stack[-1].at) for stack in state.under_way.values() if stack and not stack[-1].done
            ]
            self._last.append((factor.cpus, saved, tops))

    def _look_at(self, line: Line) -> bool:
        """Whether a state is left that explains the line."""
        self._orders.clear()
        self._last.clear()
        if line.at in self._trouble:
            self._orders.refuse(None, self._trouble[line.at])
            return False
        left: list[list[Factor]] = []
        for factors, moved_to in self._worlds_at(line):
            self.factors, self._moved_to = factors, moved_to
            if self._look_at_in(line):
                left.append(self.factors)
        for active in (self._active_starts, self._active_reads):
            if line.at in active:
                active.remove(line.at)
        self.worlds = left or self.worlds
        if len(left) > MOST_WORLDS:
            raise TooMany(f"line {line.number}: {len(left)} ways in which tasks may have been moved")
        if left and (kind := decision_of(line)):
            self.verdict.compared[kind] += 1
        return bool(left)

    def _worlds_at(self, line: Line) -> list[tuple[list[Factor], int | None]]:
        """Each world, and another where a call's task may have been moved before it took the lock."""
        worlds: list[tuple[list[Factor], int | None]] = []
        moves = self.told.moves(line) if line.event == "kvfree_call_rcu" else []
        for factors in self.worlds:
            for cpu_id in moves:
                copied = [Factor(one.cpus, [self._fork(state) for state in one.states]) for one in factors]
                worlds.append((copied, cpu_id))
            worlds.append((factors, None))
        return worlds

    def _look_at_in(self, line: Line) -> bool:
        """The same in one world."""
        owner = self._owner(line)
        self._note(owner)
        moved = Step(f"its task is moved to CPU {self._moved_to}", line.at) if self._moved_to is not None else None
        for factor in self.factors:
            for state in factor.states:
                state.order = moved if factor is owner else None
        if not all(self._look_away(factor, line) for factor in self.factors if factor is not owner):
            return False
        self._scope = owner.cpus
        explained = [
            after
            for state in owner.states
            for settled in self._others_have_ended(state, line)
            for after in self._explain(settled, line)
        ]
        owner.states = self._distinct(explained)
        self._take_apart(owner)
        return bool(owner.states)

    def _take_apart(self, owner: Factor) -> None:
        if len(owner.cpus) > 1 and self._splits and owner.states:
            for state in owner.states:
                self._make_whole(state)
            self.factors = [factor for factor in self.factors if factor is not owner] + taken_apart(owner)

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
        wanted = self._under_way_in(line) | self._about(line)
        if not wanted:
            wanted = self._candidates_for(line) if line.event in _ABOUT_ANY else {line.cpu}
        these = [factor for factor in self.factors if factor.cpus & (wanted or {line.cpu})]
        if len(these) == 1:
            return these[0]
        for factor in these:
            self._scope = factor.cpus
            for state in factor.states:
                self._make_whole(state)
        made = joined(these)
        self.factors = [factor for factor in self.factors if factor not in these] + [made]
        return made

    def _under_way_in(self, line: Line) -> set[int]:
        """The CPUs that is about which the line's context is in the middle of."""
        wanted: set[int] = set()
        for factor in self.factors:
            tops = (state.top(line.ctx) for state in factor.states)
            if any(op is not None and not op.done and not (op.hidden and op.kind == "call") for op in tops):
                wanted |= factor.cpus
        return wanted

    def _about(self, line: Line) -> set[int]:
        """The CPUs that the line itself is about, as far as it says."""
        whose, printed = line.told.get("whose"), state_of(line)
        if isinstance(whose, tuple):
            return {whose[0]}
        if line.event in _ABOUT_ANY:
            return self._known_by_name(line)
        if line.event == "kvfree_call_rcu":
            return {line.cpu if self._moved_to is None else self._moved_to}
        if line.event in IN_A_CALL and line.ctx[0] == "task":
            return {line.cpu}
        if line.event in ("shrink_count", "shrink_scan", "kvfree_rcu_barrier"):
            return set(range(len(self.place.krcs)))
        if printed is not None:
            return {printed.cpu}
        return set()

    def _known_by_name(self, line: Line) -> set[int]:
        """The CPUs of which one has the work that the line names, in all states that there are."""
        name = line.told.get("name", 0)
        for factor in self.factors if name else ():
            every = (state.saved if state.saved is not None else self.registers.save() for state in factor.states)
            if all(bears(saved, factor.cpus, name) for saved in every):
                return set(factor.cpus)
        return set()

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
                        case "workqueue_queue_work" if line.told["role"] != "krw":
                            work = works[str(line.told["role"])]
                            may = self.may_expire(work, line) and self._may_bear(work, line)
                        case "workqueue_queue_work":
                            may = any(
                                self.may_call_back(works[f"krw{index}"], line)
                                and self._may_bear(works[f"krw{index}"], line)
                                for index in (0, 1)
                            ) or any(
                                op.hidden and op.kind in ("monitor", "scan") and op.whose in (-1, cpu_id)
                                for stack in state.under_way.values()
                                for op in stack
                            )
                        case _:
                            may = line.at in state.started or bool(self._may_start(state, line))
                    if may:
                        found.add(cpu_id)
        return found

    def _explain(self, state: State, line: Line) -> list[State]:
        handler = self._handlers.get(line.event, self._passed)
        if line.at not in self.period_steps.bounds:
            return handler(state, line)
        return [after for come in self._periods_come(state, line) for after in handler(come, line)]


def _windows(told: Told, event: str) -> list[tuple[int, int]]:
    """(from which line on it may be, its line), of what comes before its line."""
    return sorted((line.before + 1, line.at) for line in told.lines if line.event == event)


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
