"""A trace as a panel; and a recording beside the model's run of it, on one axis of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from ..conform import Conformance
from ..eras import DEFAULT_ERA, ERAS, find_era
from ..eras.era import Era
from ..page import Panel, Report, Step, Story
from ..recordings import read_recording
from ..recordings.replay import Replay
from ..runs import RunOptions
from ..timeline import Sketch
from ..timeline.own_lines import as_ftrace
from ..timeline.traced import Traced
from ..traces.events import Event
from ..traces.forms import release_of
from ..traces.source import bad
from ..traces.trace import Progress, Trace
from .runs import Drawn, Watcher

_BOOTED_NS: Final = 1_000_000_000
"""No kernel is traced before."""


@attrs.frozen(kw_only=True)
class Reading:
    """How a trace is read: the probe's name, whom to tell how far it is, and who says whether to read on."""

    probe: str = ""
    progress: Progress | None = None
    watch: Callable[[int], bool] | None = None


def traced_panel(
    path: str, reading: Reading, *, title: str = "", shift_ns: int | None = None, kernel: str = ""
) -> Drawn:
    """All that a trace tells. Its times begin with its first line, unless `shift_ns` is given. Raises BadInput."""
    trace = Trace(path, probe=reading.probe, kernel=kernel, progress=reading.progress, as_ftrace=as_ftrace)
    sketch = Sketch()
    begin_ns = _begin_ns(trace) if shift_ns is None else 0
    traced = Traced(trace, sketch, shift_ns=-begin_ns if shift_ns is None else shift_ns)
    traced.tell(reading.watch)
    header = trace.header
    facts = [("trace", trace.name), *((("kernel", header.kernel),) if header.kernel else ())]
    facts += [("script", header.script)] if header.script else []
    facts += [("begins", f"at {begin_ns / 1e9:.6f} s of the kernel's clock, here 0")] if begin_ns else []
    panel = Panel(title=title or trace.name, sketch=sketch, notes=traced.notes())
    return Drawn(panel=panel, facts=tuple(facts), reported=bool(traced.reports))


def _begin_ns(trace: Trace) -> int:
    """When its first line was written, where that is late enough to be no run's own time."""
    for item in trace:
        if isinstance(item, Event):
            return item.time_ns if item.time_ns >= _BOOTED_NS else 0
    return 0


def is_of_a_kernel(path: str) -> bool:
    """Whether a trace says which kernel it is of: that is a recording. Raises BadInput."""
    return bool(Trace(path, as_ftrace=as_ftrace).header.kernel)


def era_of(path: str, version: str) -> Era:
    """The version of that name; without one the newest model of the kernel that a trace says it is of."""
    if version:
        return find_era(version)
    recorded = release_of(Trace(path, as_ftrace=as_ftrace).header.kernel)
    found = [era for era in ERAS.values() if release_of(era.release) == recorded]
    return found[-1] if found else find_era(DEFAULT_ERA)


def recording_report(path: str, options: RunOptions, reading: Reading) -> tuple[Report, bool]:
    """The recording, and the model's run of its calls; whether something was reported in that. Raises BadInput."""
    era = find_era(options.kernel)
    recording = read_recording(path, era.release, reading.probe, reading.progress, reading.watch)
    if recording.problems:
        raise bad(path, recording.problems[0])
    replay, watcher = Replay(recording, options), Watcher()
    watcher.listen(replay.machine)
    outcome = replay.run()
    drawn = watcher.drawn(f"the model's run of it, {outcome.result.kernel}", outcome.result)
    return replay_report(path, reading, drawn, replay.shift_ns, outcome.version_note), drawn.reported


def replay_report(path: str, reading: Reading, drawn: Drawn, shift_ns: int, note: str) -> Report:
    """A recording, and the model's run of it that was watched.

    The recording's times are the machine's: `shift_ns` leads to them. So a call lies at the same place in both. `note`
    says how the versions differ.
    """
    traced = traced_panel(path, reading, shift_ns=shift_ns)
    panel = attrs.evolve(traced.panel, title=f"recorded: {traced.panel.title}")
    facts = [*traced.facts, *((f"the model: {name}", value) for name, value in drawn.facts)]
    return Report(
        title=f"{traced.panel.title}, recorded and modelled",
        panels=(panel, drawn.panel),
        facts=(*facts, *((("differs", note),) if note else ())),
        looks_for_difference=False,
    )


def conformance_report(found: Conformance, path: str, reading: Reading) -> Report:
    """The same of a recording that was held against a version: each disagreement is a step, where its line is."""
    report, _ = recording_report(path, RunOptions(kernel=found.version), reading)
    times = {
        dict(mark.detail).get("line"): mark.time_ns for mark in report.panels[0].sketch.marks if len(mark.detail) > 1
    }
    steps = [
        Step(
            text=f"line {one.line}: {one.event}: no possible state explains it",
            why="; ".join(one.reasons),
            time_ns=times.get(str(one.line)),
        )
        for one in found.found
    ]
    verdict = ("it agrees", "it does not agree", "undecided")[found.exit_code]
    story = Story(title=f"held against {found.version}: {verdict}", steps=tuple(steps), text="\n".join(found.lines()))
    return attrs.evolve(report, story=story)
