"""An end in real time for the runs of this process, for who has promised to be back by then.

A run is bounded by its steps, which are the same on every machine, and which say little of how long they take: a step
may be a thousand calls. So who was given a time (`explore --time`, `check --time`) says here when it is up, and the
run that is under way then ends as one does whose steps are used up: what it has shown stands, what would have come
after is not known. Nobody else's runs have such an end: they would come to something else on a slower machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ends: Final[list[float]] = []


@contextmanager
def ending_by(moment: float | None) -> Iterator[None]:
    """Runs that begin meanwhile end by that moment of time.monotonic(), in seconds; None is no such moment."""
    if moment is None:
        yield
        return
    _ends.append(moment)
    try:
        yield
    finally:
        _ends.pop()


def end() -> float | None:
    """The moment by which runs have to end, if there is one."""
    return min(_ends, default=None)
