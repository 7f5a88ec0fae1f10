"""Elections: the two ways in which "who goes next" is a decision. Pure data structures, without Trio.

`ByClock` is a discrete-event simulation: the smallest clock goes first, and only actors that stand at the same
nanosecond are a decision. `Anyone` asks at every point: whoever paused may go on, or time passes to the earliest who
waits for a point of it; time then stretches so that it never runs backwards, as on a machine whose processors are
stopped now and then. Which of the two is the strategy's matter.

What the strategy is shown is the election itself behind a read-only face: nothing is built, named or sorted for a
decision that nobody looks at.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

from .decision import Race, Tie

if TYPE_CHECKING:
    from .actor import Actor
    from .line import Line

FOREVER: Final = 1 << 62
"""A virtual time that no run reaches, in nanoseconds."""

BLOCKED: Final = 0
"""Ticket of an actor that stands in no line: it waits for somebody."""

STAYS: Final = -1
"""Ticket of one that stands in line where it is, and has no place in a queue of those that wait for a time."""

Entry = tuple[int, int, int, "Actor"]
"""Due time, the actor's place in the stable order, ticket, actor."""

_by_index = attrgetter("index")


class Order(Protocol):
    """One run's election. `asks_always`: every point is a decision, whatever the clocks say."""

    asks_always: bool
    put: Callable[[Entry], None]
    stay: Callable[[Actor], None]
    """The running actor is at a point, from which it could go on at once."""
    elect_at_point: Callable[[Actor], Actor | None] | None
    """`Line.stop()` and `Line.elect()` for such an actor, where there is a shorter way to the same: most points are of
    that sort."""

    def __init__(self, line: Line) -> None: ...

    def earliest(self) -> int:
        """When the first in line is due; FOREVER when nobody is."""
        ...

    def elect(self) -> Actor | None:
        """Take the next one out of the line, its clock set to when it goes on; None when nobody is in line."""
        ...


class _Queue:
    """Who waits for a point of time, earliest first. An entry counts while its ticket is the actor's."""

    __slots__ = ("entries", "put")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.put: Callable[[Entry], None] = partial(heappush, self.entries)

    def earliest(self) -> int:
        """When the first is due."""
        entries = self.entries
        while entries and entries[0][3].ticket != entries[0][2]:
            heappop(entries)
        return entries[0][0] if entries else FOREVER


class ByClock:
    """The smallest clock goes first; ties are decisions."""

    asks_always = False

    def __init__(self, line: Line) -> None:
        self._line = line
        self.queue = _Queue()
        self.put, self.earliest = self.queue.put, self.queue.earliest
        self._decision: Tie | None = None
        self.stay: Callable[[Actor], None] = self._stay
        self.elect_at_point: Callable[[Actor], Actor | None] | None = self._at_point if line.holds_up else None

    def _stay(self, actor: Actor) -> None:
        self._line.enqueue(actor, actor.clock, paused=True)

    def _at_point(self, actor: Actor) -> Actor | None:
        """Whoever is not held up, and has come less far than all others, goes on where it is."""
        line, clock = self._line, actor.clock
        steps, ended = line.steps + 2, line.over
        if clock > line.now:
            steps += (clock - line.now) // 1000
        if steps > line.max_steps or ended:
            line.stop(actor)
            return line.elect()
        line.steps, line.now = steps - 1, max(clock, line.now)
        hold = line.hold_up(actor)
        if hold or clock >= self.earliest() or line.over:
            line.enqueue(actor, clock + hold, paused=not hold)
            return line.elect()
        line.steps, line.now = steps, clock
        actor.paused, actor.due, actor.yields = True, clock, False
        return actor

    def elect(self) -> Actor | None:
        """The smallest clock, and the strategy's choice among equals."""
        queue = self.queue.entries
        while queue:
            due, _, ticket, actor = heappop(queue)
            if actor.ticket != ticket:
                continue
            if queue and queue[0][0] == due:
                actor = self._break_tie(due, actor)
            if actor.clock < due:  # noqa: PLR1730 - faster than max(), at every hand-over
                actor.clock = due
            return actor
        return None

    def _break_tie(self, due: int, first: Actor) -> Actor:
        """Several actors stand at the same nanosecond."""
        queue, tied = self.queue.entries, [first]
        while queue and queue[0][0] == due:
            entry = heappop(queue)
            if entry[3].ticket == entry[2]:
                tied.append(entry[3])
        if len(tied) == 1:
            return first
        if self._decision is None:
            self._decision = Tie()
        decision = self._decision.ask_of(tied, self._line, due)
        chosen = tied.pop(decision.place(self._line.choose(decision)))
        for actor in tied:
            heappush(queue, (due, actor.index, actor.ticket, actor))
        return chosen


