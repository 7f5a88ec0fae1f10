"""Of a trace: calls and frees, as far as they name objects; and what the rig has read out of each CPU's krcp."""

from __future__ import annotations

import attrs

from ..kvfree.words import state_words
from ..traces.events import (
    BulkCallback,
    BulkFreed,
    Call,
    Event,
    ObjectCallback,
    ObjectFreed,
    StateTold,
)
from ..traces.krc import KrcState
from .board import Board
from .elements import CounterKind, Krcp, Life, Stage


@attrs.define(eq=False)
class TracedObjects:
    """Lives, curves and states."""

    board: Board
    _serials: int = 0
    _given: dict[int, int] = attrs.field(factory=dict)
    """Objects given to kvfree_rcu() and not seen freed: their serial numbers, by address."""
    _outstanding: int = 0
    _bulk: int = 0
    """Objects freed in bulk, whose addresses no line tells."""
    _tracepoints: bool = False
    """RCU's tracepoints of frees are there; where not, the allocator's functions tell."""
    _calls: int = 0
    _states: int = 0

    def take(self, event: Event, lane: int, context: str) -> None:
        """One event, on that lane."""
        match event:
            case Call():
                self._called(event, lane, context)
            case BulkCallback():
                self._tracepoints = True
                self._freed_in_bulk(event.nr_records, event.time_ns)
            case ObjectCallback(head=head) if head is not None:
                self._tracepoints = True
                self._freed(head - event.offset, lane, event.time_ns, "by its own callback")
            case ObjectFreed():
                if event.address in self._given:
                    self._freed(event.address, lane, event.time_ns, f"{event.function}()")
            case BulkFreed(cache=0) if not self._tracepoints:
                self._freed_in_bulk(event.size, event.time_ns)
            case StateTold():
                self._state(event.state, event.time_ns)

    def _called(self, event: Call, lane: int, context: str) -> None:
        self._serials += 1
        self._calls += 1
        self._given[event.address] = self._serials
        form = "one argument" if event.one_argument else f"rcu_head at {event.offset}"
        caller = f", called by {event.caller}" if event.caller else ""
        where = f"{event.kind}, {form}, in {event.context or context}{caller}"
        self.board.drawing.life(Life(self._serials, event.address, Stage.RETIRED, lane, event.time_ns, where))
        self._count(1, event.time_ns)

    def _freed(self, address: int, lane: int, time_ns: int, how: str) -> None:
        serial = self._given.pop(address, None)
        if serial is not None:
            self.board.drawing.life(Life(serial, address, Stage.FREED, lane, time_ns, how))
            self._count(-1, time_ns)

    def _freed_in_bulk(self, objects: int, time_ns: int) -> None:
        self._bulk += objects
        self._count(-objects, time_ns)

    def _count(self, more: int, time_ns: int) -> None:
        # What was given before the first line is freed as well, and nobody knows how many that were.
        self._outstanding = max(0, self._outstanding + more)
        name = "given to kvfree_rcu(), not seen freed"
        self.board.curve(CounterKind.OBJECTS, name, "objects").set(time_ns, self._outstanding)

    def _state(self, state: KrcState, time_ns: int) -> None:
        self._states += 1
        words = state_words(
            count=state.count,
            head=state.head,
            slab=(state.slab, state.slab_pages),
            vmalloc=(state.vmalloc, state.vmalloc_pages),
            cached=state.cached,
            monitor_pending=state.monitor_pending,
            refill_pending=state.refill_pending,
            batches=[(batch.slab, batch.vmalloc, batch.head) for batch in state.batches],
        )
        cpu = state.cpu
        # It holds from then on only as far as anybody knows: the next snapshot may be long after.
        self.board.drawing.krcp(Krcp(cpu, time_ns, (*words, ("read out at", f"{time_ns / 1e6:,.3f} ms"))))
        blocks = state.slab_pages + state.vmalloc_pages
        self.board.curve(CounterKind.BLOCKS, f"blocks queued, CPU {cpu}", "blocks", cpu).set(time_ns, blocks)
        cached = self.board.curve(CounterKind.CACHED_PAGES, f"cached pages, CPU {cpu}", "pages", cpu)
        cached.set(time_ns, state.cached)

    def notes(self) -> list[str]:
        """What of these the trace does not tell."""
        said = []
        if not self._calls:
            said.append("calls of kvfree_rcu(): there is no probe on kvfree_call_rcu()")
        if self._bulk:
            said.append(f"which objects were freed in bulk, {self._bulk:,} of them: only how many at a time")
        if self._states:
            said.append("what a krcp held between two snapshots: they were taken between statements of the script")
        else:
            said.append("what each CPU's krcp held: nobody read it out")
        said.append("in which block an object was queued, and the pages on each CPU's list")
        return said
