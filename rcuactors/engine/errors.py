"""What can end a run from inside the engine."""

from __future__ import annotations


class RunOver(BaseException):
    """Thrown into every parked strand when the run is over; like `trio.Cancelled` it is nobody's business to catch."""


class InVain(Exception):
    """What this run began with came from other runs, and may have had a part in what it shows: it counts for nothing.

    It has to begin again by itself.
    """


class NeedsTrio(BaseException):
    """A run that is driven without Trio has come to something that only Trio can do: it has to begin again there."""
