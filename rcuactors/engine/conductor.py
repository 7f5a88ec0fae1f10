"""The conductor: at any moment at most one actor is runnable, and Trio is never asked to choose.

Every actor waits in one primitive, `trio.lowlevel.wait_task_rescheduled`; whoever gives up the baton elects the next
actor and reschedules exactly that task, or goes on where it is when it is itself next (no Trio switch at all). A run
is therefore a pure function of its inputs and of the answers to its choice points.

Two kinds of strategies. One that obeys time sees a discrete-event simulation: the smallest clock goes first, and only
ties are choices. One that does not is asked at every point, among all actors that could go on and the earliest that
waits for a point of time; time then stretches so that it never runs backwards, as on a machine whose processors are
stopped now and then.

`horizon` is the hot path's whole contract with the conductor: a running actor may go on without asking while its
clock is below it.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final

import outcome
import trio

from ..errors import StepBoundExceeded
from .actor import BLOCKED, Actor, Message
from .choice import ChoiceKind, ChoicePoint, Strategy
from .errors import RunOver
from .outside import Alarm, Outside
from .strand import Body, Gate, Strand, strand_main

FOREVER: Final = 1 << 62
"""A virtual time that no run reaches, in nanoseconds."""

DEFAULT_MAX_STEPS: Final = 10_000_000
"""How many steps a run may take.

