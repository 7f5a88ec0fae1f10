"""A rig for the bare engine: actors with scripts, no kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from rcuactors import VirtualClock
from rcuactors.engine.actor import Actor
from rcuactors.engine.choice import Strategy, Timed
from rcuactors.engine.conductor import Conductor
from rcuactors.engine.host import Host
from rcuactors.engine.line import DEFAULT_MAX_STEPS
from rcuactors.engine.strand import Strand

Body = Callable[["Player"], Awaitable[None]]


@attrs.define(eq=False, kw_only=True)
class Player(Actor):
    """An actor with one strand, which is its own gate.

    `machinery`: others may run it in place.
    `objection` is raised where it first suspends outside. The method named by `fails_in` raises LookupError.
    """

    rig: Rig
    machinery: bool = False
    objection: BaseException | None = None
    fails_in: str = ""

    def fail_in(self, method: str) -> None:
        if method == self.fails_in:
            raise LookupError(method)

    def leave(self, _strand: Strand) -> BaseException | None:
        self.fail_in("leave")
        objection, self.objection = self.objection, None
        return objection

    def rejoin(self, _strand: Strand) -> None:
        self.fail_in("rejoin")
        self.rig.conductor.enqueue(self, max(self.clock, self.rig.conductor.now))

    def exited(self, _strand: Strand) -> None:
        self.fail_in("exited")
        self.rig.log.append((self.name, "ended"))

    async def step(self, duration: int) -> None:
        """Be busy for a while; say so before others may act."""
        conductor = self.rig.conductor
        self.rig.log.append((self.name, self.clock))
        assert conductor.running is self
        self.clock += duration
        if self.clock >= conductor.horizon:
            await conductor.pause(self)


class Rig:
    """A conductor and its players; `log` is what they did, in the order in which they did it."""

    def __init__(
        self,
        strategy: Strategy | None = None,
        *,
        seed: int = 0,
        max_steps: int = DEFAULT_MAX_STEPS,
        host: Host | None = None,
    ) -> None:
        self.conductor = Conductor(strategy or Timed(), seed=seed, max_steps=max_steps, host=host)
        self.log: list[tuple[str, object]] = []
        self.players: list[tuple[Player, Body]] = []

    def player(self, name: str, body: Body, *, clock: int = 0, machinery: bool = False) -> Player:
        player = Player(name=name, index=len(self.players), clock=clock, rig=self, machinery=machinery)
        self.players.append((player, body))
        return player

    def stepper(self, name: str, *durations: int, clock: int = 0) -> Player:
        async def body(me: Player) -> None:
            for duration in durations:
                await me.step(duration)

        return self.player(name, body, clock=clock)

    def set_up(self) -> None:
        for player, body in self.players:
            player.strand = self.conductor.new_strand(player.name, machinery=player.machinery)
            self.conductor.spawn(player.strand, lambda body=body, player=player: body(player), player)
            self.conductor.enqueue(player, player.clock)

    def run(self) -> list[tuple[str, object]]:
        """Run in virtual time; raise what ended the run, if anything did."""
        trio.run(self.conductor.run, self.set_up, clock=VirtualClock())
        if self.conductor.failure is not None:
            raise self.conductor.failure
        return self.log

    def steps(self) -> list[tuple[str, object]]:
        """The run's log without the ends."""
        return [entry for entry in self.run() if entry[1] != "ended"]


@pytest.fixture
def rig() -> type[Rig]:
    return Rig
