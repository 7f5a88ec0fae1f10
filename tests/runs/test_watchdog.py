"""A run that gives way to nobody: it is said where it stands, and Ctrl-C ends it there (runs/watchdog.py)."""

from __future__ import annotations

import _thread
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rcuactors import Kernel, run
from rcuactors.runs import watchdog
from rcuactors.runs.plain import run_plain

MODULE = sys.modules["rcuactors.runs.run"]
HERE = Path(__file__).name
# A test that is run in the background has Ctrl-C ignored, unless somebody has seen to that (tests/conftest.py).
listens = pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="Ctrl-C is ignored here")


def spin_for(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def stands(k: Kernel) -> None:
    await k.msleep(1)
    spin_for(0.9)


async def steps(k: Kernel) -> None:
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        await k.msleep(1)


@pytest.mark.parametrize(("script", "told"), [(stands, True), (steps, False)])
def test_a_run_without_a_step_is_said_to_stand_at_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: object, told: bool
) -> None:
    monkeypatch.setattr(MODULE, "WATCHDOG", watchdog.Watchdog(silence_s=0.2))
    assert run(script).clean  # type: ignore[arg-type]
    said = capsys.readouterr().err
    # Once, and once more whenever it took twice as long: not in every look. A machine that is busy takes longer.
    assert len(said.splitlines()) in (range(2, 5) if told else [0]), said
    if told:
        form = rf"rcuactors: no step for \d+ s: the run stands at {HERE}:\d+, after \d+ steps, at [\d,]+ virtual ns; "
        assert re.match(form, said)


def test_its_thread_ends_when_there_are_no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    dog = watchdog.Watchdog(silence_s=0.05)
    monkeypatch.setattr(MODULE, "WATCHDOG", dog)
    others = set(threading.enumerate())
    meanwhile: set[threading.Thread] = set()

    async def script(k: Kernel) -> None:
        await k.msleep(1)
        meanwhile.update(set(threading.enumerate()) - others)

    run(script)
    assert meanwhile
    for thread in meanwhile:
        thread.join(timeout=30)
        assert not thread.is_alive()


@listens
@pytest.mark.parametrize("run", [run, run_plain], ids=["on Trio", "without"])
def test_ctrl_c_ends_a_loop_that_gives_way_to_nobody_and_names_its_line(run: Any) -> None:
    async def script(k: Kernel) -> None:
        await k.msleep(1)
        threading.Timer(0.2, _thread.interrupt_main).start()
        while True:
            k.rcu_read_lock()
            k.rcu_read_unlock()

    first = script.__code__.co_firstlineno
    with pytest.raises(KeyboardInterrupt, match=rf"at {HERE}:({first + 4}|{first + 5}), which gives way to nobody"):
        run(script)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@listens
@pytest.mark.parametrize("run", [run, run_plain], ids=["on Trio", "without"])
def test_ctrl_c_ends_a_run_that_gives_way_at_its_next_point(run: Any) -> None:
    async def script(k: Kernel) -> None:
        threading.Timer(0.2, _thread.interrupt_main).start()
        while True:
            await k.msleep(1)

    with pytest.raises(KeyboardInterrupt) as raised:
        run(script)
    assert "gives way to nobody" not in str(raised.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