They are points at which the conductor was asked, and microseconds that its busiest actor was busy.
"""

_NATURE_PREFERS_THE_PRESENT: Final = 16


class Conductor:
    """Who goes next. One conductor serves one run."""

    def __init__(self, strategy: Strategy, *, seed: int = 0, max_steps: int = DEFAULT_MAX_STEPS) -> None:
        self.now = 0
        self.horizon = FOREVER
        self.steps = 0
        self.choices = 0
        self.hand_overs = 0
        self.max_steps = max_steps
        self.over = False
        self.failure: BaseException | None = None
        self.running: Actor | None = None
        self.on_quiescent: Callable[[], None] = lambda: None
        # One object for ever: strands recognise the conductor's own suspension by it.
        self.abort: Callable[[object], trio.lowlevel.Abort] = lambda _raise_cancel: trio.lowlevel.Abort.FAILED
        self._strategy = strategy
        self._seed = seed
        self._timed = strategy.obeys_time
        self._queue: list[tuple[int, int, int, Actor]] = []
        self._tickets = 0
        self.on_over: Callable[[], None] = lambda: None
        self._strands: dict[int, Strand] = {}
        self._strands_made = 0
        self._finished: trio.Event | None = None
        self._nursery: trio.Nursery | None = None
        self.outside = Outside(self)

    # -- a whole run -------------------------------------------------------------------------------------------------

    async def run(self, set_up: Callable[[], None]) -> None:
        """Conduct until `finish`.

        `set_up` spawns the first strands. Runs inside anybody's `trio.run`; raises nothing of the model's.
        """
        self._finished = trio.Event()
        self.outside.attach()
        self._strategy.start_run(self._seed)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.outside.take_care)
                try:
                    await self._begin(set_up)
                    await self._finished.wait()
                except KeyboardInterrupt as interrupt:
                    self.finish(interrupt)
                finally:
                    self._dismiss()
                    nursery.cancel_scope.cancel()
        finally:
            self._strategy.end_run()
            self.outside.detach()

    async def _begin(self, set_up: Callable[[], None]) -> None:
        try:
            set_up()
        except Exception as error:
            self.finish(error)
        else:
            await self.pass_on()

    def finish(self, failure: BaseException | None = None) -> None:
        """End the run; the first failure given is what the run is remembered for."""
        if not self.over:
            self.over = True
            self.failure = failure
            self.horizon = -1
            assert self._finished is not None
            self._finished.set()

    def _dismiss(self) -> None:
        """Wake every parked strand with `RunOver`, so that its coroutine unwinds whatever Trio's cancellation does.

        Trio chooses the order in which they unwind; it is no part of the run, so nobody has the baton and nobody
        listens.
        """
        self.over = True
        self.horizon = -1
        self.running = None
        self.on_over()
        for strand in self._strands.values():
            if strand.parked and strand.task is not None:
                strand.parked = False
                trio.lowlevel.reschedule(strand.task, outcome.Error(RunOver()))

    # -- strands -----------------------------------------------------------------------------------------------------

    def new_strand(self, name: str) -> Strand:
        """Make a strand; its order is the order of making."""
        strand = Strand(name, self._strands_made)
        self._strands[strand.order] = strand
        self._strands_made += 1
        return strand

    def spawn(self, strand: Strand, body: Body, gate: Gate, nursery: trio.Nursery | None = None) -> None:
        """Start the strand's task. It does nothing until it is granted the baton."""
        where = nursery or self._nursery
        assert where is not None, "spawn() is for a run in progress"
        where.start_soon(strand_main, body, strand, gate, self, name=strand.name)

    async def first_turn(self, strand: Strand) -> None:
        """Wait for the first grant; it may have come already."""
        strand.task = trio.lowlevel.current_task()
        if not strand.granted:
            await self.park(strand)

    async def strand_ended(self, strand: Strand, gate: Gate, error: BaseException | None) -> None:
        """A strand's body has returned or raised: the baton goes on without it."""
        if error is not None:
            self.finish(error)
            return
        del self._strands[strand.order]
        gate.exited(strand)
        await self.pass_on()

    async def pass_on(self) -> None:
        """Give the baton to who is next, from a task that is no strand or none any more.

        A strategy's error ends the run.
        """
        try:
            following = await self._next_strand()
        except Exception as error:
            self.finish(error)
        else:
            if following is not None:
                self._grant(following)

    def _grant(self, strand: Strand) -> None:
        self.hand_overs += 1
        if strand.parked:
            strand.parked = False
            assert strand.task is not None
            trio.lowlevel.reschedule(strand.task)
        else:
            strand.granted = True

    async def park(self, strand: Strand) -> None:
        """Stand still until the baton is granted. Raises RunOver when the run ends first."""
        if self.over:
            raise RunOver
        strand.parked = True
        await trio.lowlevel.wait_task_rescheduled(self.abort)

    # -- the line ----------------------------------------------------------------------------------------------------

    def enqueue(self, actor: Actor, due: int, *, paused: bool = False) -> None:
        """Put an actor in line for virtual time `due`, in place of where it stood before."""
        self._tickets = ticket = self._tickets + 1
        actor.ticket = ticket
        actor.paused = paused
        heappush(self._queue, (due, actor.index, ticket, actor))
        if due < self.horizon:  # noqa: PLR1730 - faster than min(), on the hot path
            self.horizon = due

    def post(self, actor: Actor, message: Message) -> None:
        """Put a message into an actor's mailbox; a listening actor is put in line at the message's time."""
        actor.mailbox.post(message)
        actor.attention = True
        if actor.listening:
            actor.listening = False
            self.enqueue(actor, max(actor.clock, message.time_ns))
        elif actor is self.running:
            self.horizon = -1

    async def pause(self, actor: Actor) -> None:
        """Let every actor go first that the strategy wants to go first."""
        if self._timed and not self.outside.strands and not self.over:
            queue = self._queue
            while queue and queue[0][3].ticket != queue[0][2]:
                heappop(queue)
            clock = actor.clock
            top = queue[0][0] if queue else FOREVER
            if clock < top:
                self.horizon = top
                self._count_step(clock)
                return
        # Its busy time counts before anybody else is elected, whose clock says nothing of it.
        self._count_step(actor.clock)
        self.enqueue(actor, actor.clock, paused=True)
        await self._hand_over(actor.strand)

    async def block(self, actor: Actor, reason: str, *, listening: bool, until: int | None = None) -> None:
        """Stand in no line until put back: by a message if the actor listens, by `enqueue`, or at time `until`."""
        actor.listening = listening
        actor.waiting_for = reason
        actor.ticket = BLOCKED
        if until is not None:
            self.enqueue(actor, max(until, actor.clock))
        await self._hand_over(actor.strand)
        actor.listening = False
        actor.waiting_for = ""

    async def receive(self, actor: Actor, until: int | None = None) -> Message | None:
        """The next message of a device, or None when virtual time `until` comes first."""
        message = actor.mailbox.take_nowait()
        if message is None:
            actor.attention = False
            await self.block(actor, "a message", listening=True, until=until)
            message = actor.mailbox.take_nowait()
        return message

    async def switch_strand(self, actor: Actor, following: Strand) -> None:
        """The actor goes on with another strand; the calling one parks until it is made the actor's strand again."""
        leaving = actor.strand
        actor.strand = following
        self.enqueue(actor, actor.clock, paused=True)
        await self._hand_over(leaving)

    # -- electing ----------------------------------------------------------------------------------------------------

    async def _hand_over(self, strand: Strand) -> None:
        if trio.lowlevel.current_task() is not strand.task:
            raise RuntimeError(
                f"a Trio task of its own used the machine in the place of {strand.name}: start kernel threads with "
                "k.kthread_run() or k.open_nursery(), not with trio.open_nursery()"
            )
        following = await self._next_strand() if self.outside.strands else self._elect_strand()
        if following is strand:
            return
        if following is not None:
            self._grant(following)
        await self.park(strand)

    async def _next_strand(self) -> Strand | None:
        """Elect, with those outside settled first and their deadlines passed through."""
        while True:
            if self.outside.strands:
                await self.outside.settle()
            actor = self._elect()
            if not isinstance(actor, Alarm):
                return self._strand_of(actor)
            self.outside.ring(actor)

    def _elect_strand(self) -> Strand | None:
        return self._strand_of(self._elect())

    def _strand_of(self, actor: Actor | None) -> Strand | None:
        """Who speaks for the elected actor.

        With nobody in line: wait for those outside, or tell the machine that all is quiet.
        """
        if actor is not None:
            return actor.strand
        if self.running is not None:
            # Who acted last has been busy since it was elected.
            self.now = max(self.now, self.running.clock)
            self.running = None
        if self.outside.strands:
            self.outside.abandon()
        elif not self.over:
            self.on_quiescent()
        return None

    def _elect(self) -> Actor | None:
        if self.over:
            return None
        actor = self._elect_by_clock() if self._timed else self._elect_any()
        if actor is None:
            return None
        actor.ticket = BLOCKED
        self.now = actor.clock
        queue = self._queue
        while queue and queue[0][3].ticket != queue[0][2]:
            heappop(queue)
        self.horizon = -1 if not self._timed or self.outside.strands else queue[0][0] if queue else FOREVER
        self.running = actor
        # When that was the last step, whoever asked unwinds, and nobody else moves: Trio would choose when.
        return actor if self._count_step(actor.clock) else None

    def _elect_by_clock(self) -> Actor | None:
        queue = self._queue
        while queue:
            due, _, ticket, actor = heappop(queue)
            if actor.ticket != ticket:
                continue
            if queue and queue[0][0] == due:
                actor = self._break_tie(due, actor)
            actor.clock = max(actor.clock, due)
            return actor
        return None

    def _break_tie(self, due: int, first: Actor) -> Actor:
        """Several actors stand at the same nanosecond: a choice among them."""
        queue, tied = self._queue, [first]
        while queue and queue[0][0] == due:
            entry = heappop(queue)
            if entry[3].ticket == entry[2]:
                tied.append(entry[3])
        if len(tied) == 1:
            return first
        names = tuple(actor.name for actor in tied)
        chosen = tied.pop(self.choose(ChoiceKind.NEXT_ACTOR, names, (1,) * len(names)))
        for actor in tied:
            heappush(queue, (due, actor.index, actor.ticket, actor))
        return chosen

    def _elect_any(self) -> Actor | None:
        """Every actor that could go on, and the earliest that waits for a point of time."""
        live = [entry for entry in self._queue if entry[3].ticket == entry[2]]
        heapify(live)
        self._queue = live
        ready = sorted((entry for entry in live if entry[3].paused), key=lambda entry: entry[1])
        waiting = [entry for entry in live if not entry[3].paused]
        options = [*ready, min(waiting)] if waiting else ready
        if not options:
            return None
        picked = 0
        if len(options) > 1:
            weights = tuple(_NATURE_PREFERS_THE_PRESENT if entry[3].paused else 1 for entry in options)
            picked = self.choose(ChoiceKind.NEXT_ACTOR, tuple(entry[3].name for entry in options), weights)
        due, _, _, actor = options[picked]
        actor.clock = max(actor.clock, due, self.now)
        return actor

    def choose(self, kind: ChoiceKind, options: tuple[str, ...], weights: tuple[int, ...]) -> int:
        """Ask the strategy. Raises IndexError when it answers with something that is not an option."""
        self.choices += 1
        picked = self._strategy.choose(ChoicePoint(kind, options, weights))
        if not 0 <= picked < len(options):
            raise IndexError(f"strategy {self._strategy.name} chose option {picked} of {len(options)} at {kind.value}")
        return picked

    def _count_step(self, clock: int) -> bool:
        """One step, and one for each microsecond that an actor was busy since it was seen; False after the last."""
        self.steps += 1
        if clock > self.now:
            self.steps += (clock - self.now) // 1000
            self.now = clock
        if self.steps > self.max_steps:
            self.finish(
                StepBoundExceeded(
                    f"the scenario took more than {self.max_steps} steps: does it end? (--max-steps raises the bound)"
                )
            )
        return not self.over
