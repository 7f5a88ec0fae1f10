"""Trying one case, in a forked child with limits, and what is wrong with how it ended.

The child has a process group of its own, an empty directory but for the case's files, and limits on memory and on
processor time: time that others take from it counts as nothing, so that a busy machine finds no hang that is none.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import attrs

from rcuactors.cli import cli
from rcuactors.cli.live import NO_TERMINAL
from rcuactors.cli.program import exit_code_of

from .case import Case

MEMORY: Final = 1 << 30
"""Bytes of address space that a child may take beyond what it has from its parent."""
CPU_S: Final = 40
"""Seconds of processor time of a child; a hang takes all of them."""
WALL_S: Final = 400.0
"""Seconds after which a child that takes no processor time hangs."""
GONE_S: Final = 5.0
_SHOWN: Final = 300
_ADDRESS: Final = re.compile(r"\bat 0x[0-9a-f]{6,}>")
_TROUBLE: Final = (
    "Traceback (most recent call last)",
    "internal error",
    "Exception ignored",
    "Warning:",
    "Fatal Python",
)


@attrs.frozen
class Ended:
    """How a case ended: exit code, or minus the signal that killed it."""

    code: int
    out: str
    err: str
    left: frozenset[str]
    outlived: bool
    cpu_s: float


def attempt(case: Case) -> Ended:
    """Run it to its end."""
    with tempfile.TemporaryDirectory(prefix="rcuactors-fuzz-") as name:
        place = Path(name)
        work = place / "work"
        work.mkdir()
        for file, data in case.files.items():
            (work / file).parent.mkdir(parents=True, exist_ok=True)
            (work / file).write_bytes(data)
        with warnings.catch_warnings():
            # Python warns of other threads, which the child does without.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _be_the_child(case, place, work)
        with contextlib.suppress(OSError):  # it may have done so itself, and be gone
            os.setpgid(child, child)
        code, cpu_s = _wait(child)
        outlived = _outlived(child)
        return Ended(
            code=code,
            out=(place / "out").read_text("utf-8", "replace"),
            err=(place / "err").read_text("utf-8", "replace"),
            left=frozenset(_files_in(work)) - set(case.files),
            outlived=outlived,
            cpu_s=cpu_s,
        )


def _be_the_child(case: Case, place: Path, work: Path) -> NoReturn:
    code = 99
    try:
        os.setpgid(0, 0)
        for stream, name in ((0, os.devnull), (1, place / "out"), (2, place / "err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), stream)
        # Whoever runs the tests may have put others in their places.
        sys.stdin, sys.stdout, sys.stderr = (
            open(stream, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            for stream, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        os.chdir(work)
        os.environ.update(case.environment)
        _limit()
        if case.fresh:
            os.execv(sys.executable, [sys.executable, "-m", "rcuactors", *case.args])  # noqa: S606 - this is what is tried
        code = _run(case)
    finally:
        for out in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                out.flush()
        os._exit(code)


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY, MEMORY))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _run(case: Case) -> int:
    if case.reader:
        module, _, function = case.reader.partition(":")
        read = importlib.import_module(module)
        for part in function.split("."):
            read = getattr(read, part)
        return exit_code_of(lambda: int(read(case.args[0]) is None))
    try:
        cli.main(args=list(case.args), prog_name="rcuactors")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 98
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 97


def _wait(child: int) -> tuple[int, float]:
    end = time.monotonic() + WALL_S
    pause = 0.001
    try:
        while time.monotonic() < end:
            found, status, used = os.wait4(child, os.WNOHANG)
            if found:
                child = 0
                return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
            time.sleep(pause)
            pause = min(pause * 1.3, 0.02)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return -signal.SIGALRM, 0.0


def _outlived(group: int) -> bool:
    """Whether some process of the child's is still there, a few seconds after it. It is ended then."""
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except OSError:
            return False
        time.sleep(0.02)
    os.killpg(group, signal.SIGKILL)
    return True


def _files_in(place: Path) -> Iterator[str]:
    for path in place.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(place))


def wrong_with(case: Case, ended: Ended) -> str:
    """What is wrong with how it ended; empty if nothing is."""
    killed = {signal.SIGXCPU: "hangs", signal.SIGKILL: "hangs", signal.SIGALRM: "hangs"}
    if ended.code < 0:
        number = signal.Signals(-ended.code)
        return f"{killed.get(number, 'died')} ({number.name}): {_end_of(ended.err)}"
    for trouble in _TROUBLE:
        if trouble in ended.err:
            return f"{trouble}: {_end_of(ended.err)}"
    if "MemoryError" in ended.err and "raised MemoryError" not in ended.err:
        return f"takes too much memory: {_end_of(ended.err)}"
    if ended.code not in case.codes:
        return f"exit code {ended.code}, may be {sorted(case.codes)}: {_end_of(ended.err or ended.out)}"
    if ended.outlived:
        return "a process outlives it"
    # A run that was cut short has its events up to there.
    writes = case.writes_any and (ended.code != 2 or "so far" in ended.out)
    left = sorted(name for name in ended.left if name.endswith(".part") or not writes)
    if left:
        return f"leaves {', '.join(left)}"
    return _wrong_words(case, ended)


def _wrong_words(case: Case, ended: Ended) -> str:
    # PYTHONIOENCODING may ask for two bytes a character, and a mark in front.
    err = re.sub("^[\ufffd\udcfe\udcff\ufeff]+", "", ended.err.replace("\0", ""))
    # With --live that is said first, whatever comes then.
    err = err.removeprefix(f"{NO_TERMINAL}\n")
    lines = err.splitlines()
    if ended.code == 2 and not lines and case.args[0] == "conform":
        # Its own third answer.
        return "" if "undecided" in ended.out else "exit code 2, and not a word"
    if ended.code == 2:
        if not 1 <= len(lines) <= case.lines or not err.endswith("\n"):
            return f"{len(lines)} lines on stderr: {_end_of(ended.err)}"
        # Where a scenario may say something of its own, which goes there too with --json, the last is ours.
        ours = lines if case.lines == 1 else lines[-1:]
        bad = [
            line for line in ours if not line.startswith("rcuactors: ") or not line.removeprefix("rcuactors: ").strip()
        ]
        if bad:
            return f"a line that is none of ours: {bad[0]}"
    elif ended.code == 130:
        return "" if err == "interrupted\n" else f"interrupted, and yet on stderr: {_end_of(ended.err)}"
    elif lines and case.lines == 1:
        return f"exit code {ended.code}, and yet on stderr: {_end_of(ended.err)}"
    if _ADDRESS.search(ended.err) and " raised " not in ended.err:  # what a scenario raises has a text of its own
        return f"an address in a message: {_end_of(ended.err)}"
    return ""


def _end_of(text: str) -> str:
    return text[-_SHOWN:].strip()
