"""engine/parking.py and what the conductor does with it: machinery that is parked runs where the baton is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import trio

from rcuactors.engine.choice import Timed
from rcuactors.engine.errors import RunOver
from rcuactors.errors import StepBoundExceeded
from rcuactors.explore.random import Random

if TYPE_CHECKING:
    from .conftest import Player, Rig

    RigClass = type[Rig]

Strategies = pytest.mark.parametrize("strategy", [Timed, Random], ids=["by clock", "anyone"])


def machinery(me: Player, log: list[trio.lowlevel.Task], times: int = 1 << 30) -> Callable[[], Any]:
    """A device: it takes a step each time that it is woken by time, and notes in whose task."""

    async def body(_: Player) -> None:
        for _ in range(times):
            log.append(trio.lowlevel.current_task())
            me.clock += 1
            await me.rig.conductor.block(me, "time", listening=True, until=me.clock + 10)

    return body


def with_devices(rig: RigClass, strategy: Any, *, in_place: bool, times: int = 1 << 30) -> tuple[Rig, list[Any]]:
    """Two players who take steps beside two devices."""
    lab, tasks = rig(strategy(), seed=3), []

    async def steps(me: Player) -> None:
        for _ in range(300):
            await me.step(7)
        if me.name == "b" and times > 4:
            lab.conductor.finish()

    for name in "ab":
        lab.player(name, steps)
    for name in ("device 1", "device 2"):
        device = lab.player(name, None, machinery=in_place)  # type: ignore[arg-type]  # given below
        lab.players[-1] = (device, machinery(device, tasks, times))  # type: ignore[assignment]
    return lab, tasks


@Strategies
def test_where_it_runs_changes_nothing_of_the_run(rig: RigClass, strategy: Any) -> None:
    """The same log and the same hand-overs; only the tasks are others."""
    runs = [with_devices(rig, strategy, in_place=in_place) for in_place in (False, True)]
    logs = [lab.run() for lab, _ in runs]
    assert logs[0] == logs[1]
    assert runs[0][0].conductor.statistics() == runs[1][0].conductor.statistics()
    own, lent = ({task.name for task in tasks} for _, tasks in runs)
    assert own == {"device 1", "device 2"}
    assert lent > own


@Strategies
def test_who_ends_in_place_leaves_the_others_going(rig: RigClass, strategy: Any) -> None:
    lab, tasks = with_devices(rig, strategy, in_place=True, times=4)
    log = lab.run()
    assert sorted(name for name, what in log if what == "ended") == ["a", "b", "device 1", "device 2"]
    assert len(tasks) == 8


@Strategies
@pytest.mark.parametrize("error", [LookupError("of a device"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_error_in_place_ends_the_run_as_itself(rig: RigClass, strategy: Any, error: BaseException) -> None:
    """It is nothing to the script in whose task it came up, whatever that stands ready to catch."""
    lab = rig(strategy(), seed=1)
    caught: list[BaseException] = []

    async def careful(me: Player) -> None:
        for _ in range(100):
            try:
                await me.step(5)
            except Exception as found:
                caught.append(found)

    async def failing(me: Player) -> None:
        await me.rig.conductor.block(me, "time", listening=True, until=40)
        await me.rig.conductor.block(me, "time", listening=True, until=80)
        raise error

    lab.player("careful", careful)
    lab.player("another", careful)
    lab.player("device", failing, machinery=True)
    with pytest.raises(type(error)) as raised:
        lab.run()
    assert raised.value is error
    assert not caught


def test_the_step_bound_ends_two_devices_that_only_wake_one_another(rig: RigClass) -> None:
    """They have the baton in the task of a third, who waits for it for ever."""
    lab = rig(max_steps=2000)

    async def waits(me: Player) -> None:
        await me.step(1)
        await me.rig.conductor.block(me, "a message", listening=True)

    lab.player("waits", waits)
    for name in ("device 1", "device 2"):
        device = lab.player(name, None, machinery=True)  # type: ignore[arg-type]
        lab.players[-1] = (device, machinery(device, []))  # type: ignore[assignment]
    with pytest.raises(StepBoundExceeded):
        lab.run()


def test_trio_has_its_turns_while_devices_wake_one_another(rig: RigClass) -> None:
    """Who cancels the run is heard, though nobody but devices has the baton."""
    lab = rig()

    async def waits(me: Player) -> None:
        await me.step(1)
        await me.rig.conductor.block(me, "a message", listening=True)

    lab.player("waits", waits)
    for name in ("device 1", "device 2"):
        device = lab.player(name, None, machinery=True)  # type: ignore[arg-type]
        lab.players[-1] = (device, machinery(device, []))  # type: ignore[assignment]

    async def main() -> bool:
        with trio.move_on_after(0.05) as scope:
            await lab.conductor.run(lab.set_up)
        return scope.cancelled_caught

    assert trio.run(main)
    assert lab.conductor.cut_short


def test_it_runs_in_its_own_task_while_somebody_is_outside(rig: RigClass) -> None:
    """Those outside are settled between two hand-overs, by whoever hands over."""
    lab, tasks = rig(), []

    async def outside(me: Player) -> None:
        await trio.sleep(70e-9)
        lab.conductor.finish()

    lab.player("outside", outside)
    lab.stepper("steps", *[7] * 20, clock=1)
    device = lab.player("device", None, clock=2, machinery=True)  # type: ignore[arg-type]
    lab.players[-1] = (device, machinery(device, tasks))  # type: ignore[assignment]
    lab.run()
    assert {task.name for task in tasks[:4]} == {"device"}


def test_what_unwinds_in_place_hears_of_the_end(rig: RigClass) -> None:
    lab, heard = rig(), []

    async def device(me: Player) -> None:
        try:
            while True:
                await me.rig.conductor.block(me, "time", listening=True, until=me.clock + 10)
                if me.clock > 40:
                    lab.conductor.finish()
        except RunOver:
            heard.append(me.clock)
            raise

    lab.stepper("steps", *[7] * 20)
    lab.player("device", device, machinery=True)
    lab.run()
    assert heard == [50]
