"""One of the possible states: what is in the registers, and what is under way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .cookies import Known
from .lines import Ctx
from .operations import Operation
from .orders import Step
from .periods import Made
from .registers import Part, Saved


@attrs.define(eq=False)
class State:
    """One of the possible states. `saved` is None while it is loaded."""

    saved: Saved | None
    under_way: dict[Ctx, list[Operation]] = attrs.field(factory=dict)
    started: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    """Works whose pending bit was cleared before the line that says that they run: that line, and whose."""
    read: frozenset[int] = frozenset()
    """Snapshots that were taken before they were printed: their lines."""
    cookies: Known = attrs.field(factory=dict)
    """What cookies from before may be worth that no line tells."""
    periods: Made = ()
    """How far the steps of grace periods have come."""
    jiffies: int = 0
    """At least so many."""
    told: dict[Ctx, tuple[str, Any]] = attrs.field(factory=dict)
    """What a shrinker's function returned, until the script says so."""
    order: Step | None = None
    """The hidden steps that were made for the line that is looked at."""
    trail: Any = None
    """How it came about, for somebody who wants to know; states are equal whatever it is."""

    doomed: bool = False
    """A shrinker's function has returned what the script will not say: it need not be carried on beside others."""

    def top(self, ctx: Ctx) -> Operation | None:
        """What the context is in the middle of."""
        stack = self.under_way.get(ctx)
        return stack[-1] if stack else None

    def key(self) -> tuple[Any, ...]:
        """Equal for states that behave the same, but for what is known of jiffies."""
        return (
            self.saved,
            tuple((ctx, tuple(op.key() for op in stack)) for ctx, stack in sorted(self.under_way.items()) if stack),
            tuple(sorted(self.started.items())),
            self.read,
            self.periods,
            tuple(self.cookies.items()),
            tuple(sorted(self.told.items())),
        )


def merged(states: Iterable[State], cpu_id: int, may_be_open: tuple[Part, ...]) -> dict[tuple[Any, ...], State]:
    """States that differ only in what may be left open of a CPU are one, in which it is."""
    found = {state.key(): state for state in states}
    for part in may_be_open:
        if len(found) > 1:
            found = _alike(found, cpu_id, part)
    return found


def _alike(states: dict[tuple[Any, ...], State], cpu_id: int, part: Part) -> dict[tuple[Any, ...], State]:
    """Those that differ only in one part of a CPU's state."""
    alike: dict[tuple[Any, ...], list[State]] = {}
    for key, state in states.items():
        saved = key[0]
        without = part.put(saved[cpu_id], None)
        alike.setdefault((*saved[:cpu_id], without, *saved[cpu_id + 1 :], *key[1:]), []).append(state)
    if len(alike) == len(states):
        return states
    for one, *others in alike.values():
        if others:
            assert one.saved is not None
            ways = [part.get(state.saved[cpu_id]) for state in (one, *others) if state.saved is not None]
            mine = part.put(one.saved[cpu_id], part.either(cpu_id, ways))
            one.saved = (*one.saved[:cpu_id], mine, *one.saved[cpu_id + 1 :])
            one.jiffies = min(state.jiffies for state in (one, *others))
    return {one[0].key(): one[0] for one in alike.values()}
