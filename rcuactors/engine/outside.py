"""Waits outside the model: a strand that sits in Trio itself, and how it comes back without Trio choosing the order.

A strand that suspends outside cannot conduct any more, so the caretaker, a task of its own, passes the baton on for
it. Before anybody is elected while strands are outside, Trio gets a few turns, so that everybody who was woken has
come back; those who have are put in line in their stable order, whatever order Trio ran them in. Under our own clock
the deadline of such a wait is an actor in line like any other (an alarm), so that virtual time stops exactly there;
Trio's own number is kept beside it, since nanoseconds and float seconds do not convert both ways.

Tasks that are no part of the machine have deadlines, too: a timeout around the run, a test's own sleep. They are no
actors, or a timeout around a run would change it. The conductor's `limit` is the first of them: who is elected at or
after it waits until Trio has had its turns there. Under a real clock Trio looks after them itself between any two
hand-overs; an actor that is alone for long makes a halt for that, and for Ctrl-C.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs
import trio

from .actor import Actor
from .clock import NSEC_PER_SEC, VirtualClock
from .orders import BLOCKED, FOREVER

if TYPE_CHECKING:
    from .conductor import Conductor
    from .strand import Gate, Strand

_SETTLE_TURNS: Final = 2
_CLOSE: Final = 1e-9
"""Seconds within which two of Trio's deadlines are taken for one; a nanosecond, the model's resolution."""
_ALARM_INDEX: Final = 1 << 30
"""Alarms stand behind every other actor in the stable order."""


@attrs.define(eq=False, kw_only=True)
class Alarm(Actor):
    """The deadline of a wait outside, so that virtual time stops there. `seconds` is Trio's own number."""

    seconds: float = 0.0


