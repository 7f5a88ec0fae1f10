"""What comes of a drawn program: every event, report and counter, what probes tell, and its machine's state.

So a change of the model that shows anywhere shows here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

import attrs

from rcuactors.context.violation import KernelBug
from rcuactors.drawn.program import Program, made
from rcuactors.errors import ScenarioError, StepBoundExceeded
from rcuactors.runs.plain import PlainRun
from tests.drawn.idle import nothing_in_vain
from tests.state import state_of
from tests.test_probes import probes_of

_SHOWN: Final = 12
"""Characters of a digest that are kept."""


@attrs.frozen
class Outcome:
    """How it ended, the kinds of its reports, and digests of all that is seen of it."""

    ended: str
    kinds: str
    steps: int
    events: str
    reports: str
    figures: str
    state: str
    told: str


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, default=repr, sort_keys=True).encode()).hexdigest()[:_SHOWN]


def _listen(run: PlainRun, take: Callable[[bytes], object]) -> None:
    """Have it told what each probe tells: which, and the numbers and names in it."""

    def listener(name: str) -> Callable[..., None]:
        def hear(*told: object) -> None:
            words = [one if isinstance(one, int) else str(getattr(one, "name", type(one).__name__)) for one in told]
            take(f"{name} {words}\n".encode())

        return hear

    for name, probe in probes_of(run.machine).items():
        probe.listen(listener(name))


def outcome(program: Program) -> Outcome:
    """Run it."""
    told = hashlib.sha256()
    if program.seed % 2:
        run = PlainRun(*made(program))
        _listen(run, told.update)
        raised = run.attempt()
    else:  # looked at by nobody, as most runs are
        with nothing_in_vain():
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
        told=told.hexdigest()[:_SHOWN],
    )
