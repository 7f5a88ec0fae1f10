"""`run -v`: what led to the first report of a run: what happened, to whom, and why.

What is wrong with an object began long before: its way is told, with the readers and grace periods that bear on it.
What is wrong where somebody stands is seen from what came just before, and from what was held and off there.
"""

from __future__ import annotations

import textwrap
from typing import Final

import attrs

from ..context.violation import Violation, ViolationKind
from ..engine.events import CountSink
from ..errors import BadInput, ReplayDiverged
from ..explore import make_any_strategy
from ..hunt.attempt import SpecAttempt
from ..hunt.finding import signature_of
from ..hunt.keep import keep, shrink
from ..hunt.story import happened_lines
from ..hunt.trial import tried
from ..machine import Machine
from ..may.advice import ADVICE
from ..report.styled import plain
from ..runs import Result, RunOptions
from ..runs.spec import RunSpec
from ..scenario import Scenario
from ..story import Teller, columns, folded
from ..story.columns import counted_names
from .styled import page_width

_MOST_STEPS: Final = 100_000
"""Steps of a run that is made some times more for this."""

_REPLAYS: Final = 20
_BEFORE: Final = 12
"""Rows before a report that are told."""

_PROSE: Final = 100

_OF_OBJECTS: Final = frozenset(
    {ViolationKind.USE_AFTER_FREE, ViolationKind.DOUBLE_FREE, ViolationKind.NEVER_FREED, ViolationKind.LEAK}
)
"""What is wrong with an object."""


def what_led_there(chosen: Scenario, options: RunOptions, result: Result) -> list[str]:
    """The story of the first report, if the run is short and others can find the scenario, to run it again."""
    if not result.violations or result.steps > _MOST_STEPS:
        return []
    first = result.violations[0]
    try:
        spec = RunSpec.of(chosen, attrs.evolve(options, sinks=()))
        told = _way_of_the_object(spec, first) if first.kind in _OF_OBJECTS else _what_came_before(spec, first)
    except (BadInput, ReplayDiverged):
        return []
    return ["", f"what led to {signature_of(first)}:", *told]


def _way_of_the_object(spec: RunSpec, first: Violation) -> list[str]:
    attempt, name = SpecAttempt(spec), str(spec.strategy)
    trial = tried(attempt, make_any_strategy(name), number=0, name=name, seed=spec.seed)
    # In order of time nobody departs from anything: what is told as that is how ties were decided.
    return happened_lines(shrink(keep(attempt, trial, signature_of(first)), _REPLAYS), page_width())


def _what_came_before(spec: RunSpec, first: Violation) -> list[str]:
    tellers: list[Teller] = []

    def listen(machine: Machine) -> None:
        tellers.append(Teller(machine))

    SpecAttempt(spec).run(make_any_strategy(str(spec.strategy)), spec.seed, CountSink(), listen=listen)
    rows = folded(tellers[0].rows())
    at = next((number for number, row in enumerate(rows) if row.report is not None), None)
    if at is None:
        return _why(first)
    before, told = rows[: max(at - _BEFORE, 0)], rows[max(at - _BEFORE, 0) : at + 1]
    left_out = [f"before that: {counted_names(before)} (--story has all)"] if before else []
    return [*(plain(line) for line in columns(told, width=page_width())), *left_out, *_why(first)]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _PROSE, subsequent_indent=indent, break_on_hyphens=False)


def _why(first: Violation) -> list[str]:
    """To whom it happened, and what is wrong with that, in sentences; and how it is mended."""
    by = " > ".join(reversed(first.trace)) or "nobody that is known"
    held = f"It held {', '.join(first.held)}." if first.held else ""
    off = [
        f"{what} {'were' if what == 'interrupts' else 'was'} off since {where}"
        for what, where in (("preemption", first.preempt_disabled_at), ("interrupts", first.irqs_disabled_at))
        if where
    ]
    sentences = [f"CPU {first.cpu}, context {first.context}: {by}.", held, f"There {' and '.join(off)}." if off else ""]
    advice = ADVICE.get(first.kind.value)
    mended = f"{advice.text} ({advice.page})" if advice else "docs/reports.md has every kind of report."
    return ["", *_wrapped(" ".join(filter(None, sentences))), *_wrapped(f"How it is mended: {mended}", "  ")]