class Anyone:
    """Whoever could go on, and the earliest that waits for a point of time.

    Whoever ran last and can go on stands in `current`, the others that can in `ready`, in the stable order.
    """

    asks_always = True

    def __init__(self, line: Line) -> None:
        self._line = line
        self._fairness = line.fairness
        self.queue = _Queue()
        self._decision = Race(self)
        self.ready: list[Actor] = []
        self.current: Actor | None = None
        self.waiting: Actor | None = None
        self.put: Callable[[Entry], None] = self._put
        self.stay: Callable[[Actor], None] = self._stay
        self.elect_at_point: Callable[[Actor], Actor | None] | None = None if line.holds_up else self._at_point

    def _stay(self, actor: Actor) -> None:
        self.current = actor

    def _put(self, entry: Entry) -> None:
        actor = entry[3]
        if actor.paused and actor is self._line.running:
            # Who runs was taken out of those that can go on.
            self.current = actor
            return
        if actor in self.ready:
            self.ready.remove(actor)
        if not actor.paused:
            self.queue.put(entry)
        else:
            insort(self.ready, actor, key=_by_index)

    def earliest(self) -> int:
        """When the first of all is due."""
        paused = [actor.clock for actor in self.ready]
        if self.current is not None:
            paused.append(self.current.clock)
        return min(self.queue.earliest(), *paused) if paused else self.queue.earliest()

    def elect(self) -> Actor | None:
        """The strategy's choice among all, as far as fairness leaves it one."""
        line, ready, current, fairness = self._line, self.ready, self.current, self._fairness
        now, due = line.now, FOREVER
        actor: Actor
        waiting: Actor | None = None
        entries = self.queue.entries
        while entries:
            due, _, ticket, waiting = entries[0]
            if waiting.ticket == ticket:
                break
            heappop(entries)
            due, waiting = FOREVER, None
        # Where no time has passed since it was counted, counting would find nothing.
        left = fairness.rest if now == fairness.counted else fairness.count(now, 0 if ready else due)
        count = len(ready) if current is None else len(ready) + 1
        if waiting is not None:
            if due <= now + left or due <= now or not count:
                count += 1
            else:
                waiting = None
        self.waiting = waiting
        if count == 1:
            actor = ready[0] if ready else current or waiting  # type: ignore[assignment]
        elif not count:
            return None
        elif left > 0:
            actor = self._decision.ask(count, now, current, waiting, line)
        else:
            actor = self._longest_held()
        if actor is current:
            self.current = None
        else:
            self._take(actor)
        if actor.clock < now:  # noqa: PLR1730 - faster than max(), at every point
            actor.clock = now
        return actor

    def _at_point(self, actor: Actor) -> Actor | None:
        """As `elect`, where the one that ran last can go on."""
        line, ready, fairness, clock = self._line, self.ready, self._fairness, actor.clock
        now, steps, ended = line.now, line.steps + 2, line.over
        if clock > now:
            steps += (clock - now) // 1000
            now = clock
        if steps > line.max_steps or ended:
            line.stop(actor)
            return line.elect()
        line.steps, line.now = steps - 1, now
        actor.paused, actor.due = True, clock
        entries = self.queue.entries
        waiting: Actor | None
        while entries:
            due, _, ticket, waiting = entries[0]
            if waiting.ticket == ticket:
                break
            heappop(entries)
        else:
            due, waiting = FOREVER, None
        left = fairness.rest if now == fairness.counted else fairness.count(now, 0 if ready else due)
        if due > now and due > now + left:
            waiting = None
        self.current, self.waiting = actor, waiting
        if waiting is None and not ready:
            elected = actor
        elif left > 0:
            elected = self._decision.ask(len(ready) + 1 + (waiting is not None), now, actor, waiting, line)
        else:
            elected = self._longest_held()
        if elected is actor:
            self.current = None
        else:
            actor.ticket = STAYS
            self._take(elected)
            elected.ticket = BLOCKED
            line.running = elected
        if elected.clock < now:  # noqa: PLR1730 - faster than max(), at every point
            elected.clock = now
        elected.yields = False
        line.now, line.steps, line.horizon = elected.clock, steps, -1
        return None if line.over else elected

    def _longest_held(self) -> Actor:
        """Who could have gone on for the longest time."""
        candidates = [*self.ready, *(actor for actor in (self.current, self.waiting) if actor is not None)]
        return min(candidates, key=lambda actor: (actor.due, actor.index))

    def _take(self, actor: Actor) -> None:
        """Out of the line; whoever ran last and does not go on is one of those that can."""
        current, self.current = self.current, None
        if actor is self.waiting:
            heappop(self.queue.entries)
            actor.clock = max(actor.clock, actor.due)
        else:
            self.ready.remove(actor)
        if current is not None:
            insort(self.ready, current, key=_by_index)
