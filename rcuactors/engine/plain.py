"""The baton's hand-over without Trio: the same conductor, the same coroutines, and no task or loop between them.

For who makes many runs of scenarios that wait for nothing but the model. Elections, decisions and events are those of
a run on Trio, to the byte: only how a strand is made to move is another. As soon as a scenario asks Trio for
anything (`absence`), or waits for something that is none of the model's, nothing of the run counts any more, and
NeedsTrio tells the caller to begin again on Trio; InVain, to begin again by itself. `answered` are the strategy's
decisions until then, so that it need not be asked twice.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from ..errors import NothingLeft
from .absence import noticing
from .actor import Actor, PlainMailbox
from .choice import Strategy
from .conductor import Conductor
from .errors import InVain, NeedsTrio, RunOver
from .host import Host
from .line import DEFAULT_MAX_STEPS
from .outside import Outside
from .stepping import at_once, ended_in_place, step_strands, unwind
from .strand import Body, Gate, Strand


class _Nowhere(Outside):
    """Nobody waits outside, and nobody else is there to be given a turn."""

    async def halt(self, time_ns: int) -> None:
        """The actor goes on."""
        self._conductor.go_on_unseen(time_ns)


class PlainConductor(Conductor):
    """A conductor of one run without Trio. `granted` is the strand that has the baton next."""

    __slots__ = (
        "_gates",
        "_in_vain",
        "_needs_trio",
        "answered",
        "granted",
    )

    def __init__(
        self, strategy: Strategy, *, seed: int = 0, max_steps: int = DEFAULT_MAX_STEPS, host: Host | None = None
    ) -> None:
        super().__init__(strategy, seed=seed, max_steps=max_steps, host=host)
        self.outside = _Nowhere(self)
        self.granted: Strand | None = None
        self.answered: list[int] = []
        self.answers = self.answered
        self._gates: dict[int, Gate] = {}
        self._needs_trio = self._in_vain = False

    def add_actor(self, actor: Actor) -> None:
        """An actor takes part in the run. There are no channels without Trio."""
        actor.mailbox = PlainMailbox()

    def run_plain(self, set_up: Callable[[], None]) -> None:
        """As `run`. Raises NeedsTrio when only Trio can go on, and InVain when somebody has ended it by that.

        The strategy has not been told of an end then.
        """
        if not self._strategy.start_run(self._seed):
            raise NothingLeft(f"strategy {self._strategy.name} has tried everything that it had to try")
        with noticing(self.needs_trio):
            try:
                at_once(self._begin(set_up))
                step_strands(self)
            except (KeyboardInterrupt, NeedsTrio) as error:
                self.finish(error)
            finally:
                self._dismiss()
        if self._needs_trio:
            raise NeedsTrio
        if self._in_vain:
            raise InVain
        self._tell_the_strategy()

    def needs_trio(self) -> None:
        """Nothing of this run counts: nobody is to hear any more of it."""
        if not self._needs_trio:
            self._needs_trio = True
            self._ask_no_more()
            self._close()

    def finish(self, failure: BaseException | None = None) -> None:
        """As `Conductor.finish`; where the run turns out to be in vain, it is so also when it is over already."""
        if isinstance(failure, InVain):
            self._in_vain = True
            self._ask_no_more()
        super().finish(failure)

    def _ask_no_more(self) -> None:
        """What still happens is no part of any run: it is nobody's decision."""
        self._strategy, self.answers = Strategy(), None

    def _dismiss(self) -> None:
        """Have all parked strands unwind, in the order in which they were made."""
        self._close()
        for strand in list(self._strands.values()):
            if strand.parked and strand.coroutine is not None:
                unwind(self, strand)

    # -- strands -----------------------------------------------------------------------------------------------------

    def spawn(self, strand: Strand, body: Body, gate: Gate, _nursery: trio.Nursery | None = None) -> None:
        """Say what the strand does. It has the context variables of who calls here."""
        self._gates[strand.order] = gate
        context = contextvars.copy_context()
        strand.step = partial(context.run, self._begin_strand, strand, body, context)

    @staticmethod
    def _begin_strand(strand: Strand, body: Body, context: contextvars.Context) -> object:
        """The first step, which makes the coroutine."""
        strand.coroutine = coroutine = body()
        strand.step = partial(context.run, coroutine.send, None)
        return coroutine.send(None)

    def start_task(self, _body: Callable[[], Awaitable[None]]) -> None:
        """There are no tasks."""
        raise AssertionError("a run without Trio has no caretaker")

    def ended(self, strand: Strand, error: BaseException | None) -> None:
        """A strand's body has returned or raised."""
        if self.over and isinstance(self.failure, KeyboardInterrupt) and isinstance(error, KeyboardInterrupt):
            # The second Ctrl-C, which says where that was: the first could not end it at a point.
            self.failure = error
        if not self.over:
            at_once(self.strand_ended(strand, self._gates.pop(strand.order), error))

    def _grant(self, strand: Strand) -> None:
        self.hand_overs += 1
        if strand.parked:
            strand.parked = False
            if strand.coroutine is None:
                strand.step = ended_in_place
        strand.on_stage = True
        self.granted = strand

    async def _breathe(self) -> None:
        """There is nobody else who could want to."""
        self._alone = 0

    def _lost_in_place(self, _strand: Strand, error: BaseException) -> None:
        """It has unwound already, and has no task that would have to."""
        if not isinstance(error, RunOver):
            self.finish(error)
