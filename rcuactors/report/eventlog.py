"""A sink for people who watch a run: the last events."""

from __future__ import annotations

from collections import deque

from ..engine.events import Event


class Tail:
    """Keeps the last events, and counts all."""

    def __init__(self, keep: int) -> None:
        self.events: deque[Event] = deque(maxlen=keep)
        self.count = 0

    def take(self, event: Event) -> None:
        """Keep one event; the oldest goes."""
        self.count += 1
        self.events.append(event)

    @property
    def dropped(self) -> int:
        """How many came before those that were kept."""
        return self.count - len(self.events)
