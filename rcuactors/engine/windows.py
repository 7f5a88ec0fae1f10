"""An election without a common clock: virtual time is cut into windows, within which any order is possible.

Whoever has come the least far, and everybody who stands in the same window as that one, may go on. Nobody goes on in a
later window before all have left the earlier one. So a CPU may be ahead of another by less than a window, as real ones
are: nobody's steps take the time that the cost model says.

Unlike `Anyone` this never stretches a clock to the time of others. How far somebody has come is then a matter of his
own steps and of what he was told, and not of the order in which others went: two steps that have nothing to do with
each other leave the same, times included, whichever comes first. That is what a search by partial orders stands on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from .decision import NOT_OFFERED, NextActor
from .orders import FOREVER, Entry

if TYPE_CHECKING:
    from .actor import Actor
    from .line import Line


class Steps(Protocol):
    """Who hears of steps: what an actor does between two elections is one."""

    def start(self) -> None:
        """A run begins."""

    def begin(self, actor: Actor, window: int, candidates: list[Actor]) -> None:
        """That one goes on, out of all that could."""

    def end(self) -> None:
        """Its step is over, and the next election has not begun."""


class InWindow(NextActor):
    """Who goes next of those that stand in the earliest window.

    The one that ran last comes first, unless it yields: then last. The others are in order of their clocks.
    """

    def __init__(self) -> None:
        super().__init__()
        self._actors: list[Actor] = []

    def ask_of(self, actors: list[Actor], current: Actor | None, now: int) -> InWindow:
        """The same object, made ready for one election."""
        self._actors, self.count, self.now = actors, len(actors), now
        self.yields = current is not None and current.yields
        self.current = NOT_OFFERED if current is None else self.count - 1 if self.yields else 0
        return self

    def actor(self, index: int) -> Actor:
        """The engine's side of an option."""
        return self._actors[index]


class Windows:
    """The election. `window_ns` is how long a window is; `steps` hears of each step, where somebody wants to."""

    asks_always = True
    window_ns: ClassVar[int] = 1_000_000
    steps: ClassVar[Steps | None] = None

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: list[Actor] = []
        self._decision = InWindow()
        self.put: Callable[[Entry], None] = self._put
        self.stay: Callable[[Actor], None] = self._stay
        self.elect_at_point: Callable[[Actor], Actor | None] | None = None
        if self.steps is not None:
            self.steps.start()

    def _put(self, entry: Entry) -> None:
        """Somebody stands in line, or stands there anew."""
        self._stay(entry[3])

    def _stay(self, actor: Actor) -> None:
        if actor not in self._waiting:
            self._waiting.append(actor)

    def _in_line(self) -> list[Actor]:
        """Who does: a ticket of 0 says that somebody has left it."""
        self._waiting = waiting = [actor for actor in self._waiting if actor.ticket]
        return waiting

    def earliest(self) -> int:
        """When the first of all is due."""
        return min((max(actor.due, actor.clock) for actor in self._in_line()), default=FOREVER)

    def elect(self) -> Actor | None:
        """The strategy's choice among all in the earliest window."""
        if self.steps is not None:
            self.steps.end()
        line, waiting = self._line, self._in_line()
        if not waiting:
            return None
        reach = {actor.index: max(actor.due, actor.clock) for actor in waiting}
        window = min(reach.values()) // self.window_ns
        able = [actor for actor in waiting if reach[actor.index] // self.window_ns == window]
        able.sort(key=lambda actor: (reach[actor.index], actor.index))
        if len(able) == 1:
            chosen = able[0]
        else:
            running = line.running
            current = running if running is not None and running.paused and running in able else None
            if current is not None:
                able.remove(current)
                able.insert(len(able) if current.yields else 0, current)
            chosen = able[line.choose(self._decision.ask_of(able, current, line.now))]
        self._waiting.remove(chosen)
        chosen.clock = reach[chosen.index]
        if self.steps is not None:
            self.steps.begin(chosen, window, able)
        return chosen


@lru_cache(maxsize=64)
def windows_of(window_ns: int) -> type[Windows]:
    """The election with windows of that length; always the same class for the same length."""
    return type("Windows", (Windows,), {"window_ns": window_ns})
