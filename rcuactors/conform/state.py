"""One of the possible states: what is in the registers, and what is under way."""

from __future__ import annotations

from typing import Any

import attrs

from .lines import Ctx
from .operations import Operation
from .registers import Saved


@attrs.define(eq=False)
class State:
    """One of the possible states. `saved` is None while it is loaded."""

    saved: Saved | None
    under_way: dict[Ctx, list[Operation]] = attrs.field(factory=dict)
    started: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    """Works whose pending bit was cleared before the line that says that they run: that line, and whose."""
    read: frozenset[int] = frozenset()
    """Snapshots that were taken before they were printed: their lines."""
    periods: int = 0
    """How many of the steps of grace periods were made."""
    jiffies: int = 0
    """At least so many."""
    told: dict[Ctx, tuple[str, Any]] = attrs.field(factory=dict)
    """What a shrinker's function returned, until the script says so."""
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
            tuple(sorted(self.told.items())),
        )
