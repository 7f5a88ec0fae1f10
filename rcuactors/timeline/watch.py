"""A machine, watched: its probes become the elements of a picture, as it runs.

To watch changes no run, and nothing is kept that grows with its length (board.py). A CPU's lanes begin when something
touches it first; times of different CPUs do not come in order, for each has a clock of its own.
"""

from __future__ import annotations

from ..machine import Machine
from .board import Board
from .drawing import Drawing
from .findings import Findings
from .handlers import Handlers
from .levels import Levels
from .locks import Locks
from .objects import Objects
from .periods import Periods
from .places import Places
from .readers import Readers
from .threads import Threads
from .timers import Timers
from .works import Works


class Watch:
    """Tells a drawing what happens in a machine, from its beginning; `end()` after the run tells the rest."""

    def __init__(self, machine: Machine, drawing: Drawing, *, events: bool = False) -> None:
        """Listen from now on, before the run; to the tracepoints, too, if `events`."""
        self._machine = machine
        board = self._board = Board(drawing)
        places, probes = Places(board, machine), machine.probes
        periods = Periods(board, places)
        self.parts = (
            Threads(board, places),
            Handlers(board, places),
            Locks(board, places),
            Readers(board, places),
            periods,
            Timers(board, places),
            Works(board, places),
            Objects(board, places, periods),
            Levels(board, places),
        )
        for part in self.parts:
            part.listen(probes)
        Findings(board, places).listen(probes, events=events)

    def end(self) -> None:
        """The run is over, however it ended: what is still open is told, and the end."""
        self._board.end(self._machine.end_ns)
