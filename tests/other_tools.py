"""Traces as other tools print them: made of the recordings, which tracefs printed."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parent / "data" / "recordings"
LINE = re.compile(r" *(.+?)-(\d+) +\[(\d+)\] (\S+) +([\d.]+): (\w+): (.*)")
AT = re.compile(r"^\(\S+?\+0x[0-9a-f]+/0x[0-9a-f]+(?: <- \w+)?\)")
WRITERS = ("state", "runp", "kvt_write")


def recorded(name: str) -> Iterator[str]:
    """The lines of a recording in the tests' data."""
    with gzip.open(DATA / f"{name}.txt.gz", "rt", encoding="utf-8") as lines:
        yield from (line.rstrip("\n") for line in lines)


def without_symbols(event: str, text: str) -> str:
    """Tools that print a probe's fields themselves have its address, and not the function's name."""
    return AT.sub("(ffffffff8111e6e0 <- ffffffff81112345)" if event.endswith("_ret") else "(ffffffff8111e6e0)", text)


def as_trace_cmd(lines: Iterator[str], *, flags: bool) -> Iterator[str]:
    """What `trace-cmd report` makes of it."""
    yield "cpus=3"
    for line in lines:
        if (match := LINE.fullmatch(line)) is not None:
            comm, pid, cpu, word, time, event, text = match.groups()
            if event in WRITERS:
                event, text = "bprint", f"{event}: {text}"
            shown = f" {word} " if flags else " "
            yield f"{comm:>16}-{pid:<5} [{cpu}]{shown}{time:>12}: {event + ':':<21} {without_symbols(event, text)}"


def as_perf(lines: Iterator[str]) -> Iterator[str]:
    """What `perf script` makes of it."""
    for line in lines:
        if (match := LINE.fullmatch(line)) is not None:
            comm, pid, cpu, _, time, event, text = match.groups()
            system = "probe" if text.startswith("(") else "rcu"
            name = event.replace("_ret", "__return")
            if event in WRITERS:
                system, name, text = "ftrace", "bprint", f"{event}: {text}"
            yield f"{comm:>16} {pid:>7} [{cpu}] {time:>12}: {system + ':' + name:>40}: {without_symbols(event, text)}"
