"""The schedules of an exploration, one after the other or in several processes, in the order of their numbers.

The first of them are tried in this process, since others take a while to begin; most bugs that are there are found by
then. `delays` is shared out by where its first delay is; other searches are made by one process, since what they try
next is read off what they have tried.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, TypeVar

import attrs

from ..errors import NothingLeft
from ..explore import make_any_strategy, make_strategy
from ..explore.delays import Delays
from ..explore.dfs import Dfs
from ..explore.dpor import Dpor
from ..explore.searching import Search
from ..lab.jobs import do_all
from ..runs.run import patient_collector
from .plan import Plan
from .trial import Trial, tried

_ALONE: Final = 64
_CHUNK: Final = 16
_LARGE_CHUNK: Final = 128
_SMALL_UNTIL: Final = 2048
MOST: Final = 1_000_000
"""Schedules that are tried at most, also where only the time is bounded."""

Item = TypeVar("Item")


@attrs.define
class Progress:
    """How far an exploration is. `complete`: a search has come to its end; `subtrees` of it are done, of so many.

    `part`: which part of a search that goes through a tree is done, by an estimate. `classes` of schedules were tried
    by one that reduces, and `left` beginnings are known that it has not tried; `repeated` schedules were of a class
    that was tried before, and `astray` ones did not begin as they should have.
    """

    complete: bool = False
    subtrees: int = 0
    subtrees_done: int = 0
    part: float | None = None
    classes: int = 0
    left: int = 0
    repeated: int = 0
    astray: int = 0


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
    trials = _searching(plan, progress, jobs) if plan.search else _drawn(plan, schedules, jobs)
    with patient_collector(many_runs=True), contextlib.closing(trials):
        for tried_so_far, trial in enumerate(trials, start=1):
            yield trial
            late = ends is not None and time.monotonic() >= ends
            if late or enough() or tried_so_far >= schedules:
                return
    progress.complete = bool(plan.search)


# -- drawn -------------------------------------------------------------------------------------------------------------


def _drawn(plan: Plan, schedules: int, jobs: int) -> Generator[Trial]:
    alone = schedules if jobs == 1 else min(_ALONE, schedules)
    for number in range(alone):
        yield try_number(plan, number)
    small = min(schedules, _SMALL_UNTIL)
    chunks = [range(at, min(at + _CHUNK, small)) for at in range(alone, small, _CHUNK)]
    chunks += [range(at, min(at + _LARGE_CHUNK, schedules)) for at in range(small, schedules, _LARGE_CHUNK)]
    if chunks:
        yield from _in_order(functools.partial(_try_chunk, plan), chunks, jobs)


def try_number(plan: Plan, number: int) -> Trial:
    """Try the schedule of that number."""
    name, seed = plan.drawn(number)
    return tried(plan.attempt, make_strategy(name), number=number, name=name, seed=seed)


def _try_chunk(plan: Plan, numbers: Sequence[int]) -> list[Trial]:
    with patient_collector(many_runs=True):
        return [try_number(plan, number) for number in numbers]


# -- searched ----------------------------------------------------------------------------------------------------------


def _searching(plan: Plan, progress: Progress, jobs: int) -> Generator[Trial]:
    search = make_any_strategy(plan.search)
    return _one_by_one(plan, progress, search) if isinstance(search, Search) else _searched(plan, progress, jobs)


def is_one_by_one(plan: Plan) -> bool:
    """Whether its schedules are tried by one process only."""
    return bool(plan.search) and isinstance(make_any_strategy(plan.search), Search)


def _one_by_one(plan: Plan, progress: Progress, search: Search) -> Generator[Trial]:
    """All that a search tries, in this process."""
    with contextlib.closing(search), contextlib.suppress(NothingLeft):
        for number in itertools.count():
            trial = tried(plan.attempt, search, number=number, name=plan.search, seed=plan.spec.seed)
            if isinstance(search, Dfs):
                progress.part = search.done
            elif isinstance(search, Dpor):
                progress.classes, progress.left = len(search.seen.classes), search.left
                progress.repeated, progress.astray = search.repeated, search.astray
            yield attrs.evolve(trial, path=search.path)


def _searched(plan: Plan, progress: Progress, jobs: int) -> Generator[Trial]:
    """The schedule without a delay; then each part of the search, by its first delay."""
    whole = make_any_strategy(plan.search)
    assert isinstance(whole, Delays)
    yield tried(plan.attempt, whole, number=0, name=plan.search, seed=plan.spec.seed)
    roots = [(at, option) for at, count in enumerate(whole.counts) for option in range(1, min(count, whole.d + 1))]
    progress.subtrees = len(roots)
    work = functools.partial(_try_below, plan)
    numbered = list(enumerate(roots, start=1))
    parts: Iterable[list[Trial]] = map(work, numbered) if jobs == 1 else _in_groups(work, numbered, jobs)
    numbers = itertools.count(1)
    for part in parts:
        progress.subtrees_done += 1
        for trial in part:
            yield attrs.evolve(trial, number=next(numbers))


def _try_below(plan: Plan, numbered: tuple[int, tuple[int, int]]) -> list[Trial]:
    """All schedules whose first delay is that one. They are numbered as if no place before it had more than one."""
    first, root = numbered
    whole = make_any_strategy(plan.search)
    assert isinstance(whole, Delays)
    part = whole.below(*root)
    found: list[Trial] = []
    with contextlib.suppress(NothingLeft), patient_collector(many_runs=True):
        for number in itertools.count(first):
            trial = tried(plan.attempt, part, number=number, name=plan.search, seed=plan.spec.seed)
            found.append(attrs.evolve(trial, path=part.path))
    return found


# -- in several processes ----------------------------------------------------------------------------------------------


def _in_groups(work: Callable[[Item], list[Trial]], items: Sequence[Item], jobs: int) -> Generator[list[Trial]]:
    early: dict[int, list[Trial]] = {}
    wanted = 0
    with contextlib.closing(do_all(work, items, jobs)) as answers:
        for number, trials in answers:
            early[number] = trials
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1


def _in_order(work: Callable[[Item], list[Trial]], items: Sequence[Item], jobs: int) -> Generator[Trial]:
    with contextlib.closing(_in_groups(work, items, jobs)) as groups:
        for trials in groups:
            yield from trials
