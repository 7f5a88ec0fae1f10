"""The conductor: the baton's hand-over on Trio. At any moment at most one actor is runnable.

Every actor waits in one primitive, `trio.lowlevel.wait_task_rescheduled`; whoever gives up the baton elects the next
actor (`line`) and reschedules exactly that task, or goes on where it is when it is itself next (no Trio switch at
all). A run is therefore a pure function of its inputs and of the answers to its decisions.

Whatever goes wrong in what the conductor calls, a strategy, a gate, a hook, ends the run with that error: it is never
raised into the script that happens to stand there, which might catch it, and nobody is left waiting.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio
from trio.lowlevel import reschedule

from ..errors import NothingLeft
from .actor import Actor, Mailbox, Message
from .choice import Strategy
from .errors import RunOver
from .host import ConductorStatistics, Host
from .line import DEFAULT_MAX_STEPS, Line
from .orders import BLOCKED
from .outside import Alarm, Outside
from .parking import GO_ON, PARK, run_in_place
from .probe import Access, EngineProbes
from .strand import Body, Gate, Strand, in_the_place_of, strand_main

_LONG_ALONE: Final = 100
"""How often an actor elects itself before Trio gets a turn all the same, for Ctrl-C and timeouts in real time."""


class Conductor(Line):
    """Who goes next, and how the one baton gets there: at any moment at most one actor is runnable.

    One conductor serves one run.

    `cut_short` says that somebody cancelled the run from outside.
    """

    __slots__ = (
        "_alone",
        "_finished",
        "_following",
        "_host",
        "_messages_told",
        "_paths",
        "_seed",
        "_strands",
        "_strands_made",
        "cut_short",
        "hand_overs",
        "nursery",
        "outside",
    )

    def __init__(
        self, strategy: Strategy, *, seed: int = 0, max_steps: int = DEFAULT_MAX_STEPS, host: Host | None = None
    ) -> None:
        super().__init__(strategy, max_steps=max_steps, probes=EngineProbes(self.ended_by))
        self._messages_told = self.probes.messages
        self.hand_overs = 0
        self.cut_short = False
        self._host = host or Host()
        self._seed = seed
        self._alone = 0
        self._following: Strand | None = None
        """Who is next after a strand that ran in place."""
        self._strands: dict[int, Strand] = {}
        self._strands_made = 0
        self._paths: dict[str, int] = {}
        self._finished: trio.Event | None = None
        self.nursery: trio.Nursery | None = None
        self.outside = Outside(self)

    def statistics(self) -> ConductorStatistics:
        """Its figures, as they are now."""
        return ConductorStatistics(
            now_ns=self.now,
            steps=self.steps,
            decisions=self.choices,
            hand_overs=self.hand_overs,
            strands=len(self._strands),
            strands_made=self._strands_made,
        )

    # -- a whole run -------------------------------------------------------------------------------------------------

    async def run(self, set_up: Callable[[], None]) -> None:
        """Conduct until `finish`.

        `set_up` spawns the first strands. Runs inside anybody's `trio.run`; raises nothing of the model's. Raises
        NothingLeft when the strategy has no run left to try, and passes on Trio's Cancelled.
        """
        self._finished = trio.Event()
        if not self._strategy.start_run(self._seed):
            raise NothingLeft(f"strategy {self._strategy.name} has tried everything that it had to try")
        await self.outside.attach()
        try:
            await self._conduct(set_up)
        finally:
            self.outside.detach()
            self._tell_the_strategy()
        if self.cut_short and self.failure is None:
            # Swallowed in the nursery: here it is raised again, as itself.
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _conduct(self, set_up: Callable[[], None]) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            try:
                await self._begin(set_up)
                assert self._finished is not None
                await self._finished.wait()
            except trio.Cancelled:
                self.cut_short = not self.over
            except KeyboardInterrupt as interrupt:
                self.finish(interrupt)
            finally:
                self._dismiss()
                # What is cancelled from outside ends by this scope, too, and so leaves no group of Cancelled.
                nursery.cancel_scope.shield = True
                nursery.cancel_scope.cancel()

    async def _begin(self, set_up: Callable[[], None]) -> None:
        try:
            set_up()
        except RunOver:
            pass  # a listener has failed, which has ended it
        except Exception as error:
            self.finish(error)
        else:
            await self.pass_on()

    def finish(self, failure: BaseException | None = None) -> None:
        """End the run; the first failure given is what the run is remembered for."""
        super().finish(failure)
        if self._finished is not None:
            self._finished.set()

    def ended_by(self, error: Exception) -> RunOver:
        """End the run by an error on the stack of somebody who has no part in it. Returns what to raise there."""
        self.finish(error)
        return RunOver()

    def _dismiss(self) -> None:
        """Wake every parked strand to a run that is over, so that it unwinds whatever Trio's cancellation does.

        Trio chooses in which order; it is no part of the run, so nobody has the baton and nobody listens.
        """
        self._close()
        for strand in self._strands.values():
            if strand.parked and strand.task is not None:
                strand.parked = False
                reschedule(strand.task, GO_ON)

    def _close(self) -> None:
        """What still happens from here on is no part of the run."""
        self.over = True
        self.horizon = -1
        self.running = None
        try:
            self._host.on_over()
        except Exception as error:
            self._remember(error)

    def _remember(self, error: Exception) -> None:
        """Something went wrong after the end: that is what the run is remembered for, unless it had failed before."""
        if self.failure is None:
            self.failure = error

    def _tell_the_strategy(self) -> None:
        try:
            self._strategy.end_run(self.outcome(self._host.verdict(), cut_short=self.cut_short))
        except Exception as error:
            self._remember(error)

    # -- strands -----------------------------------------------------------------------------------------------------

    def new_strand(self, name: str, *, label: str = "", root: bool = False, machinery: bool = False) -> Strand:
        """Make a strand; its order is the order of making.

        Its path is told by who makes it, and by the label, which is the name unless given. A `root` has no maker.
        `machinery` runs nobody's code but the model's.
        """
        label = label or name
        maker = None if root or self.running is None else self.running.strand
        path = label if maker is None else f"{maker.path}/{label}"
        number = self._paths[path] = self._paths.get(path, -1) + 1
        if maker is not None or number:
            path = f"{path}.{number}"
        strand = Strand(name, self._strands_made, path, machinery)
        self._strands[strand.order] = strand
        self._strands_made += 1
        return strand

    def spawn(self, strand: Strand, body: Body, gate: Gate, nursery: trio.Nursery | None = None) -> None:
        """Say what the strand's task will be. It is made when the strand is first granted the baton.

        That may have happened already. The task has the context variables of who calls here.
        """
        where = nursery or self.nursery
        assert where is not None, "spawn() is for a run in progress"
        make = partial(where.start_soon, strand_main, body, strand, gate, self, name=strand.name)
        strand.start = partial(contextvars.copy_context().run, make)
        if strand.granted:
            strand.start()

    def start_task(self, body: Callable[[], Awaitable[None]]) -> None:
        """Start a task that is no strand; it ends with the run."""
        assert self.nursery is not None, "start_task() is for a run in progress"
        self.nursery.start_soon(body)

    async def strand_ended(self, strand: Strand, gate: Gate, error: BaseException | None) -> None:
        """A strand's body has returned or raised: the baton goes on without it."""
        if error is not None:
            self.finish(error)
            return
        del self._strands[strand.order]
        try:
            gate.exited(strand)
        except Exception as mistake:
            self.finish(mistake)
        else:
            await self.pass_on()

    async def pass_on(self) -> None:
        """Give the baton to who is next, from a task that is no strand or none any more."""
        if self.outside.strands:
            await self.outside.settle()
        following = await self._next_strand(self.elect())
        if following is not None:
            self._grant(following)

    def _grant(self, strand: Strand) -> None:
        self.hand_overs += 1
        if strand.parked:
            strand.parked = False
            assert strand.task is not None
            reschedule(strand.task, GO_ON)
        else:
            strand.granted = True
            if strand.start is not None:
                strand.start()

    async def park(self, strand: Strand) -> None:
        """Stand still until the baton is granted. Raises RunOver when the run ends first."""
        if self.over:
            raise RunOver
        strand.parked = True
        await PARK
        if self.over:
            raise RunOver

    def add_actor(self, actor: Actor) -> None:
        """An actor takes part in the run: its mailbox is one of a run on Trio."""
        actor.mailbox = Mailbox()

    # -- what an actor may do ----------------------------------------------------------------------------------------

    def post(self, actor: Actor, message: Message) -> None:
        """Put a message into an actor's mailbox; a listening actor is put in line at the message's time."""
        actor.mailbox.post(message)
        if self._messages_told.on:
            self.probes.message(actor, message)
            self.probes.access(actor.mailbox, Access.WRITE)
        actor.attention = True
        if actor.listening:
            actor.listening = False
            self.enqueue(actor, max(actor.clock, message.time_ns))
        elif actor is self.running:
            self.horizon = -1

    async def pause(self, actor: Actor) -> None:
        """Let every actor go first that the strategy wants to go first."""
        if self.asks:
            pass
        elif self.goes_on(actor):
            return
        elif self.halt <= actor.clock < self.earliest():
            unseen = self.horizon == self.halt and not actor.attention
            await self.outside.halt(actor.clock)
            if self.over or not self.within_bounds(actor.clock):
                raise RunOver
            # Where only somebody outside wanted to be asked, this is no point for the model.
            if unseen or self.goes_on(actor):
                return
        strand = actor.strand
        if not strand.on_stage:
            raise in_the_place_of(strand)
        if self.outside.strands:
            self.stop(actor)
            elected = await self._elect_after_settling()
        else:
            elected = self.elect_at_point(actor)
        if elected is not actor or self.now >= self.limit:
            await self._hand_over(strand, elected)
            return
        self._alone += 1
        if self._alone >= _LONG_ALONE:
            await self._breathe()

    async def block(self, actor: Actor, reason: str, *, listening: bool, until: int | None = None) -> None:
        """Stand in no line until put back: by a message if the actor listens, by `enqueue`, or at time `until`."""
        strand = actor.strand
        if not strand.on_stage:
            raise in_the_place_of(strand)
        actor.listening = listening
        actor.waiting_for = reason
        actor.ticket = BLOCKED
        if until is not None:
            self.enqueue(actor, max(until, actor.clock))
        await self._hand_over(strand, await self._elect_after_settling() if self.outside.strands else self.elect())
        actor.listening = False
        actor.waiting_for = ""

    async def receive(self, actor: Actor, until: int | None = None) -> Message | None:
        """The next message of a device, or None when virtual time `until` comes first."""
        message = actor.mailbox.take_nowait()
        if message is None:
            actor.attention = False
            await self.block(actor, "a message", listening=True, until=until)
            message = actor.mailbox.take_nowait()
        if self._messages_told.on:
            self.probes.access(actor.mailbox, Access.READ)
            if message is not None:
                self.probes.message_taken(actor, message)
        return message

    async def switch_strand(self, actor: Actor, following: Strand) -> None:
        """The actor goes on with another strand; the calling one parks until it is made the actor's strand again."""
        leaving = actor.strand
        if not leaving.on_stage:
            raise in_the_place_of(leaving)
        actor.strand = following
        self.enqueue(actor, actor.clock, paused=True)
        await self._hand_over(leaving, await self._elect_after_settling() if self.outside.strands else self.elect())

    # -- electing ----------------------------------------------------------------------------------------------------

    async def _elect_after_settling(self) -> Actor | None:
        await self.outside.settle()
        return self.elect()

    async def _hand_over(self, strand: Strand, elected: Actor | None) -> None:
        """The baton goes from a strand to the elected actor's, which may be the same one; the strand waits for it."""
        if elected is None or self.now >= self.limit or self.outside.strands:
            following = await self._next_strand(elected)
        else:
            following = elected.strand
            if following.machinery and following.parked and not strand.machinery:
                following = await self._run_in_place(following)
                self.hand_overs += following is strand
        if following is strand:
            self._alone += 1
            if self._alone >= _LONG_ALONE:
                await self._breathe()
            return
        if strand.in_place:
            self._following = following
        elif following is not None:
            self._grant(following)
        # As in park(), which would be one call more at each hand-over.
        if self.over:
            raise RunOver
        strand.parked = True
        await PARK
        if self.over:
            raise RunOver

    async def _run_in_place(self, following: Strand) -> Strand | None:
        """Run a parked strand of machinery, and others that follow it, in the caller's task; who is next then.

        Raises RunOver when that ends the run.
        """
        for _ in range(_LONG_ALONE):
            self.hand_overs += 1
            following.parked, following.in_place = False, True
            try:
                ended = await run_in_place(following)
            except BaseException as error:
                self._lost_in_place(following, error)
                raise RunOver from None
            finally:
                following.in_place = False
            if ended:
                return following
            after = self._following
            if after is None or not (after.machinery and after.parked):
                return after
            following = after
        return following

    def _lost_in_place(self, strand: Strand, error: BaseException) -> None:
        """A strand that ran in place has failed, or was told that the run is over: its own task has only to end."""
        if not isinstance(error, RunOver):
            self.finish(error)
        assert strand.task is not None
        reschedule(strand.task, GO_ON)

    async def _breathe(self) -> None:
        """Nobody else has had the baton for long: let Trio look around."""
        self._alone = 0
        await self.outside.let_trio_run(1)
        if self.over:
            raise RunOver

    async def _next_strand(self, actor: Actor | None) -> Strand | None:
        """Who speaks for the elected actor, or for the next one that is elected where that is an alarm.

        Those outside are settled first, and the deadlines of others that have come before.
        """
        while isinstance(actor, Alarm):
            self.outside.ring(actor)
            if self.outside.strands:
                await self.outside.settle()
            actor = self.elect()
        if actor is not None and self.now >= self.limit:
            await self.outside.reach_limit(self.now)
        if actor is not None and not self.over:
            return actor.strand
        self._nobody()
        return None

    def _nobody(self) -> None:
        """With nobody in line: wait for those outside, or tell the machine that all is quiet."""
        if self.running is not None:
            # Who acted last has been busy since it was elected.
            self.now = max(self.now, self.running.clock)
            self.running = None
        if self.outside.strands:
            self.outside.abandon()
        elif not self.over:
            self.quiescent()

    def quiescent(self) -> None:
        """Nobody can go on and no timer is armed: the run is over, when the machine has said what it thinks of that."""
        try:
            self._host.on_quiescent()
        except Exception as error:
            self.finish(error)
        self.finish()
