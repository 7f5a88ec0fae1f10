"""Driving strands without a loop of Trio's: whoever was granted the baton moves until it parks, then the next one."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

from ..marks import BOTTOM, Side
from .errors import RunOver
from .parking import PARKED
from .strand import drives_strands

if TYPE_CHECKING:
    from .plain import PlainConductor
    from .strand import Strand

__trace__ = BOTTOM
__side__ = Side.NOBODY


def at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end that never suspends without Trio."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("the conductor waits for Trio where there is none")


def ended_in_place() -> NoReturn:
    """The step of a strand that ended while another one drove it."""
    raise StopIteration


@drives_strands
def step_strands(conductor: PlainConductor) -> None:
    """Have strands move, one after the other, until the run is over."""
    while (strand := conductor.granted) is not None and not conductor.over:
        conductor.granted = None
        assert strand.step is not None
        try:
            trap = strand.step()
        except StopIteration:
            conductor.ended(strand, None)
        except RunOver:
            pass
        except BaseException as error:
            conductor.ended(strand, error)
        else:
            if trap is not PARKED:
                _waits_elsewhere(conductor, strand)
    if not conductor.over:
        raise AssertionError("nobody has the baton, and the run is not over")


@drives_strands
def unwind(conductor: PlainConductor, strand: Strand) -> None:
    """Tell a parked strand that the run is over; what it says to that is no part of the run."""
    assert strand.step is not None
    strand.parked = False
    try:
        strand.step()
    except BaseException:  # as on Trio: what it raises now is not heard
        return
    _waits_elsewhere(conductor, strand)


def _waits_elsewhere(conductor: PlainConductor, strand: Strand) -> None:
    """A strand waits for something that is none of the model's."""
    conductor.needs_trio()
    if strand.coroutine is not None:
        with contextlib.suppress(BaseException):
            strand.coroutine.close()
