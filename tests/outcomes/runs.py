"""What a run is known by, and what came of it: for the runs that tests make, against data/determinism/runs/.

A test looks at what it is about. So that a change is seen which only shows elsewhere in the runs that tests make
anyway, each of them is known by what it is told (its scenario's code, its configuration and options), and what came of
it is written down. A run that is not written down is not judged: a new test, or a scenario that was changed, needs
nothing.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import attrs

from rcuactors.runs import Run
from rcuactors.scenario import Scenario

TESTS: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = TESTS / "data" / "determinism" / "runs"
ROOMS: Final = ("kvfree", "rcu", "context", "mm", "kernel")
"""The folders whose runs are written down."""
_SHOWN: Final = 8
_LINE: Final = re.compile(r"\.py:\d+")
_PLAIN: Final = (bool, int, float, str, bytes, type(None))


def _digest(told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:_SHOWN]


# -- what it is told ---------------------------------------------------------------------------------------------------


def _value(value: Any, seen: tuple[int, ...] = ()) -> object:
    """A value that a function has from where it was made; of what is no plain value only the type."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in seen:
        return "again"
    seen = (*seen, id(value))
    if isinstance(value, Scenario):
        return value.name, _value(value.body, seen)
    if isinstance(value, FunctionType):
        cells = [_cell(cell, seen) for cell in value.__closure__ or ()]
        return value.__qualname__, _code_digest(value.__code__), cells, _value(value.__defaults__, seen)
    if isinstance(value, Mapping):
        return [(_value(key, seen), _value(one, seen)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [_value(one, seen) for one in value]
    return type(value).__name__


def _cell(cell: Any, seen: tuple[int, ...]) -> object:
    try:
        return _value(cell.cell_contents, seen)
    except ValueError:  # it is empty yet
        return "empty"


@cache
def _code_digest(code: CodeType) -> str:
    """Of a function's text, wherever it stands; it is the same for every version of Python, and of pytest's asserts."""
    try:
        return _digest(textwrap.dedent(inspect.getsource(code)))
    except OSError:  # made of a text, in no file
        return _digest((code.co_code, code.co_names))


def key_of(run: Run) -> str | None:
    """What a run is known by, before it runs; None where an object decides in it."""
    options = run.options
    if not isinstance(options.strategy, str):
        return None
    design = options.design if isinstance(options.design, str | None) else type(options.design).__name__
    settings = sorted(run.machine.setup.config.as_settings().items())
    told = (options.kernel, design, options.strategy, options.seed, options.max_steps, options.events)
    costs = sorted(options.costs.changed().items())
    given = sorted(options.settings.items())
    return _digest((_value(run.scenario), run.scenario.early_boot, settings, given, told, costs))


# -- what came of it ---------------------------------------------------------------------------------------------------


def _without_lines(text: str) -> str:
    return _LINE.sub(".py", text)


def outcome_of(run: Run, raised: BaseException | None) -> str:
    """Digests of what was seen of it, and of its figures. The state of its machine is that of a program's inside.

    It is the same wherever the scenario stands in its file: a report that is headed by a line has that in the events.
    """
    result, machine = run.result(), run.machine
    found = [(one.kind.value, _without_lines(one.text), one.time_ns) for one in result.violations]
    placed = any(_LINE.search(one.title) for one in result.violations)
    events = result.events if placed else result.digest
    seen = (type(raised).__name__, result.end_ns, result.steps, events, found)
    figures = (result.counters.as_dict(), result.waste, result.latency_ns, attrs.asdict(machine.statistics()))
    return f"{_digest(seen)} {_digest([_not_zero(one) for one in figures])}"


def _not_zero(value: object) -> object:
    """The figures that say something, by name: so one that is new changes only the runs that it says something of."""
    if not isinstance(value, Mapping):
        return value
    return {name: kept for name, one in sorted(value.items()) if (kept := _not_zero(one))}


# -- the files ---------------------------------------------------------------------------------------------------------


def file_of(test_file: str) -> Path:
    """Where the runs of a test file are written down."""
    return FOLDER / Path(test_file).relative_to("tests").with_suffix(".tsv")


@cache
def recorded() -> dict[str, str]:
    """By a run's key, what comes of it; without runs that are known by the same and are not (one has a bug planted)."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(FOLDER.rglob("*.tsv")):
        for line in file.read_text().splitlines():
            key, _, outcome = line.partition("\t")
            found[key].add(outcome)
    return {key: outcomes.pop() for key, outcomes in found.items() if len(outcomes) == 1}
