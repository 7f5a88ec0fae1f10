"""Deeds: lines that what is under way in a context comes to next, and lines that are somebody else's."""

from __future__ import annotations

from typing import Final

from .asks import Kind
from .expected import Expected, matches
from .hidden import HiddenSteps
from .lines import Ctx, Line
from .operations import Operation
from .state import State

_NEVER_SHOWN: Final = 1

_PATIENT: Final = frozenset({"monitor", "page", "count", "scan", "barrier"})
"""These look at a CPU's state without its lock, too: whatever they do next may come any time before their next line."""

OTHERS_TOO: Final = frozenset(
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


class Deeds(HiddenSteps):
    """Explains lines by what is under way."""

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
            elif op.kind in ("count", "scan") and op.promised is not None:
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
            if op is None:
                explained += self._unowned(after, line)
            elif op.done and op.kind == "call" and line.event in ("timer_start", "hrtimer_start"):
                self._refuse(after, f"the call at line {self._number(op.at)} starts no more timers")
            elif op.done:
                self._end(after, line.ctx)
                explained += self._consume(after, line)
            elif (why := self._differs(after, op, line)) and not self._is_others(op, line):
                self._refuse(after, why)
            elif why:
                explained.append(after)
            else:
                explained += self._taken(after, op, line)
        return explained

    def _differs(self, state: State, op: Operation, line: Line) -> str:
        """Why a line is not the next deed; "" if it is."""
        wanted = op.expects[0]
        if self._is_of_vfree(line) and wanted.event == "kvfree" and wanted.told[0].is_from_before:
            return f"{wanted} was to come"  # whatever that is, this is another
        return matches(wanted, line) or self._untimely(state, op, line) or self._misnamed(state, op, line)

    def _is_of_vfree(self, line: Line) -> bool:
        """vfree() frees what it kept its pages in (mm/vmalloc.c)."""
        return line.event == "kvfree" and line.before >= 0 and self.told.lines[line.before].event == "vfree"

    def _misnamed(self, state: State, op: Operation, line: Line) -> str:
        """Why the line is about another work, by its hashed address."""
        if line.event != "workqueue_queue_work" or "name" not in line.told:
            return ""
        self._activate(state)
        wanted = op.expects[0]
        known = self._may_bear(self.place.works[wanted.cpu_id][wanted.told[0]], line)
        return "" if known else f"another work than that of {wanted} is queued"

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
        if self._is_of_vfree(line):
            return True
        asked = self.told.lines[op.at]
        if line.event == "get_free_pages" and line.before == asked.at and asked.told.get("gfp") == line.told["gfp"]:
            return False  # who is given no answer does not ask again
        if line.told.get("by") in ("fill_page_cache_func", "kvfree_call_rcu"):
            return False
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
        if line.event in OTHERS_TOO and not line.told.get("whose"):
            return [state]
        if line.event == "get_free_pages_ret" and line.told["by"] not in ("fill_page_cache_func", "kvfree_call_rcu"):
            return [state]
        return self._refuse(state, f"nothing does {line.event} here")

    def _taken(self, state: State, op: Operation, line: Line) -> list[State]:
        """The line is explained. What was waited for is answered with it."""
        wanted = op.expects[0]
        op.expects, op.at = op.expects[1:], line.at
        if op.ctx[0] == "task":
            op.cpu_id = line.cpu
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
            work = self.place.works[wanted.cpu_id][wanted.told[0]]
            work.on = int(str(line.told["on"]))
            self._is_named(work, line)
            self.registers.touch(wanted.cpu_id)
        elif wanted.event == "get_free_pages_ret":
            page = int(str(line.told["page"])) // 4096
            # Of a page that no later line shows, nothing is known but that it is none of those that are shown.
            op.answer = (page if self.told.pages.get(page, -1) > line.at else _NEVER_SHOWN) if page else None
        elif not op.expects and op.ask is not None and op.ask.kind is Kind.PAGE:
            # What was given is not shown.
            without, op.answer = self._fork(state), _NEVER_SHOWN
            return self._taken_on(state, op, line) + self._taken_on(without, without.under_way[line.ctx][-1], line)
        return self._taken_on(state, op, line)

    def _taken_on(self, state: State, op: Operation, line: Line) -> list[State]:
        """What comes of it, up to the next thing that is looked at."""
        if op.done:
            if op.kind != "call":
                self._end(state, line.ctx)
            return [state]
        if not op.expects and op.ask is not None and op.ask.kind is Kind.ENTER:
            return self._step(state, line.ctx)  # from its beginning to its first lock a function looks at nothing
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
