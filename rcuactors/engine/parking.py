"""How a strand stands still, and how whoever has the baton may run one that does.

All parked strands suspend on one and the same trap of Trio's: it says nothing of who waits, so that it need not be
made anew at each hand-over, and a strand recognises its own suspension by it. Trio's part in that is
`trio.lowlevel.wait_task_rescheduled()`; what it is given to wake a task is told to nobody, since who is woken looks at
the run to see why.

A parked coroutine goes on when its task is woken, or in the place where somebody else drives it (`run_in_place`): for
one that never touches Trio itself the two are the same, and the second costs no turn of Trio's loop.
"""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import outcome
import trio

from ..marks import BOTTOM, Side

if TYPE_CHECKING:
    from .strand import Strand

__trace__ = BOTTOM
__side__ = Side.NOBODY


def _never_cancelled(_raise_cancel: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


def _trap() -> object:
    """What `wait_task_rescheduled` tells Trio's loop, with an abort function that never lets a wait be cancelled."""
    waiting = trio.lowlevel.wait_task_rescheduled(_never_cancelled)  # noqa: ASYNC105 - nobody waits here
    trap: object = waiting.send(None)
    waiting.close()
    return trap


PARKED: Final = _trap()
"""The trap of all that are parked."""

GO_ON: Final = outcome.Value(None)
"""What their tasks are woken with; nobody unwraps it."""


class _Park:
    """Suspends until the task is woken, or the coroutine driven on."""

    __slots__ = ()

    def __await__(self) -> Generator[object, object, None]:
        yield PARKED


PARK: Final = _Park()


@types.coroutine
def run_in_place(strand: Strand) -> Generator[Any, Any, bool]:
    """Drive a parked coroutine until it parks again; True when it has ended instead, and its own task shall end it.

    Raises what it raises, which is its end, too.
    """
    coroutine, strand.coroutine = strand.coroutine, None
    assert coroutine is not None
    answer: object = None
    while True:
        strand.on_stage = True
        try:
            trap = coroutine.send(answer)
        except StopIteration:
            strand.parked = True
            return True
        finally:
            strand.on_stage = False
        if trap is PARKED:
            strand.coroutine = coroutine
            return False
        answer = yield trap