class Outside:
    """The strands of one run that wait in Trio. `strands` counts those outside and those on their way back."""

    def __init__(self, conductor: Conductor) -> None:
        self.strands = 0
        self.settling = False
        self._conductor = conductor
        self._returned: list[tuple[int, Strand, Gate]] = []
        self._clock: VirtualClock | None = None
        self._base = 0.0
        self._has_caretaker = False
        self._caretaker: trio.lowlevel.Task | None = None
        self._caretaker_wanted = False
        self._abandoned = False
        self._alarms: list[Alarm] = []
        self._own_deadline = math.inf
        self._deadline = math.inf
        self._deadline_ns = FOREVER
        self._looking = False

    # -- time ---------------------------------------------------------------------------------------------------

    async def attach(self) -> None:
        """A run begins: take hold of the clock, if it is ours, when a run that has it is over (clock.py)."""
        clock = trio.lowlevel.current_clock()
        if isinstance(clock, VirtualClock):
            try:
                await clock.attach(self._stalled, self._time_for_who_asks, self._is_inside)
            except trio.Cancelled:
                self._conductor.cut_short = True
                raise
            self._clock, self._base = clock, clock.seconds
            self._own_deadline = trio.current_effective_deadline()
            self._look_for_deadlines()

    def _is_inside(self) -> bool:
        """Whether the task that asks is one of this run's, or was started by one."""
        nursery = trio.lowlevel.current_task().parent_nursery
        while nursery is not None and nursery is not self._conductor.nursery:
            nursery = nursery.parent_task.parent_nursery
        return nursery is not None

    def detach(self) -> None:
        """The run is over: the clock stands where the run ended."""
        if self._clock is not None:
            self._clock.detach()
            self._move_the_clock()

    def _seconds(self, time_ns: int) -> float:
        return self._base + time_ns / NSEC_PER_SEC

    def _nanoseconds(self, seconds: float) -> int:
        return round((seconds - self._base) * NSEC_PER_SEC)

    def _time_for_who_asks(self) -> float:
        """A strand is told its actor's clock, which is ahead of the conductor's; Trio itself what we let it see.

        Anybody else is told the conductor's, and may be about to wait: his deadline is looked for at once.
        """
        if self._looking or not trio.lowlevel.in_trio_task():
            return self._base
        conductor = self._conductor
        running = conductor.running
        if running is not None and running.strand.on_stage:
            return self._seconds(running.clock)
        # Not the halt: who runs is not disturbed before he comes to a point.
        conductor.limit = min(conductor.limit, conductor.now)
        return self._seconds(conductor.now)

    def _move_the_clock(self) -> None:
        """Bring Trio's time up to the conductor's."""
        if self._clock is not None:
            self._clock.advance(self._seconds(self._conductor.now))

    def ring(self, alarm: Alarm) -> None:
        """Virtual time has come to a deadline: Trio wakes who waits for it at its next turn."""
        assert self._clock is not None
        self._clock.advance(alarm.seconds)

    def _look_for_deadlines(self) -> None:
        """Set the limit to the first deadline in Trio that is not an alarm's."""
        clock = self._clock
        assert clock is not None
        self._looking = True
        # Trio tells how long it is until then, and nothing of whose deadline it is.
        seconds = clock.current_time() + trio.lowlevel.current_statistics().seconds_to_next_deadline
        self._looking = False
        if abs(seconds - self._own_deadline) < _CLOSE:
            seconds = self._own_deadline
        else:
            seconds += _CLOSE
        if not math.isinf(seconds) and not any(abs(seconds - alarm.seconds) <= 2 * _CLOSE for alarm in self._alarms):
            self._deadline, self._deadline_ns = seconds, self._nanoseconds(seconds)
        else:
            self._deadline_ns = FOREVER
        self._conductor.move_limit(self._deadline_ns)

    async def reach_limit(self, time_ns: int) -> None:
        """Virtual time has come to the limit: let those have their turns who are no part of the machine."""
        conductor = self._conductor
        while time_ns >= conductor.limit and not conductor.over:
            if time_ns >= self._deadline_ns and self._clock is not None:
                self._clock.advance(self._deadline)
                # Whoever wakes at his deadline is told that time, however far the next actor has come.
                self._looking = True
            await self.let_trio_run()
            self._look_for_deadlines()

    async def halt(self, time_ns: int) -> None:
        """An actor has gone on unseen for long, or to the limit."""
        if time_ns >= self._conductor.limit:
            await self.reach_limit(time_ns)
        else:
            await self.let_trio_run()
        self._conductor.go_on_unseen(time_ns)

    async def let_trio_run(self, turns: int = _SETTLE_TURNS) -> None:
        """A few turns for everybody who is no actor, or is on his way back."""
        self.settling = True
        try:
            for _ in range(turns):
                await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self.settling = False

    def _stalled(self) -> None:
        """Our own clock found nothing to do and no deadline: those who wait outside the model wait for ever."""
        if not self._conductor.over and self.strands:
            self._conductor.quiescent()

    # -- going out and coming back --------------------------------------------------------------------------------

    def begin(self, strand: Strand) -> Alarm | None:
        """The strand suspends in Trio. Note the deadline, if the clock is ours, and let the baton go on."""
        self.strands += 1
        self._conductor.asks += 1
        alarm: Alarm | None = None
        seconds = trio.current_effective_deadline() if self._clock is not None else math.inf
        if not math.isinf(seconds) and seconds != self._own_deadline:
            alarm = Alarm(name=f"deadline of {strand.name}", index=_ALARM_INDEX, seconds=seconds)
            self._conductor.enqueue(alarm, max(self._nanoseconds(seconds), self._conductor.now))
            self._alarms.append(alarm)
        self._conductor.running = None
        self._move_the_clock()
        self._wake_the_caretaker()
        return alarm

    async def end(self, strand: Strand, gate: Gate, alarm: Alarm | None) -> None:
        """Trio's wait is over: wait for the baton. Raises RunOver when the run has ended meanwhile."""
        if alarm is not None:
            alarm.ticket = BLOCKED
            self._alarms.remove(alarm)
        if self._conductor.over:
            return
        self._returned.append((strand.order, strand, gate))
        if self._abandoned:
            self._abandoned = False
            self._wake_the_caretaker()
        await self._conductor.park(strand)

    def abandon(self) -> None:
        """Nobody is in line: whoever comes back first has the caretaker conduct."""
        self._abandoned = True

    async def settle(self) -> None:
        """Let Trio run until everybody who was woken has come back, and put them in line in their stable order."""
        conductor = self._conductor
        if self._clock is not None:
            # With nobody in line Trio may have moved our clock by itself, to the deadline of a task that is no strand.
            conductor.now = max(conductor.now, self._nanoseconds(self._clock.seconds))
            self._move_the_clock()
        await self.let_trio_run()
        returned, self._returned = sorted(self._returned, key=lambda entry: entry[0]), []
        for _, strand, gate in returned:
            self.strands -= 1
            conductor.asks -= 1
            try:
                gate.rejoin(strand)
            except Exception as error:
                conductor.finish(error)
        if returned and self._clock is not None:
            # A deadline may have stood behind that of who has come back.
            self._look_for_deadlines()

    # -- the caretaker --------------------------------------------------------------------------------------------

    async def _take_care(self) -> None:
        """The caretaker: conducts in the place of strands that are outside. Ends by cancellation.

        Most runs never have one: it is started when the first strand goes outside.
        """
        while True:
            if not self._caretaker_wanted:
                self._caretaker = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._caretaker_cancelled)
            self._caretaker_wanted = False
            await self._conductor.pass_on()

    def _wake_the_caretaker(self) -> None:
        self._caretaker_wanted = True
        if not self._has_caretaker:
            self._has_caretaker = True
            self._conductor.start_task(self._take_care)
        elif self._caretaker is not None:
            task, self._caretaker = self._caretaker, None
            trio.lowlevel.reschedule(task)

    def _caretaker_cancelled(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._caretaker = None
        return trio.lowlevel.Abort.SUCCEEDED
