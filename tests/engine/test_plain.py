"""engine/plain.py: the same runs without Trio, and what only Trio can do is not taken for something else."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import trio

from rcuactors.engine.choice import Answered, Outcome, Timed
from rcuactors.engine.errors import NeedsTrio, RunOver
from rcuactors.engine.host import Host
from rcuactors.engine.plain import PlainConductor
from rcuactors.errors import StepBoundExceeded
from rcuactors.explore.holds import Holds
from rcuactors.explore.random import Random

from .conftest import Rig

if TYPE_CHECKING:
    from .conftest import Player

Strategies = pytest.mark.parametrize("strategy", [Timed, Random, Holds])
Drivers = pytest.mark.parametrize("kind", ["trio", "plain"])


BOUND = 20_000


class PlainRig(Rig):
    """The same players without Trio."""

    def __init__(
        self, strategy: Any = None, *, seed: int = 0, max_steps: int = BOUND, host: Host | None = None
    ) -> None:
        super().__init__(strategy, seed=seed, max_steps=max_steps, host=host)
        self.strategy = strategy or Timed()
        self.plain = PlainConductor(self.strategy, seed=seed, max_steps=max_steps, host=host)
        self.conductor = self.plain

    def run(self) -> list[tuple[str, object]]:
        self.plain.run_plain(self.set_up)
        if self.plain.failure is not None:
            raise self.plain.failure
        return self.log


RIGS: dict[str, type[Rig]] = {"trio": Rig, "plain": PlainRig}


def waker(me: Player, times: int) -> Callable[[Any], Awaitable[None]]:
    """A device: it takes a step each time that it is woken by time."""

    async def body(_: Any) -> None:
        for _ in range(times):
            me.rig.log.append((me.name, me.clock))
            me.clock += 1
            await me.rig.conductor.block(me, "time", listening=True, until=me.clock + 10)

    return body


def busy(rig: Rig, times: int) -> Rig:
    """Two who take steps, and two devices that others run in place, for so many times."""

    async def steps(me: Player) -> None:
        for _ in range(300):
            await me.step(7)
        if me.name == "b" and times > 4:
            rig.conductor.finish()

    for name in "ab":
        rig.player(name, steps)
    for name in ("device 1", "device 2"):
        device = rig.player(name, None, machinery=True)  # type: ignore[arg-type]  # given below
        rig.players[-1] = (device, waker(device, times))
    return rig


@Strategies
@pytest.mark.parametrize("times", [4, 1 << 30], ids=["devices end", "devices go on"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_same_run(strategy: Any, times: int, seed: int) -> None:
    runs = [busy(kind(strategy(), seed=seed, max_steps=BOUND), times) for kind in RIGS.values()]
    for rig in runs:
        # A device may go on for longer than the bound while somebody is held up.
        with contextlib.suppress(StepBoundExceeded):
            rig.run()
    assert runs[0].log == runs[1].log
    assert len(runs[0].log) > 300
    assert runs[0].conductor.statistics() == runs[1].conductor.statistics()


@Drivers
@pytest.mark.parametrize("in_place", [False, True], ids=["a script", "a device in place"])
@pytest.mark.parametrize("error", [LookupError("here"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error_ends_the_run_as_itself(kind: str, in_place: bool, error: BaseException) -> None:
    rig = RIGS[kind]()
    caught: list[BaseException] = []

    async def careful(me: Player) -> None:
        for _ in range(30):
            try:
                await me.step(5)
            except Exception as found:
                caught.append(found)

    async def failing(me: Player) -> None:
        await me.rig.conductor.block(me, "time", listening=True, until=40)
        raise error

    rig.player("careful", careful)
    rig.player("another", careful)
    rig.player("failing", failing, machinery=in_place)
    with pytest.raises(type(error)) as raised:
        rig.run()
    assert raised.value is error
    assert not caught


@Drivers
@pytest.mark.parametrize("where", ["exited", "on_quiescent", "on_over"])
def test_so_does_one_of_what_the_conductor_calls(kind: str, where: str) -> None:
    error = LookupError(where)

    def fails() -> None:
        raise error

    host = {"on_quiescent": Host(on_quiescent=fails), "on_over": Host(on_over=fails)}.get(where, Host())
    rig = RIGS[kind](host=host)
    rig.stepper("one", 5, 5, 5)
    if where == "exited":
        rig.players[0][0].fails_in = "exited"
    with pytest.raises(LookupError, match=where):
        rig.run()


@Drivers
def test_everybody_unwinds(kind: str) -> None:
    """Those who are parked hear of the end, and may say what they like to it."""
    rig, heard = RIGS[kind](), []

    async def waits(me: Player) -> None:
        try:
            await me.rig.conductor.block(me, "a message", listening=True)
        except RunOver:
            heard.append(me.name)
            raise LookupError from None
        finally:
            with contextlib.suppress(RunOver):
                await me.rig.conductor.block(me, "another", listening=True)
            heard.append(f"{me.name} again")

    for name in ("one", "two"):
        rig.player(name, waits)

    async def ends(me: Player) -> None:
        await me.step(10)
        rig.conductor.finish()

    rig.player("ends", ends, clock=5)
    rig.run()
    assert sorted(heard) == ["one", "one again", "two", "two again"]


@Drivers
def test_the_step_bound_ends_it(kind: str) -> None:
    rig = RIGS[kind](max_steps=200)
    rig.stepper("ever", *[7] * 1000)
    rig.stepper("and ever", *[7] * 1000)
    with pytest.raises(StepBoundExceeded):
        rig.run()


@Drivers
def test_each_has_context_variables_of_its_own(kind: str) -> None:
    rig, name = RIGS[kind](), contextvars.ContextVar("name", default="nobody")
    seen: list[tuple[str, str]] = []

    async def body(me: Player) -> None:
        before = name.get()
        name.set(me.name)
        for _ in range(3):
            await me.step(5)
            seen.append((before, me.name if name.get() == me.name else "another"))

    for who in "ab":
        rig.player(who, body)
    name.set("outside")
    rig.run()
    assert set(seen) == {("outside", "a"), ("outside", "b")}
    assert name.get() == "outside"


class Suspends:
    """Waits for something that is nobody's."""

    def __await__(self) -> Any:
        yield "something"


