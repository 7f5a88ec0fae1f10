"""Searches that go on from what they have tried, in one process or in several: the same schedules in the same order.

The first of them are made by this process alone, since others take a while to begin. After that it is one of those that
make them, and keeps the order.

`dfs`: what comes after a schedule in its tree falls into parts, each with a beginning of its own. A process that has
tried some schedules of one part hands back into which parts the rest of it falls. Parts are a list in the order of the
search, in which each is replaced by its schedules and by what is left of it; those in front are begun first.

`dpor`: what is tried next is read off what came of the runs before. So other processes only make runs, each from its
beginning, and this one takes them in by the order in which it wants them, as if it made them itself. They are ahead of
it: while one makes the run that is wanted next, others make those that will be wanted later, as far as is known. Few of
these turn out to have been made in vain.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Generator, Iterable
from typing import Final

import attrs

from ..engine.choice import Strategy
from ..engine.real_time import ending_by
from ..errors import NothingLeft
from ..explore import make_any_strategy
from ..explore.delays import Delays
from ..explore.dfs import Dfs
from ..explore.dpor import Dpor, Guided
from ..explore.frontier import Frontier, Key, Made, Wanted
from ..lab.jobs import Future, Submit, done_here, first_done, workers
from ..runs.run import patient_collector
from .pairs import is_looked_at, is_looked_at_by_path
from .plan import Plan
from .progress import Progress
from .trial import Trial, tried

ALONE: Final = {"dfs": 64, "dpor": 16}
"""Schedules that this process makes by itself before it has others begin."""

_AT_ONCE: Final = 16
"""Schedules of one part that a process tries before it hands back the rest."""

AHEAD: Final = 64
"""Of so many parts in front some may be begun."""

KEPT: Final = 1000
"""Runs that are made ahead, at most: each is kept until it is wanted."""

Path = tuple[int, ...]


def try_one(
    plan: Plan,
    strategy: Strategy,
    number: int,
    *,
    name: str = "",
    seed: int | None = None,
    looked_at: bool | None = None,
) -> Trial:
    """One schedule of a plan. What a search goes through has the seed of the run, which says nothing to it."""
    with ending_by(plan.until):
        trial = tried(
            plan.attempt,
            strategy,
            number=number,
            name=name or plan.search,
            seed=plan.spec.seed if seed is None else seed,
            sought=plan.sought,
            looked_at=looked_at,
        )
    return attrs.evolve(trial, astray=True) if isinstance(strategy, Dfs | Delays) and strategy.astray else trial


# -- dfs ---------------------------------------------------------------------------------------------------------------


def in_depth(plan: Plan, progress: Progress, search: Dfs, jobs: int) -> Generator[Trial]:
    """All that a `dfs` tries, in its order."""
    for number in itertools.count() if jobs == 1 else range(ALONE["dfs"]):
        path = search.upcoming()
        if path is None:
            return
        looked_at = is_looked_at(number) if number < ALONE["dfs"] else is_looked_at_by_path(path)
        trial = _next_in_depth(plan, search, number, looked_at)
        progress.part = search.done
        yield trial
    if search.upcoming() is not None:
        yield from _in_parts(plan, progress, search.rest(), jobs)


def _next_in_depth(plan: Plan, search: Dfs, number: int, looked_at: bool) -> Trial:
    trial = try_one(plan, search, number, looked_at=looked_at)
    return attrs.evolve(trial, path=search.path)


@attrs.frozen
class _Some:
    """Schedules of one part, each with how far the search is behind it; and in which parts the rest falls."""

    trials: tuple[tuple[Trial, float], ...]
    rest: tuple[Path, ...]


@attrs.define(eq=False)
class _Part:
    """A part of the search, by how it begins. `answer`: a process is at it; `tried`: it is split, and has no rest."""

    path: Path
    answer: Future[_Some] | None = None
    tried: tuple[tuple[Trial, float], ...] | None = None


def _some_of(plan: Plan, path: Path) -> _Some:
    """The first schedules of one part, in another process."""
    whole = make_any_strategy(plan.search)
    assert isinstance(whole, Dfs)
    part = whole.below(path)
    trials = []
    with patient_collector():
        for _ in range(_AT_ONCE):
            upcoming = part.upcoming()
            if upcoming is None:
                break
            trials.append((_next_in_depth(plan, part, 0, is_looked_at_by_path(upcoming)), part.done))
    return _Some(tuple(trials), tuple(part.rest()))


def _in_parts(plan: Plan, progress: Progress, paths: Iterable[Path], jobs: int) -> Generator[Trial]:
    """The rest of the search, which falls into these parts."""
    parts, numbers = [_Part(path) for path in paths], itertools.count(ALONE["dfs"])
    work = functools.partial(_some_of, plan)
    with workers(jobs - 1) as submit:
        while parts:
            if parts[0].tried is None:
                _have_them_tried(parts, submit, work, jobs - 1)
                continue
            for trial, done in parts.pop(0).tried or ():
                progress.part = done
                yield attrs.evolve(trial, number=next(numbers))


def _have_them_tried(parts: list[_Part], submit: Submit, work: Callable[[Path], _Some], others: int) -> None:
    """Keep others busy with the parts in front, try one here, and split those that were tried by what is left."""
    front = parts[:AHEAD]
    new = [part for part in front if part.answer is None and part.tried is None]
    busy = sum(part.answer is not None for part in front)
    # The first is wanted now.
    here = new.pop(0) if new else None
    for part in new[: max(0, others + 1 - busy)]:
        part.answer = submit(work, part.path)
    if here is not None:
        _split(parts, here, work(here.path))
    under_way = {part.answer: part for part in front if part.answer is not None}
    done = {answer for answer in under_way if answer.done()} if here is not None else first_done(under_way)
    for answer in done:
        _split(parts, under_way[answer], answer.result())


def _split(parts: list[_Part], part: _Part, some: _Some) -> None:
    at = parts.index(part)
    parts[at : at + 1] = [_Part((), tried=some.trials), *(_Part(path) for path in some.rest)]


# -- dpor --------------------------------------------------------------------------------------------------------------


def by_classes(plan: Plan, progress: Progress, search: Dpor, jobs: int) -> Generator[Trial]:
    """All that a `dpor` tries, in its order."""
    with contextlib.closing(search), contextlib.suppress(NothingLeft):
        for number in itertools.count() if jobs == 1 else range(ALONE["dpor"]):
            trial = _next_class(plan, search, number)
            _told(progress, search)
            yield trial
    if jobs > 1 and search.frontier.left:
        yield from _ahead(plan, progress, search, jobs)


def _next_class(plan: Plan, search: Guided, number: int) -> Trial:
    trial = try_one(plan, search, number, looked_at=True)
    return attrs.evolve(trial, path=search.path)


def _told(progress: Progress, search: Dpor) -> None:
    frontier = search.frontier
    progress.classes, progress.left = len(frontier.seen.classes), frontier.left
    progress.repeated, progress.astray = frontier.repeated, frontier.astray


Answer = tuple[Trial, Made]


def _make(plan: Plan, guided: Guided, wanted: Wanted) -> Answer:
    guided.begin_with(wanted.guides)
    with patient_collector():
        trial = _next_class(plan, guided, 0)
    assert guided.made is not None
    return trial, guided.made


@functools.lru_cache(maxsize=1)
def _guided(window: int) -> Guided:
    return Guided(window=window)


def _make_there(plan: Plan, window: int, wanted: Wanted) -> Answer:
    """One run, in another process that does nothing else: footprints are told there from the first run on."""
    trial, made = _make(plan, _guided(window), wanted)
    return trial, made.without_footprints()


def _ahead(plan: Plan, progress: Progress, search: Dpor, jobs: int) -> Generator[Trial]:
    """Take in the rest of the runs, of which some are made before they are wanted."""
    frontier, made = search.frontier, dict[Key, Future[Answer]]()
    there = functools.partial(_make_there, plan, search.window)
    with contextlib.closing(Guided(window=search.window)) as guided, workers(jobs - 1) as submit:
        here = functools.partial(_make, plan, guided)
        for number in itertools.count(ALONE["dpor"]):
            wanted = frontier.next()
            if wanted is None:
                return
            answer = made.pop(wanted.key, None)
            _keep_busy(frontier, made, submit, there, jobs)
            while answer is not None and not answer.done():
                ahead = next(frontier.ahead(made), None) if len(made) < KEPT else None
                if ahead is None:
                    first_done([answer])
                else:
                    made[ahead.key] = done_here(here, ahead)
                    _keep_busy(frontier, made, submit, there, jobs)
            trial, run = here(wanted) if answer is None else answer.result()
            frontier.take(run)
            _told(progress, search)
            yield attrs.evolve(trial, number=number)


def _keep_busy(
    frontier: Frontier,
    made: dict[Key, Future[Answer]],
    submit: Submit,
    there: Callable[[Wanted], Answer],
    jobs: int,
) -> None:
    """Each of the others has a run to make, and one of them the next."""
    busy = sum(not answer.done() for answer in made.values())
    for wanted in frontier.ahead(made):
        if busy >= jobs or len(made) >= KEPT:
            return
        made[wanted.key] = submit(there, wanted)
        busy += 1
