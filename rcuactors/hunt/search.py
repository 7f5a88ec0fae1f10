"""The schedules of an exploration, one after the other or in several processes, in the order of their numbers.

The first of them are tried in this process alone, since others take a while to begin; then it is one of those that try
them. `delays` is shared out by where its first delay is; how `dfs` and `dpor` are is said in `going_through`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from typing import Final, TypeVar

import attrs

from ..errors import NothingLeft
from ..explore import make_any_strategy, make_strategy
from ..explore.delays import Delays
from ..explore.dfs import Dfs
from ..explore.dpor import Dpor
from ..explore.searching import Search
from ..lab.jobs import in_order
from ..runs.run import patient_collector
from .going_through import by_classes, in_depth, try_one
from .plan import Plan
from .progress import Progress
from .trial import Trial

_WORTH_IT: Final = 100
"""Fewer schedules are made before others have begun to help."""

_CHUNK: Final = 16
_LARGE_CHUNK: Final = 64
_SMALL_UNTIL: Final = 2048
MOST: Final = 1_000_000
"""Schedules that are tried at most, also where only the time is bounded."""

_GRACE_S: Final = 1.0
"""How long a schedule may go on at least when the time is up: most end meanwhile, and are whole."""

_AGAIN: Final = 3
"""How often a search makes its first schedule again before it says that it has covered everything."""

Item = TypeVar("Item")


def explore(
    plan: Plan,
    progress: Progress,
    *,
    schedules: int = MOST,
    seconds: float | None = None,
    jobs: int = 1,
    enough: Callable[[], bool] = lambda: False,
) -> Generator[Trial]:
    """Try so many schedules, or for so many seconds of real time, or until there is `enough`.

    Close the generator to end it early.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    if ends is not None and seconds is not None:
        plan = attrs.evolve(plan, until=ends + max(_GRACE_S, seconds / 10))
    trials = _searching(plan, progress, jobs) if plan.search else _drawn(plan, schedules, jobs)
    first: Trial | None = None
    with patient_collector(many_runs=True), contextlib.closing(trials):
        for tried_so_far, trial in enumerate(trials, start=1):
            progress.astray += trial.astray
            first = first or trial
            yield trial
            late = ends is not None and time.monotonic() >= ends
            if late or enough() or tried_so_far >= schedules:
                return
    progress.complete = bool(plan.search)
    if first is not None and progress.complete:
        progress.astray += _other_again(plan, first)


def _other_again(plan: Plan, first: Trial) -> int:
    """How often the first schedule of a search comes to something else when it is made again.

    Where it does the scenario hangs on more than its decisions, and what was tried is not all that there is.
    """
    return sum(_what_it_came_to(_first_again(plan)) != _what_it_came_to(first) for _ in range(_AGAIN))


def _first_again(plan: Plan) -> Trial:
    search = make_any_strategy(plan.search)
    try:
        # To its end, however late that is: a run that time has cut short came to something else.
        return try_one(attrs.evolve(plan, until=None), search, 0)
    finally:
        if isinstance(search, Search):
            search.close()


def _what_it_came_to(trial: Trial) -> tuple[str, str, int, int]:
    return trial.trace, trial.state, trial.choices, trial.steps


# -- drawn -------------------------------------------------------------------------------------------------------------


def _drawn(plan: Plan, schedules: int, jobs: int) -> Generator[Trial]:
    first = []
    for number in range(min(schedules, plan.alike)):
        first.append(trial := try_number(plan, number))
        yield trial
    plan = plan.shared_out(first)
    alone = schedules if jobs == 1 or schedules < _WORTH_IT else len(first)
    for number in range(len(first), alone):
        yield try_number(plan, number)
    small = min(schedules, _SMALL_UNTIL)
    chunks = [range(at, min(at + _CHUNK, small)) for at in range(alone, small, _CHUNK)]
    chunks += [range(at, min(at + _LARGE_CHUNK, schedules)) for at in range(small, schedules, _LARGE_CHUNK)]
    with contextlib.closing(in_order(functools.partial(_try_chunk, plan), chunks, jobs)) as groups:
        for trials in groups:
            yield from trials


def try_number(plan: Plan, number: int) -> Trial:
    """Try the schedule of that number."""
    name, seed = plan.drawn(number)
    return try_one(plan, make_strategy(name), number, name=name, seed=seed)


def _try_chunk(plan: Plan, numbers: Sequence[int]) -> list[Trial]:
    with patient_collector(many_runs=True):
        return [try_number(plan, number) for number in numbers]


# -- searched ----------------------------------------------------------------------------------------------------------


def _searching(plan: Plan, progress: Progress, jobs: int) -> Generator[Trial]:
    search = make_any_strategy(plan.search)
    if isinstance(search, Dfs):
        return in_depth(plan, progress, search, jobs)
    if isinstance(search, Dpor):
        return by_classes(plan, progress, search, jobs)
    return _searched(plan, progress, jobs)


def _searched(plan: Plan, progress: Progress, jobs: int) -> Generator[Trial]:
    """The schedule without a delay; then each part of the search, by its first delay."""
    whole = make_any_strategy(plan.search)
    assert isinstance(whole, Delays)
    yield try_one(plan, whole, 0)
    decisions = enumerate(zip(whole.counts, whole.marks, strict=True))
    roots = [(at, option, mark) for at, (count, mark) in decisions for option in range(1, min(count, whole.d + 1))]
    progress.subtrees = len(roots)
    work = functools.partial(_try_below, plan)
    numbered = list(enumerate(roots, start=1))
    numbers = itertools.count(1)
    with contextlib.closing(in_order(work, numbered, jobs)) as parts:
        for part in parts:
            progress.subtrees_done += 1
            for trial in part:
                yield attrs.evolve(trial, number=next(numbers))


def _try_below(plan: Plan, numbered: tuple[int, tuple[int, int, int]]) -> list[Trial]:
    """All schedules whose first delay is that one. They are numbered as if no place before it had more than one."""
    first, root = numbered
    whole = make_any_strategy(plan.search)
    assert isinstance(whole, Delays)
    part = whole.below(*root)
    found: list[Trial] = []
    with contextlib.suppress(NothingLeft), patient_collector(many_runs=True):
        for number in itertools.count(first):
            trial = try_one(plan, part, number)
            found.append(attrs.evolve(trial, path=part.path))
    return found
