"""What comes of a drawn program: all that can be seen of it, every event, report and counter, and its machine's state.

So a change of the model that shows anywhere shows here.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

import attrs

from rcuactors.context.violation import KernelBug
from rcuactors.drawn.program import Program, made
from rcuactors.errors import ScenarioError, StepBoundExceeded
from rcuactors.runs.plain import PlainRun
from tests.state import state_of

_SHOWN: Final = 12
"""Characters of a digest that are kept."""


@attrs.frozen
class Outcome:
    """How it ended, the kinds of its reports, and digests of events, reports, figures and state."""

    ended: str
    kinds: str
    steps: int
    events: str
    reports: str
    figures: str
    state: str


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, default=repr, sort_keys=True).encode()).hexdigest()[:_SHOWN]


def outcome(program: Program) -> Outcome:
    """Run it."""
    run = PlainRun(*made(program))
    raised = run.attempt()
    if raised is not None and not isinstance(raised, StepBoundExceeded | KernelBug | ScenarioError):
        raise raised
    result = run.result()
    assert result.digest is not None
    texts = [(violation.title, violation.text, violation.trace, violation.time_ns) for violation in result.violations]
    figures = [result.counters.as_dict(), result.waste, result.latency_ns, attrs.asdict(run.machine.statistics())]
    return Outcome(
        ended=str(result.end_ns) if raised is None else type(raised).__name__,
        kinds=result.outcome(),
        steps=result.steps,
        events=result.digest[:_SHOWN],
        reports=_digest(texts),
        figures=_digest(figures),
        state=_digest(state_of(run.machine)),
    )
