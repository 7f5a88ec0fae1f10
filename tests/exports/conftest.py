"""One rich run, and its traces, for all tests of a module to look at."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from rcuactors.engine.events import Event, ListSink
from rcuactors.exports import SchedulerEvents, Writer, format_of
from rcuactors.runs import Run, RunOptions
from rcuactors.userfiles import load_scenario

TRACE_CMD = shutil.which("trace-cmd")
needs_trace_cmd = pytest.mark.skipif(TRACE_CMD is None, reason="no trace-cmd here (Debian's package trace-cmd)")


@attrs.frozen
class Told:
    """A run: all that a writer is told, and how many CPUs there were."""

    events: list[Event]
    nr_cpus: int

    @property
    def in_order(self) -> list[Event]:
        """As a viewer shows them: by time, then by CPU, else as they came."""
        return sorted(self.events, key=lambda event: (event.time_ns, event.cpu))


@pytest.fixture(scope="session")
def told() -> Told:
    """A machine with three CPUs, hotplug, readers, callbacks, works: churn, with NMIs."""
    sink = ListSink()
    one = Run(load_scenario("churn"), RunOptions(settings={"nmis": 2}, sinks=(sink,)))
    SchedulerEvents(one.machine, sink.take).listen()
    one.run()
    return Told(sink.events, one.machine.system.config.nr_cpus)


def trace_of(events: list[Event], nr_cpus: int, name: str) -> bytes:
    """What the writer for a file of that name makes of events."""
    writer: Writer = format_of("", name).make(None)
    for event in events:
        writer.take(event)
    out = io.BytesIO()
    writer.write(out, nr_cpus=nr_cpus)
    writer.close()
    return out.getvalue()


@pytest.fixture
def trace_cmd(tmp_path: Path) -> Callable[..., list[str]]:
    """What `trace-cmd report` prints of a trace, with these options, without what it says of the file itself."""

    def report(data: bytes, *options: str) -> list[str]:
        assert TRACE_CMD is not None
        path = tmp_path / "trace.dat"
        path.write_bytes(data)
        ran = subprocess.run([TRACE_CMD, "report", *options, str(path)], capture_output=True, text=True, check=True)
        assert ran.stderr == ""
        lines = ran.stdout.splitlines()
        return [line for line in lines if not line.startswith(("cpus=", "CPU "))]

    return report