async def half_way() -> AsyncIterator[int]:
    yield 1
    yield 2


async def throws_a_generator_away() -> None:
    async for _ in half_way():
        break


async def in_a_scope() -> None:
    with trio.move_on_after(1):  # noqa: ASYNC100 - it has a deadline all the same
        pass


async def in_a_nursery() -> None:
    async with trio.open_nursery():
        pass


async def asks_the_time() -> None:
    trio.current_time()


async def asks_who_it_is() -> None:
    assert trio.lowlevel.current_task().name


async def looks_itself_up() -> None:
    assert hash(trio.lowlevel.current_task())


async def takes_a_lock() -> None:
    trio.Lock().acquire_nowait()


FOREIGN: dict[str, Callable[[], Awaitable[object]]] = {
    "sleep": functools.partial(trio.sleep, 1),
    "checkpoint": trio.lowlevel.checkpoint,
    "event": lambda: trio.Event().wait(),
    "thread": lambda: trio.to_thread.run_sync(int),
    "another loop's": Suspends,
    "scope": in_a_scope,
    "nursery": in_a_nursery,
    "time": asks_the_time,
    "task": asks_who_it_is,
    "task in a set": looks_itself_up,
    "lock": takes_a_lock,
    "generator": throws_a_generator_away,
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("hides", [False, True], ids=["plainly", "in spite of what is caught"])
def test_what_only_trio_can_do_is_noticed(what: str, hides: bool) -> None:
    """Whatever the script makes of it, nothing of the run counts, and the strategy hears of no end."""
    ends: list[Outcome] = []

    class Listens(Random):
        def end_run(self, outcome: Outcome) -> None:
            ends.append(outcome)

    over: list[bool] = []
    rig = PlainRig(Listens(), host=Host(on_over=lambda: over.append(True)))

    async def body(me: Player) -> None:
        await me.step(1)
        try:
            await FOREIGN[what]()
        except BaseException:
            assert over
            if not hides:
                raise
        await me.step(1)
        raise AssertionError("it went on")

    rig.player("asks", body)
    rig.stepper("beside", *[2] * 20)
    with pytest.raises(NeedsTrio):
        rig.run()
    assert over
    assert not ends
    assert not trio.lowlevel.in_trio_run()


@Drivers
def test_what_needs_no_loop_needs_no_trio(kind: str) -> None:
    """Nor does asking whether there is one: the answer is the same."""
    rig, answers = RIGS[kind](), []

    async def body(me: Player) -> None:
        send, receive = trio.open_memory_channel[int](4)
        send.send_nowait(7)
        await me.step(1)
        answers.append((receive.receive_nowait(), trio.lowlevel.in_trio_run(), trio.lowlevel.in_trio_task()))
        trio.Event().set()

    rig.player("posts", body)
    rig.run()
    assert answers == [(7, True, True)]


@Strategies
def test_a_run_that_begins_again_goes_the_same_way(strategy: Any) -> None:
    """The strategy answers each decision once."""
    straight, tried = Rig(strategy(), seed=5), PlainRig(strategy(), seed=5)

    async def foreign(me: Player) -> None:
        await me.step(900)
        await trio.lowlevel.checkpoint()
        await me.step(900)

    for rig in (straight, tried):
        busy(rig, 9).player("foreign", foreign)
    expected = straight.run()
    with pytest.raises(NeedsTrio):
        tried.run()
    again = busy(Rig(Answered(tried.strategy, tried.plain.answered), seed=5), 9)
    again.player("foreign", foreign)
    assert again.run() == expected
    assert again.conductor.statistics() == straight.conductor.statistics()
