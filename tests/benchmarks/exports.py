"""What it costs to export a run: `python tests/benchmarks/exports.py [SCENARIO NAME=VALUE NAME=VALUE]`.

Of each format: the CPU time of the run with its trace written, as a ratio of that of the run as `rcuactors run` makes
it, which builds every event too. For Perfetto also of a run that is watched as a picture needs it, of which nothing is
written, and what that costs itself. Pairs in turns, the median of the ratios. Then the most memory that a process had,
for a run of one length and of another several times as long: what is written must not be in it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rcuactors.engine.events import CountSink
from rcuactors.exports import FORMATS, PerfettoTrace, SchedulerEvents
from rcuactors.runs import Run, RunOptions
from rcuactors.timeline import Drawing, Watch
from rcuactors.userfiles import load_scenario

ROUNDS = 5


class Nobody:
    """Is told of all that is drawn, and draws nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_told: None


def run(scenario: str, settings: dict[str, str], form: str) -> tuple[float, int]:
    """The CPU seconds of a run, and how many events were written. `form` is a format, `events` or `watched`."""
    chosen, writer = load_scenario(scenario), next((one.make(None) for one in FORMATS if one.name == form), None)
    began = time.process_time()
    sink = writer or CountSink()
    one = Run(
        chosen,
        RunOptions(
            settings=settings,
            sinks=(sink,),
        ),
    )
    watch = None
    if writer is not None:
        SchedulerEvents(one.machine, writer.take).listen()
        watch = Watch(one.machine, writer) if isinstance(writer, PerfettoTrace) else None
    elif form == "watched":
        SchedulerEvents(one.machine, sink.take).listen()
        watch = Watch(one.machine, cast("Drawing", Nobody()))
    one.run()
    if watch is not None:
        watch.end()
    if writer is not None:
        with tempfile.TemporaryFile() as out:
            writer.write(out, nr_cpus=one.machine.system.config.nr_cpus)
        writer.close()
    return time.process_time() - began, sink.count


def peak(scenario: str, setting: str, form: str) -> tuple[int, int]:
    """Megabytes of memory of a process of its own at most, and how many events there were."""
    command = [sys.executable, str(Path(__file__)), scenario, setting, "--one", form]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(said[0]), int(said[1])


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="flood")
    parser.add_argument("settings", nargs="*", default=["objects=1000", "objects=8000"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    words = parser.parse_args()
    short = dict([words.settings[0].split("=")])
    if words.one:
        _, count = run(words.scenario, short, words.one)
        # What getrusage() says began with the memory of the process that has started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        print(next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), count)
        return
    pairs = [*((one.name, "events") for one in FORMATS), ("perfetto", "watched"), ("watched", "events")]
    for form, without in pairs:
        ratios = []
        for _ in range(ROUNDS):
            took, count = run(words.scenario, short, form)
            ratios.append(took / run(words.scenario, short, without)[0])
        print(f"{form:<10} {statistics.median(ratios):5.2f} times the time of {without}, {count:,} events", flush=True)
    for form in ("events", "watched", *(one.name for one in FORMATS)):
        sizes = [peak(words.scenario, setting, form) for setting in words.settings]
        print(f"{form:<10} " + ", ".join(f"{size} MB at {count:,} events" for size, count in sizes), flush=True)


if __name__ == "__main__":
    main()
