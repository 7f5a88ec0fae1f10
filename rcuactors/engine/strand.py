"""Strands: Trio tasks that move only while they hold the baton.

A strand's coroutine is driven by hand, so that every suspension is seen at the await that made it. The conductor's
own suspension (`parking`) is passed on to Trio. Any other one, a `trio.sleep`, an
`Event.wait`, a channel, is *foreign*: the gate is told before (and may have an exception raised at that very await),
the baton is given up, Trio's wait runs its course, and the strand queues for the baton before it goes on (`outside`).
Facts about Trio's traps: they are three messages, all answered by an `outcome.Outcome`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, ParamSpec, Protocol, TypeVar

import attrs
import outcome
import trio

from ..errors import BadInput
from ..marks import BOTTOM, Side
from .errors import RunOver
from .parking import PARKED

__trace__ = BOTTOM
__side__ = Side.NOBODY

if TYPE_CHECKING:
    from .conductor import Conductor

Body = Callable[[], Coroutine[Any, Any, None]]
P = ParamSpec("P")
R = TypeVar("R")


class Gate(Protocol):
    """Who owns a strand and hears of its foreign suspensions and of its end."""

    def leave(self, strand: Strand) -> BaseException | None:
        """The strand is about to suspend outside the model.

        Return an exception to have it raised at that await instead.
        """

    def rejoin(self, strand: Strand) -> None:
        """The foreign wait is over; put the strand back among those that may run."""

    def exited(self, strand: Strand) -> None:
        """The strand's coroutine has ended; give its actor another strand, or none."""


@attrs.define(eq=False)
class Strand:
    """One Trio task under the conductor.

    `order` is the stable number by which strands that return together are sorted. `path` says who created it, and as
    the how manieth of that label: unlike name and order it is the same in every schedule. `machinery`: it runs nobody's
    code but the model's own and never waits for Trio, so that others may run it in place; `in_place` says that one
    does. `on_stage`: it is the one that moves; while Trio moves anybody else, no strand is.
    """

    name: str
    order: int
    path: str
    machinery: bool = False
    in_place: bool = False
    on_stage: bool = False
    task: trio.lowlevel.Task | None = None
    start: Callable[[], None] | None = None
    granted: bool = False
    parked: bool = False
    coroutine: Coroutine[Any, Any, None] | None = None
    step: Callable[[], object] | None = None
    """What makes it move where there is no task (`plain`)."""


def _taken_back(trap: object, objection: BaseException) -> bool:
    """Take a wait back before Trio hears of it, as Trio itself does when it cancels one.

    A mere checkpoint leaves nothing to take back.
    """

    def raise_objection() -> NoReturn:
        raise objection

    abort = getattr(trap, "abort_func", None)
    return abort is None or abort(raise_objection) is trio.lowlevel.Abort.SUCCEEDED


def _waits_for_a_thread(trap: object) -> bool:
    """trio.to_thread: it ends in real time, which no virtual clock waits for."""
    return getattr(getattr(trap, "abort_func", None), "__module__", "") == "trio._threads"


def _leave(gate: Gate, strand: Strand, conductor: Conductor) -> BaseException | None:
    """Ask the gate. When it fails, the run is over, and the wait is taken back like one that it objects to."""
    try:
        return gate.leave(strand)
    except Exception as error:
        conductor.finish(error)
        return RunOver()


@types.coroutine
def _drive(
    coroutine: Coroutine[Any, Any, None], strand: Strand, gate: Gate, conductor: Conductor
) -> Generator[Any, Any, None]:
    """Run the coroutine to its end, judging each suspension."""
    answer: object = None
    over: RunOver | None = None
    outside = conductor.outside
    while strand.coroutine is not None:
        strand.on_stage = True
        try:
            trap = coroutine.throw(over) if over is not None else coroutine.send(answer)
        except StopIteration:
            return
        finally:
            strand.on_stage = False
        over = None
        if trap is PARKED or outside.settling or conductor.over:
            answer = yield trap
            continue
        if _waits_for_a_thread(trap):
            conductor.finish(
                BadInput(
                    "the scenario waits for a thread of the operating system (trio.to_thread): no such run repeats"
                )
            )
            answer = yield trap
            continue
        objection = _leave(gate, strand, conductor)
        if objection is not None:
            # A wait that cannot be taken back has heard of the objection; it is waited for with the baton in hand.
            answer = outcome.Error(objection) if _taken_back(trap, objection) else (yield trap)
            continue
        alarm = outside.begin(strand)
        answer = yield trap
        try:
            yield from outside.end(strand, gate, alarm).__await__()
        except RunOver as caught:
            over = caught


_drivers: Final = {_drive.__code__}


def drives_strands(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: what that function calls is a strand's code."""
    _drivers.add(function.__code__)
    return function


def is_strands(frame: FrameType) -> bool:
    """Whether it is the frame in which a strand's code is driven: what it has called belongs to a run."""
    return frame.f_code in _drivers


async def strand_main(body: Body, strand: Strand, gate: Gate, conductor: Conductor) -> None:
    """Run the body with the baton in hand, and pass it on at the end. An error of the body ends the run."""
    if conductor.over:
        return
    strand.task = trio.lowlevel.current_task()
    error: BaseException | None = None
    try:
        strand.coroutine = body()
        await _drive(strand.coroutine, strand, gate, conductor)
    except (RunOver, trio.Cancelled):
        return
    except BaseException as caught:
        error = caught
    if not conductor.over:
        await conductor.strand_ended(strand, gate, error)


def in_the_place_of(strand: Strand) -> RuntimeError:
    """The error for who has used the machine from a task that is no strand."""
    return RuntimeError(
        f"a Trio task of its own used the machine in the place of {strand.name}: start kernel threads with "
        "k.kthread_run() or k.open_nursery(), not with trio.open_nursery()"
    )
