"""`--live`: what a terminal shows meanwhile, and that nothing else is different. A pseudo-terminal stands for it."""

from __future__ import annotations

import codecs
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.cli.live import NO_TERMINAL
from tests.screen import Screen

pty = pytest.importorskip("pty")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

Call = Callable[..., Result]
ScenarioFile = Callable[[str], str]
OnScreen = Callable[..., tuple[int, Screen]]

MANY = """
from rcuactors import Kernel, scenario


@scenario()
async def many(k: Kernel, objects: int = 0) -> None:
    async def user() -> None:
        count = 0
        while not objects or count < objects:
            count += 1
            with k.rcu_reader():
                await k.udelay(3)
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        for cpu in (0, 1, 3):
            await nursery.start_soon(user, cpu=cpu)
"""


def _read(terminal: int) -> bytes:
    """What was written; nothing when the other side is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


@pytest.fixture
def on_screen(package: Path, tmp_path: Path) -> OnScreen:
    """Run the command line on 30 lines; returns exit code and screen. `interrupt`: Ctrl-C when that stands there."""

    def run(*args: str, interrupt: str = "", **more: str) -> tuple[int, Screen]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        env |= {"PYTHONPATH": str(package.parent), "TERM": "xterm-256color", **more}
        screen, decoder = Screen(), codecs.getincrementaldecoder("utf-8")()
        command = [sys.executable, "-m", "rcuactors", *args]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=env) as process:
            os.close(theirs)
            while piece := _read(ours):
                screen.write(decoder.decode(piece))
                if interrupt and re.search(interrupt, screen.text()):
                    process.send_signal(signal.SIGINT)
                    interrupt = ""
        os.close(ours)
        return process.returncode, screen

    return run


def test_a_run_is_shown_and_is_the_same(on_screen: OnScreen, call: Call, tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(MANY)
    code, screen = on_screen("run", str(path), "--live", "--set", "nr_cpus=4", "--set", "objects=20")
    plain = call("run", str(path), "--set", "nr_cpus=4", "--set", "objects=20").output.splitlines()
    lines = screen.text().splitlines()
    assert code == 0
    assert not screen.hidden
    assert screen.frames
    figures = next(number for number, line in enumerate(lines) if line.startswith("calls "))
    digests = [line for line in (*lines, *plain) if line.startswith("event digest")]
    assert len(digests) == 2
    assert len(set(digests)) == 1
    # The last state stays, and the result stands below it.
    frame = lines[:figures]
    assert any(re.match(r"CPU +runs +in +newest block +queued +list +cache +waiting +monitor", line) for line in frame)
    assert sum(bool(re.match(r"[0-3] +idle ", line)) for line in frame) == 3
    assert "objects        0 outstanding, 0 bytes" in frame
    assert any(re.match(r"grace periods  \d+ ended, none in progress; 0 readers", line) for line in frame)
    assert [line for line in plain[1:] if line not in lines] == []


def test_ctrl_c_leaves_the_terminal_as_it_was_with_what_was_found(on_screen: OnScreen, tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(MANY)
    code, screen = on_screen(
        "run", str(path), "--live", "--set", "nr_cpus=4", interrupt=r"objects +\d[\d,]* outstanding"
    )
    lines = screen.text().splitlines()
    assert code == 130
    assert not screen.hidden
    assert lines[-1] == "interrupted"
    assert any(re.match(r"[013] +user +", line) for line in lines)
    assert any(line.startswith("calls ") for line in lines)
    assert any(re.match(r"[013] +user .*[#.]{10} \d+ +\d", line) for line in screen.seen | set(lines))


def test_an_exploration_is_shown_without_colours_and_is_gone(on_screen: OnScreen) -> None:
    args = ("explore", "reader_holds_object", "--set", "free_at_once=y", "--jobs", "1", "--schedules", "3")
    code, screen = on_screen(*args, "--keep-going", "--live", NO_COLOR="1")
    text = screen.text()
    assert code == 1
    assert not screen.hidden
    assert not screen.colours
    assert screen.frames
    assert "a second" not in text
    assert any(re.match(r"\[[#.]{20}\] \d+ schedules?, [\d.]+ a second", line) for line in screen.seen)
    assert any(re.match(r"findings +1", line) for line in screen.seen)
    assert any(line.startswith("  use-after-free") for line in screen.seen)
    assert text.splitlines()[1].startswith("schedules         3 (")


@pytest.mark.parametrize(
    "args",
    [
        ("run", "one_argument"),
        ("compare", "one_argument", "--designs", "hrtimer-work", "--kernels", "plain", "--jobs", "1"),
        ("explore", "one_argument", "--schedules", "2", "--jobs", "1"),
    ],
)
def test_without_a_terminal_only_one_line_is_different(call: Call, args: tuple[str, ...]) -> None:
    live, plain = call(*args, "--live"), call(*args)
    assert (live.exit_code, live.stdout) == (plain.exit_code, plain.stdout)
    assert plain.stderr == ""
    assert live.stderr == f"{NO_TERMINAL}\n"


def test_on_a_dumb_terminal_likewise(on_screen: OnScreen) -> None:
    code, screen = on_screen("run", "one_argument", "--live", TERM="dumb")
    assert code == 0
    assert not screen.frames
    assert "rcuactors: --live: TERM=dumb is no terminal to draw on" in screen.text().splitlines()[0]


def test_events_as_they_come_and_a_live_view_are_too_much(one_line: Callable[..., str]) -> None:
    assert one_line("run", "one_argument", "--live", "-v").startswith("--live and -v: only one of them")
