"""Beginnings: lines at which something begins: a call, a timer's handler, a work, a barrier, a snapshot."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from ..mm.objects import PAGE_SIZE
from ..traces import Call
from .expected import Expected, matches
from .lines import Line, Told, state_of
from .operations import Operation
from .shrinking import Shrinking, beginning
from .standins import LONG_AGO, Deferred, Item
from .state import State

if TYPE_CHECKING:
    from ..eras.era import Era

IN_A_CALL: Final = frozenset(
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
"""Lines that a call may come to."""


class Beginnings(Shrinking):
    """Explains lines that begin something."""

    def __init__(self, told: Told, era: Era) -> None:
        super().__init__(told, era)
        self._anonymous: dict[int, Item] = {}
        self._moved_to: int | None = None
        """Where the task of the call that is looked at was moved before it took the lock, if it was."""

    def _begin_call(self, state: State, line: Line) -> list[State]:
        call = cast("Call", line.told["call"])
        explained: list[State] = []
        item = self._item(line, call)
        head = not call.one_argument

        def begin() -> Coroutine[Any, Any, Any]:
            return self.place.kvfree.kvfree_call_rcu(cast("Any", self.place.thread), cast("Any", item), head=head)

        following = self.told.lines[line.after] if line.after >= 0 else None
        keeps = following is not None and following.event in IN_A_CALL
        foreseen = item if line.at in self.told.listed else None
        alike = (line.cpu, item) if following is None and self.told.anonymous and line.ctx[0] == "task" else None
        cpu_id = line.cpu if self._moved_to is None else self._moved_to
        for after in self._free_context(state, line):
            op = Operation("call", line.ctx, begin, line.at, cpu_id, line.irqs_off, keeps=keeps, whose=cpu_id)
            op.item, op.alike = foreseen, alike
            explained += self._push(after, op)
        return explained

    def _item(self, line: Line, call: Call) -> Item:
        item = line.told.get("item")
        if not isinstance(item, Item):
            if self.told.anonymous and call.kind != "vmalloc":
                item = self.anonymous_item(call.offset)
            else:
                item = Item(line.at, call.address, call.offset, is_vmalloc=call.kind == "vmalloc")
            self.expecter.offsets[item.address] = call.offset
            line.told["item"] = item
        return item

    def anonymous_item(self, offset: int) -> Item:
        """An object of the slab of which nothing shows but where in it its rcu_head is."""
        item = self._anonymous.get(offset)
        if item is None:
            # An address at which nothing can be, by which its offset is found again.
            item = self._anonymous[offset] = Item(-1 - offset, (offset + 1) * PAGE_SIZE, offset, is_vmalloc=False)
            self.expecter.offsets[item.address] = offset
        return item

    def _hrtimer_expires(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for before in self._before_timer(state, line):
            self._activate(before)
            whose = line.told.get("whose")
            candidates = [
                cpu_id
                for cpu_id, works in self._works()
                if works["page"].hrtimer
                and (whose is not None or works["page"].base in (-1, line.cpu))
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
                    "timer", line.ctx, beginning(handler, cpu), line.at, line.cpu, irqs_off=True, whose=cpu_id
                )
                explained += self._push(after, op)
        return explained

    def _timer_expires(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        role, now = str(line.told["role"]), int(str(line.told["now"]))
        for before in self._before_timer(state, line):
            self._activate(before)
            whose = line.told.get("whose")
            candidates = [
                cpu_id
                for cpu_id, works in self._works()
                if (due := works[role].expires) is not None
                and due <= now
                # Where it is known whose it is, any CPU may run it for one that is idle (tmigr_handle_remote()).
                and (works[role].base in (-1, line.cpu) if whose is None else whose == (cpu_id, role))
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

    def _before_timer(self, state: State, line: Line) -> list[State]:
        """A timer leaves its list before it says so: snapshots may have been taken while it was there."""
        return [
            ready for before in self._passed(state, line) for ready in (before, *list(self._reads_first(before, -1)))
        ]

    def _workqueue(self) -> str:
        return self.expecter.workqueue(str(self.place.kvfree.workqueue))

    def _queued(self, state: State, line: Line) -> list[State]:
        """Of a batch: its callback has been called; all others by what has begun."""
        if line.told["role"] != "krw":
            return self._consume(state, line) if self.expecter.shows("timer_start") else self._by_timer(state, line)
        if line.told["workqueue"] != self._workqueue():
            return self._refuse(state, f"the workqueue is {self._workqueue()}")
        explained: list[State] = []
        first, waited = self._batches_first(state, line), set(self._may_be_queued(state, line))
        for after in [state, *first]:
            candidates = (
                sorted(set(self._may_be_queued(after, line)) - waited) if after is not state else sorted(waited)
            )
            for one, (cpu_id, role) in self._each(after, candidates):
                self._activate(one)
                work = self.place.works[cpu_id][role]
                work.queued, work.on = True, int(str(line.told["on"]))
                self._is_named(work, line)
                self.registers.touch(cpu_id)
                explained.append(one)
        return explained or self._refuse(state, "no batch waits for a grace period that has ended")

    def _batches_first(self, state: State, line: Line) -> list[State]:
        """Who starts batches has done so, if it is still hidden."""
        first: list[State] = []
        for ctx in list(state.under_way):
            op = state.top(ctx)
            if op is not None and op.hidden and op.kind in ("monitor", "scan") and ctx != line.ctx:
                first += self._settle(self._fork(state), ctx)
        return first

    def _may_be_queued(self, state: State, line: Line) -> list[tuple[int, str]]:
        """Batches whose grace period is over."""
        self._activate(state)
        whose, candidates = line.told.get("whose"), []
        for cpu_id, works in self._works():
            for role, work in works.items():
                if not role.startswith("krw") or not work.pending or work.queued or work.turn not in (-1, line.at):
                    continue
                if (whose is not None and whose != (cpu_id, role)) or not self._may_bear(work, line):
                    continue
                if whose is None and not self.may_call_back(work, line):
                    continue
                ended = self.told.period_after(work.since)
                if self.told.tells_periods and work.since != LONG_AGO and (ended is None or ended >= line.at):
                    self._refuse(state, f"no whole grace period has passed since CPU {cpu_id}'s {role} was asked for")
                    continue
                candidates.append((cpu_id, role))
        return [whose for whose in candidates if self.place.works[whose[0]][whose[1]].turn == line.at] or candidates

    @staticmethod
    def may_call_back(work: Deferred, line: Line) -> bool:
        """A CPU's softirqs call back what was asked for there."""
        return work.pending and (line.ctx[0] != "softirq" or work.base in (-1, line.cpu))

    def _by_timer(self, state: State, line: Line) -> list[State]:
        """A monitor or a refill is queued, in a recording that does not show delayed works' timers.

        It is what its context is in the middle of, or a timer has expired. When is not compared: jiffies are not known.
        """
        role, explained = str(line.told["role"]), []
        for after in self._passed(state, line):
            op = after.top(line.ctx)
            if op is not None:
                explained += self._consume(after, line)
                continue
            if line.told["workqueue"] != self._workqueue():
                self._refuse(after, f"the workqueue is {self._workqueue()}")
                continue
            self._activate(after)
            candidates = [
                cpu_id
                for cpu_id, works in self._works()
                if self.may_expire(works[role], line) and self._may_bear(works[role], line)
            ]
            if not candidates:
                self._refuse(after, f"no {role}'s timer runs")
            for one, cpu_id in self._each(after, candidates):
                self._activate(one)
                work = self.place.works[cpu_id][role]
                work.expires, work.queued, work.on = None, True, int(str(line.told["on"]))
                self._is_named(work, line)
                self.registers.touch(cpu_id)
                explained.append(one)
        return explained

    @staticmethod
    def may_expire(work: Deferred, line: Line) -> bool:
        """Its timer runs, and may be one of this CPU's."""
        return work.pending and work.expires is not None and work.base in (-1, line.cpu)

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
            after
            for after in self._others_first(state, frozenset({line.ctx}), whose[0], "start")
            if line.at not in after.started
        ]
        ready = []
        for after in [state, *first]:
            if whose in self._may_start(after, line):
                self._clear_pending(after, whose, line)
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
                *(
                    one
                    for one in self._others_first(after, frozenset({line.ctx}), printed.cpu, "read")
                    if line.at not in one.read
                ),
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

    def _counts_only(self, state: State, _line: Line) -> list[State]:
        """A line about grace periods, whoever has written it: counters move, and nobody has gone on."""
        return [state]


async def _nothing() -> None:
    """What is over before it begins."""
