"""A run as a panel: made, watched, and what it came to."""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.choice import Strategy
from ..hunt.attempt import Attempt
from ..machine import Machine
from ..page import Panel, Report
from ..report.text import head_line, verdict
from ..runs import Result, Run, RunOptions
from ..scenario import Scenario
from ..spelling import plural
from ..timeline import Sketch, Watch
from ..timeline.elements import Detail

_MOST_TITLES: Final = 3


@attrs.frozen(kw_only=True)
class Drawn:
    """A panel, what is said of it in the head of a page, and whether it shows a problem; what ended it, if not well."""

    panel: Panel
    facts: Detail = ()
    reported: bool = False
    raised: BaseException | None = None

    def report(self) -> Report:
        """A page of this alone."""
        return Report(title=self.panel.title, panels=(self.panel,), facts=self.facts)


class Watcher:
    """Watches each machine that is made for a run, of which the last is the one that counts."""

    def __init__(self) -> None:
        self.sketch = Sketch()
        self._machine: Machine | None = None
        self._watch: Watch | None = None

    def listen(self, machine: Machine) -> None:
        """A run begins, or begins anew in another machine."""
        self.sketch, self._machine = Sketch(), machine
        self._watch = Watch(machine, self.sketch, events=True)

    def drawn(self, title: str, result: Result, raised: BaseException | None = None) -> Drawn:
        """The run is over; without a title it is called what it is."""
        assert self._watch is not None
        assert self._machine is not None
        self._watch.end()
        notes = tuple(_notes(self._machine, result, raised))
        panel = Panel(title=title or head_line(result), sketch=self.sketch, notes=notes)
        return Drawn(panel=panel, facts=facts_of(result, raised), reported=not result.clean, raised=raised)


def watched_run(chosen: Scenario, options: RunOptions, title: str = "") -> Drawn:
    """Run a scenario. Raises BadInput where an option is wrong."""
    run, watcher = Run(chosen, options), Watcher()
    raised = run.attempt(watcher.listen)
    result = run.result()
    return watcher.drawn(title, result, raised)


def watched_attempt(attempt: Attempt, strategy: Strategy, title: str) -> Drawn:
    """Run what was explored, under that strategy."""
    watcher = Watcher()
    result, raised = attempt.run(strategy, attempt.spec.seed, listen=watcher.listen)
    return watcher.drawn(title, result, raised)


def _verdict_of(result: Result, raised: BaseException | None) -> str:
    """What it came to, in a line; of a clean run what that is worth, as `run` says it."""
    if result.clean:
        ended = f", ended by {type(raised).__name__}" if raised is not None else ""
        return f"{verdict(result, so_far=raised is not None or result.cut_short)}{ended}"
    titles = list(dict.fromkeys(violation.title for violation in result.violations))
    left = f"; and {len(titles) - _MOST_TITLES} more" if len(titles) > _MOST_TITLES else ""
    return f"{plural(result.violation_count, 'report')}: {'; '.join(titles[:_MOST_TITLES])}{left}"


def facts_of(result: Result, raised: BaseException | None = None) -> Detail:
    """For the head of a page."""
    facts = [("run", head_line(result)), ("verdict", _verdict_of(result, raised)), ("steps", f"{result.steps:,}")]
    if result.digest is not None:
        facts.append(("event digest", result.digest))
    return tuple(facts)


def _notes(machine: Machine, result: Result, raised: BaseException | None) -> list[str]:
    """What the picture does not show."""
    touched, cpus = len(machine.system.cpus), machine.system.config.nr_cpus
    notes = []
    if touched < cpus:
        never = [str(cpu) for cpu in range(cpus) if cpu not in machine.system.cpus]
        notes.append(f"{plural(len(never), 'CPU')} that nothing has touched: {', '.join(never)}")
    if result.cut_short:
        notes.append("what would have come after its bound of steps: the run was cut short")
    if raised is not None and result.clean:
        notes.append(f"what would have come after its end: it raised {type(raised).__name__}")
    return notes
