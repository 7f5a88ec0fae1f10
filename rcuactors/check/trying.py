"""One schedule of one cell, tried: what it showed that the scenario does not expect."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import attrs

from ..engine.real_time import ending_by
from ..errors import BadInput, ScenarioError, StepBoundExceeded
from ..explore import make_strategy
from ..hunt.attempt import SpecAttempt
from ..hunt.finding import ERROR, Shown, shown_by, shown_error
from ..hunt.plan import TIMED
from ..kapi.base import NotThere
from ..runs.run import patient_collector
from ..runs.spec import RunSpec
from .cells import Cell

AT_ONCE: Final = 4
"""Schedules of one cell that are tried one after the other: what lockdep has learnt in one helps the next."""


@attrs.frozen(kw_only=True)
class Job:
    """Schedules of one cell, each a strategy and a seed. The first that shows something ends it.

    `until` is when the time is up, by time.monotonic(), if it is bounded.
    """

    cell: Cell
    spec: RunSpec
    expected: frozenset[str]
    schedules: tuple[tuple[str, int], ...]
    until: float | None = None


@attrs.frozen(kw_only=True)
class Answer:
    """What came of a job.

    `found` is the first problem that was not expected, in the last of `tried` schedules; `met` are the kinds of those
    that were. `absent`: the version has no such function. `cut`: schedules that the bound of steps ended, or
    that of time. `steps` and `seconds` are those of the longest of them.
    """

    cell: Cell
    tried: int
    found: Shown | None
    strategy: str
    seed: int
    met: frozenset[str]
    absent: str
    cut: int
    steps: int
    seconds: float

    @property
    def in_order_of_time(self) -> bool:
        """No schedule but the usual one is needed."""
        return self.strategy == TIMED


def do(job: Job) -> Answer:
    """Try them."""
    attempt, met, cut, steps, seconds = SpecAttempt(job.spec), set[str](), 0, 0, 0.0
    answer: Answer | None = None
    with patient_collector(many_runs=True), ending_by(job.until):
        for number, (strategy, seed) in enumerate(job.schedules, start=1):
            began = time.monotonic()
            shown, raised, taken = _tried(attempt, strategy, seed)
            steps = max(steps, taken)
            seconds = max(seconds, time.monotonic() - began)
            met |= {one.signature.kind for one in shown} & job.expected
            cut += isinstance(raised, StepBoundExceeded)
            absent = str(raised) if _is_absent(raised) else ""
            found = _first([one for one in shown if not absent or one.signature.kind != ERROR], job.expected)
            answer = Answer(
                cell=job.cell,
                tried=number,
                found=found,
                strategy=strategy,
                seed=seed,
                met=frozenset(met),
                absent=absent,
                cut=cut,
                steps=steps,
                seconds=seconds,
            )
            if found is not None or absent:
                break
    assert answer is not None
    return answer


def _tried(attempt: SpecAttempt, strategy: str, seed: int) -> tuple[tuple[Shown, ...], Exception | None, int]:
    """What it showed, what it raised, and its steps. Raises BadInput for what is no matter of the scenario's."""
    try:
        result, raised = attempt.run(make_strategy(strategy), seed)
    except Exception as error:
        # Before its first step: what the scenario did wrong then is told as all else that it does.
        if isinstance(error, BadInput) and not isinstance(error, ScenarioError):
            raise
        return (shown_error(error, 0),), error, 0
    return shown_by(result, raised), raised, result.steps


def _is_absent(raised: BaseException | None) -> bool:
    return isinstance(raised, NotThere) or (raised is not None and isinstance(raised.__cause__, NotThere))


def _first(shown: Sequence[Shown], expected: frozenset[str]) -> Shown | None:
    """The first that is not expected, and is no consequence of what is: that is told of the same line, after it."""
    lines = set[str]()
    for one in shown:
        signature = one.signature
        if signature.kind in expected:
            lines.add(signature.line)
        elif signature.kind == ERROR or not signature.line or signature.line not in lines:
            return one
    return None
