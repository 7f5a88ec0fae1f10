"""Decisions: what a strategy is shown when it is asked.

A decision has a kind, which the floor that owns it declares, and a few options in a stable order. **Option 0 is always
the one where nothing special happens**: the actor that runs goes on, the allocation succeeds, nobody is held up. A
schedule is therefore told by its departures from option 0. Each option has an id that is the same in every schedule.
Durations are decisions of the same form: the answer is the number of nanoseconds.

Who could go on, with clocks and due times, is looked up in the election itself when the strategy asks, and built for
nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self, cast

import attrs

if TYPE_CHECKING:
    from .actor import Actor
    from .line import Line
    from .orders import Anyone

NOT_OFFERED = -1
"""In the place of an option's index: there is none of that sort."""

_ONE_IN: Final = 8
_FIRST_POWER: Final = 10
_POWERS: Final = 16


@attrs.frozen
class DecisionKind:
    """What is being decided. One object for each kind, declared by the floor that owns it and known by its name."""

    name: str


NEXT_ACTOR = DecisionKind("next actor")
"""Who goes next. Asked by `orders`."""

HOLD_UP = DecisionKind("hold up")
"""For how many nanoseconds the actor that runs is held up here. Asked of strategies that hold up."""


class Decision:
    """One decision: of `kind`, among `count` options.

    `current` is the option by which the actor that ran last goes on, and `yields` says that it would rather not
    (cpu_relax()). `time` is the option that lets time pass, to the earliest who waits for a point of it. Both are
    `NOT_OFFERED` where there is no such option. `now` is in virtual nanoseconds. What is seen is what is so while the
    strategy is asked: it holds until the strategy answers.
    """

    kind: DecisionKind

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.current = NOT_OFFERED
        self.yields = False
        self.time = NOT_OFFERED
        self.now = 0

    def option(self, index: int) -> str:
        """The id of an option, the same in every schedule."""
        raise NotImplementedError

    def find(self, option: str) -> int:
        """The index of the option with that id, or `NOT_OFFERED`."""
        return next((index for index in range(self.count) if self.option(index) == option), NOT_OFFERED)

    def clock(self, _index: int) -> int:
        """How far the option's actor has come, in virtual nanoseconds; `now` where the option is no actor."""
        return self.now

    def hints(self, _index: int) -> tuple[str, ...]:
        """What is to be said of the option's actor, in words of the floors above; looked up when it is asked for."""
        return ()

    def label(self, _index: int) -> str:
        """What the option's actor is about to do, by the function in which it stands; looked up when asked for."""
        return ""

    def due(self, _index: int) -> int:
        """Since when the option's actor could go on, or when it wants to, in virtual nanoseconds; else `now`."""
        return self.now

    def nature(self, uniform: float) -> int:
        """What nature would choose, given a number from 0 to below 1 that was drawn uniformly."""
        raise NotImplementedError


class Alternatives(Decision):
    """A decision among options that are known by name, such as whether an allocation fails.

    `weights` is how likely each of them is in nature. `subject` is whose decision it is, where option 0 does not say
    so. One object serves for ever.
    """

    def __init__(
        self, kind: DecisionKind, options: tuple[str, ...], weights: tuple[int, ...], subject: str = ""
    ) -> None:
        super().__init__(len(options))
        self.kind = kind
        self.subject = subject
        self.options = options
        self.weights = weights

    def option(self, index: int) -> str:
        """The option's name."""
        return self.options[index]

    def nature(self, uniform: float) -> int:
        """By weight."""
        return weighted_index(uniform, self.weights)


class Identified(Protocol):
    """What somebody waits with or for."""

    def identity(self) -> str:
        """Its name, the same in every schedule."""
        ...


class Duration(Decision):
    """For how long something is put off that could happen now: the answer is the number of virtual nanoseconds.

    `ask_of` makes the same object ready for one question.
    """

    def __init__(self, kind: DecisionKind) -> None:
        super().__init__()
        self.kind = kind
        self._subject: Identified | None = None

    def ask_of(self, subject: Identified, now: int, longest_ns: int) -> Self:
        """How long that is put off, from now on."""
        self._subject, self.now, self.count = subject, now, longest_ns + 1
        return self

    def whose(self) -> str:
        """What is put off, by its name."""
        assert self._subject is not None
        return self._subject.identity()

    def option(self, index: int) -> str:
        """What, and for how long."""
        return f"{self.whose()} for {index} ns"

    def find(self, option: str) -> int:
        """Read the duration back."""
        what, _, rest = option.rpartition(" for ")
        digits, _, unit = rest.partition(" ")
        known = self._subject is not None and what == self._subject.identity() and unit == "ns" and digits.isdecimal()
        return int(digits) if known and int(digits) < self.count else NOT_OFFERED

    def nature(self, _uniform: float) -> int:
        """Nothing is put off."""
        return 0


