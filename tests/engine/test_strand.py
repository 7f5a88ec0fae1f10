"""engine/strand.py: every suspension is seen, objections are raised at the await, and a run always unwinds."""

from __future__ import annotations

import gc
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
import trio

from rcuactors.engine.errors import RunOver

RigClass = Any
MARK = "the line that suspends"


async def sleeps() -> None:
    await trio.sleep(1)  # the line that suspends


async def waits_on_an_event() -> None:
    event = trio.Event()
    try:
        await event.wait()  # the line that suspends
    finally:
        event.set()  # Trio would crash here if the wait had not been taken back


async def receives() -> None:
    send, receive = trio.open_memory_channel[int](0)
    try:
        await receive.receive()  # the line that suspends
    finally:
        with pytest.raises(trio.WouldBlock):
            send.send_nowait(1)


async def merely_checks_in() -> None:
    await trio.lowlevel.checkpoint()  # the line that suspends


async def joins_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep(1)  # the line that suspends


@pytest.mark.parametrize(
    "suspends", [sleeps, waits_on_an_event, receives, merely_checks_in, joins_a_nursery], ids=lambda f: f.__name__
)
def test_an_objection_is_raised_at_the_await_and_can_be_caught(rig: RigClass, suspends: Any) -> None:
    lab = rig()

    async def body(me: Any) -> None:
        try:
            await suspends()
        except* LookupError as group:
            lab.log.append(("caught", last_line_here(group)))
        await trio.sleep(0.5)
        lab.log.append(("went on", lab.conductor.now))

    lab.player("p", body).objection = LookupError("not here")
    log = dict(lab.run())
    assert MARK in str(log["caught"])
    assert log["went on"] == 500_000_000


def last_line_here(error: BaseException) -> str:
    """The innermost line of this file in the error's traceback; behind it there is only Trio."""
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    frames = traceback.extract_tb(error.__traceback__)
    last = max(at for at, frame in enumerate(frames) if frame.filename == __file__)
    assert {Path(frame.filename).parent.name for frame in frames[last + 1 :]} <= {"trio", "_core", "outcome"}
    return str(frames[last].line)


def test_a_wait_that_cannot_be_taken_back_hears_of_the_objection(rig: RigClass) -> None:
    """A nursery that waits for its children cancels them, and raises the objection when they are gone."""
    lab = rig()

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            lab.log.append(("child", "unwound"))

    async def body(me: Any) -> None:
        with pytest.RaisesGroup(pytest.RaisesExc(LookupError, match="not here")):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
        lab.log.append(("p", "went on"))

    lab.player("p", body).objection = LookupError("not here")
    assert [what for _, what in lab.run()] == ["unwound", "went on", "ended"]


def test_an_objection_that_is_not_caught_is_the_runs_failure(rig: RigClass) -> None:
    lab = rig()

    async def body(me: Any) -> None:
        await sleeps()

    lab.player("p", body).objection = LookupError("not here")
    with pytest.raises(LookupError) as caught:
        lab.run()
    assert MARK in last_line_here(caught.value)


def test_scripts_unwind_when_the_run_ends_wherever_they_are(rig: RigClass) -> None:
    lab = rig()

    async def parked(me: Any) -> None:
        try:
            await lab.conductor.receive(me)
        except RunOver:
            lab.log.append((me.name, "unwound"))
            raise

    async def outside(me: Any) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            lab.log.append((me.name, "unwound"))
            raise

    async def ends(me: Any) -> None:
        await me.step(10)
        lab.conductor.finish()

    for number in range(3):
        lab.player(f"parked {number}", parked)
        lab.player(f"outside {number}", outside)
    lab.player("ends", ends)
    unwound = sorted(name for name, what in lab.run() if what == "unwound")
    assert unwound == [f"{where} {number}" for where in ("outside", "parked") for number in range(3)]


def test_a_script_that_cleans_up_with_awaits_unwinds_too(rig: RigClass) -> None:
    lab = rig()

    async def stubborn(me: Any) -> None:
        try:
            await lab.conductor.receive(me)
        finally:
            lab.log.append((me.name, "cleaning up"))
            await lab.conductor.pause(me)
            lab.log.append((me.name, "never reached"))

    async def stubborn_outside(me: Any) -> None:
        try:
            await trio.sleep_forever()
        finally:
            lab.log.append((me.name, "cleaning up"))
            await trio.sleep(1)
            lab.log.append((me.name, "never reached"))

    lab.player("a", stubborn)
    lab.player("b", stubborn_outside)
    lab.player("c", lambda me: me.step(1))
    log = lab.run()
    assert sorted(entry for entry in log if entry[1] != "ended" and entry[0] != "c") == [
        ("a", "cleaning up"),
        ("b", "cleaning up"),
    ]


TEARDOWNS = """
import trio
from rcuactors import Kernel, KernelBug, Run, RunOptions, VirtualClock, run, scenario

@scenario()
async def stuck(k: Kernel) -> None:
    lock, event = k.raw_spinlock("lock"), trio.Event()

    async def holder() -> None:
        await k.raw_spin_lock(lock)
        try:
            await event.wait()
        finally:
            await k.raw_spin_unlock(lock)

    async def spinner() -> None:
        await k.raw_spin_lock_irqsave(lock)

    async def irq() -> None:
        raise LookupError("in an interrupt")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(spinner, cpu=1)
        await nursery.start_soon(holder)
        if END == "irq":
            await k.udelay(50)
            await k.raise_irq(irq, cpu=2)

async def cancelled() -> None:
    with trio.move_on_after(0.001) as scope:
        await Run(stuck, RunOptions(settings={"nr_cpus": "3"})).arun()
    assert scope.cancelled_caught

for number in range(50):
    END = ("stall", "irq", "bug", "cancel", "virtual cancel")[number % 5]
    if END == "stall":
        assert "deadlock" in run(stuck, nr_cpus=3).outcome()
    elif END == "irq":
        try:
            run(stuck, nr_cpus=3)
        except LookupError:
            pass
    elif END == "bug":
        try:
            run(stuck, nr_cpus=3, panic_on_warn="y")
        except KernelBug:
            pass
    else:
        trio.run(cancelled, clock=VirtualClock() if END == "virtual cancel" else None)
print("done")
"""


def test_fifty_teardowns_leave_nothing_behind() -> None:
    """Neither a TrioInternalError nor a coroutine that was never awaited, however the run ends."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", TEARDOWNS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_nothing_is_left_to_the_garbage_collector(rig: RigClass) -> None:
    """A script that is abandoned instead of unwound would run its `finally` here, or warn."""
    lab = rig()

    async def body(me: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await lab.conductor.receive(me)

    lab.player("p", body)
    lab.run()
    before = len(lab.log)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert len(lab.log) == before
    assert lab.players[0][0].strand.coroutine.cr_frame is None