class HoldUp(Duration):
    """For how long an actor is held up that could go on.

    `unasked`: so many points went by since the last question of this kind, at which the strategy was not asked since it
    had said beforehand that it would hold up nobody (`Strategy.unmoved`). They count as decisions all the same.
    """

    def __init__(self) -> None:
        super().__init__(HOLD_UP)
        self.unasked = 0

    def _actor(self) -> Actor:
        return cast("Actor", self._subject)

    def hints(self, _index: int) -> tuple[str, ...]:
        """Of the actor."""
        return self._actor().hints()

    def label(self, _index: int) -> str:
        """Of the actor."""
        return self._actor().label()


class Lateness(Duration):
    """How late something comes that is due at a point of time. In nature one in eight is late, mostly by little."""

    def nature(self, uniform: float) -> int:
        """Between 1 microsecond and 67 ms, each power of two alike; in whole numbers, the same on every machine."""
        drawn = int(uniform * (_ONE_IN << 32))
        if drawn >> 32:
            return 0
        power, rest = divmod((drawn & 0xFFFF_FFFF) * _POWERS, 1 << 32)
        shortest = 1 << (_FIRST_POWER + power)
        return min(shortest + (shortest * rest >> 32), self.count - 1)


class NextActor(Decision):
    """Who goes next. An option's id is its actor's name, and the path of the thread that would run."""

    kind = NEXT_ACTOR

    def actor(self, index: int) -> Actor:
        """The engine's side of an option."""
        raise NotImplementedError

    def option(self, index: int) -> str:
        """Actor and thread."""
        return self.actor(index).identity()

    def clock(self, index: int) -> int:
        """How far the actor has come."""
        return self.actor(index).clock

    def due(self, index: int) -> int:
        """Since when, or from when on, the actor can go on."""
        return self.actor(index).due

    def hints(self, index: int) -> tuple[str, ...]:
        """Of the actor."""
        return self.actor(index).hints()

    def label(self, index: int) -> str:
        """Of the actor."""
        return self.actor(index).label()

    def nature(self, uniform: float) -> int:
        """Everybody alike."""
        return int(uniform * self.count)


class Tie(NextActor):
    """Several actors stand at the same nanosecond: the one that ran last, if it is among them, then the others."""

    def __init__(self) -> None:
        super().__init__()
        self._tied: list[Actor] = []
        self._rank = NOT_OFFERED

    def ask_of(self, tied: list[Actor], line: Line, due: int) -> Tie:
        """The same object, made ready for one tie; `tied` is in the stable order."""
        running = line.running
        self._tied, self.count, self.now = tied, len(tied), due
        self._rank = tied.index(running) if running is not None and running.paused and running in tied else NOT_OFFERED
        self.current = NOT_OFFERED if self._rank == NOT_OFFERED else 0
        self.yields = self.current == 0 and running is not None and running.yields
        return self

    def place(self, index: int) -> int:
        """Where the option stands in the stable order."""
        rank = self._rank
        if rank == NOT_OFFERED or index > rank:
            return index
        return rank if index == 0 else index - 1

    def actor(self, index: int) -> Actor:
        """The engine's side of an option."""
        return self._tied[self.place(index)]

    def nature(self, uniform: float) -> int:
        """Everybody alike, drawn in the stable order, whoever ran last."""
        drawn, rank = int(uniform * self.count), self._rank
        if rank == NOT_OFFERED or drawn > rank:
            return drawn
        return 0 if drawn == rank else drawn + 1


class Race(NextActor):
    """Anyone who can go on, or time passes.

    The one that ran last comes first and time last; when the one that ran last yields, it comes after all others.
    """

    def __init__(self, order: Anyone) -> None:
        super().__init__()
        self._order = order

    def ask(self, count: int, now: int, current: Actor | None, waiting: Actor | None, line: Line) -> Actor:
        """Ask who goes next at one point; the same object is made ready for each."""
        self.count, self.now = count, now
        self.time = NOT_OFFERED if waiting is None else count - 1
        if current is None:
            self.current, self.yields = NOT_OFFERED, False
            picked = line.choose(self)
            return waiting if picked == self.time and waiting is not None else self._order.ready[picked]
        if current.yields:
            self.current, self.yields = count - 1, True
            if waiting is not None:
                self.time = count - 2
            return self.actor(line.choose(self))
        self.current, self.yields = 0, False
        picked = line.choose(self)
        if not picked:
            return current
        return waiting if picked == self.time and waiting is not None else self._order.ready[picked - 1]

    def actor(self, index: int) -> Actor:
        """The engine's side of an option. Raises IndexError where there is none."""
        if index == self.current and self._order.current is not None:
            return self._order.current
        if index == self.time and self._order.waiting is not None:
            return self._order.waiting
        return self._order.ready[index - 1 if self.current == 0 else index]


def weighted_index(uniform: float, weights: tuple[int, ...]) -> int:
    """Make a uniform number in [0, 1) an index with the given integer weights; the same on every Python version."""
    mark = int(uniform * sum(weights))
    for index, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return index
    return len(weights) - 1
