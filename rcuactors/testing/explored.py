"""`@pytest.mark.explore`: a test that is tried under many schedules, and fails with the shortest one that breaks it.

An `async def test_it(k)` is a scenario: the kernel is given to it, made by the mark's own words, `kernel="v5.11"`,
`nr_cpus=2` and so on. Any other test makes its run by `rcu_lab` or `rcu_run`. What a schedule shows, a report of the
kernel's or what the test raises, fails the test: the schedule is cut down, kept as a file, and told, with the command
that runs it again (`--rcu-replay`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from ..errors import BadInput, ReplayDiverged, bad_value, shown, text_of
from ..hunt.keep import Kept, keep, keyed, replay_of, shrink
from ..hunt.plan import plan_of
from ..hunt.progress import Progress
from ..hunt.schedule import Schedule, read_schedule
from ..hunt.search import explore
from ..hunt.story import story_lines
from ..hunt.tally import Tally, nothing_lines, tally_lines
from ..kapi import Kernel
from ..runs.options import LARGEST_SEED, RunOptions
from ..runs.spec import Kind, ScenarioRef
from ..scenario import Scenario, scenario
from ..spelling import plural
from ..userfiles.pyfile import text_digest
from .attempt import TestAttempt, run_async
from .now import EXPLORE, KERNEL, REPLAY, TOLD

_SCHEDULES: Final = 200
_MOST: Final = 1_000_000


class ScheduleFailure(AssertionError):
    """A schedule under which a test goes wrong."""


# -- options -----------------------------------------------------------------------------------------------------------


def read_options(config: pytest.Config) -> None:
    """What is to be run again is read. Raises pytest.UsageError for an option that is wrong."""
    try:
        for name, low, high in (("schedules", 1, _MOST), ("seed", 0, LARGEST_SEED)):
            _number(f"--rcu-{name}", config.getoption(f"rcu_{name}", None), low, high)
        if (file := config.getoption("rcu_replay", None)) is not None:
            config.stash[REPLAY] = read_schedule(file)
    except BadInput as error:
        raise pytest.UsageError(str(error)) from None


def _number(name: str, text: str | None, low: int, high: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise bad_value(f"{name} {text}", f"a whole number from {low} to {high}")
    return int(text)


def only_replayed(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --rcu-replay there is one test only. Raises pytest.UsageError where it is not there."""
    wanted = config.stash[REPLAY].spec.scenario.function
    others = [item for item in items if item.nodeid != wanted or item.get_closest_marker(EXPLORE) is None]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
    if not items:
        raise pytest.UsageError(
            f"--rcu-replay {config.getoption('rcu_replay', None)}: of {wanted}, which is not among these tests"
        )


# -- a test ------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Asked:
    """What a mark and the options ask for."""

    strategies: tuple[str, ...]
    schedules: int
    seed: int
    options: RunOptions


def _asked(item: pytest.Item, mark: pytest.Mark) -> _Asked:
    """Raises BadInput."""
    if mark.args:
        raise bad_value(f"explore({shown(mark.args[0])})", "arguments by name, such as strategy='walk'")
    words = dict(mark.kwargs)
    strategy = words.pop("strategy", ())
    strategies = (strategy,) if isinstance(strategy, str) else tuple(strategy)
    numbers = {"schedules": (_SCHEDULES, 1, _MOST), "seed": (0, 0, LARGEST_SEED)}
    for name, (default, low, high) in numbers.items():
        value = words.pop(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise bad_value(f"explore({name}={shown(value)})", f"a whole number from {low} to {high}")
        given = _number(f"--rcu-{name}", item.config.getoption(f"rcu_{name}", None), low, high)
        numbers[name] = (value if given is None else given, low, high)
    return _Asked(
        strategies=strategies,
        schedules=numbers["schedules"][0],
        seed=numbers["seed"][0],
        options=RunOptions().given(words),
    )


def try_under_schedules(pyfuncitem: pytest.Function, mark: pytest.Mark, arguments: dict[str, Any]) -> bool:
    """Try the test's function under schedules instead of calling it once."""
    __tracebackhide__ = True
    try:
        asked = _asked(pyfuncitem, mark)
    except BadInput as error:
        pytest.fail(str(error), pytrace=False)
    function = pyfuncitem.obj
    hypothesis = getattr(function, "hypothesis", None)
    if hypothesis is None:
        _explore(pyfuncitem, asked, function, arguments)
        return True
    # Each example of its data is tried under the schedules.
    inner = hypothesis.inner_test

    @wraps(inner)
    def each(*args: Any, **given: Any) -> None:
        __tracebackhide__ = True
        _explore(pyfuncitem, asked, partial(inner, *args), given)

    hypothesis.inner_test = each
    try:
        function(**arguments)
    finally:
        hypothesis.inner_test = inner
    return True


def _explore(item: pytest.Function, asked: _Asked, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Raises ScheduleFailure, from what the test raised."""
    __tracebackhide__ = True
    attempt = _attempt_of(item, asked, function, arguments)
    schedule = item.config.stash.get(REPLAY, None)
    try:
        if schedule is not None:
            _replay(item, attempt, schedule)
        else:
            _search(item, attempt, asked)
    except BadInput as error:
        pytest.fail(str(error), pytrace=False)


def _attempt_of(
    item: pytest.Function, asked: _Asked, function: Callable[..., Any], arguments: dict[str, Any]
) -> TestAttempt:
    path = Path(item.path)
    ref = ScenarioRef(Kind.TEST, str(path), item.nodeid, text_digest(path.read_bytes()))
    attempt = TestAttempt(name=item.name, call=lambda: None, ref=ref, options=asked.options)
    taken = [name for name, value in arguments.items() if value is KERNEL]
    plain = function.func if isinstance(function, partial) else function
    if not inspect.iscoroutinefunction(plain):
        attempt.call = partial(function, **arguments)
    elif taken:
        of_kernel = _of_kernel(item, function, arguments, taken[0])
        attempt.call = lambda: attempt.run_kernel(of_kernel)
    else:
        attempt.call = lambda: run_async(function, arguments)
    return attempt


def _of_kernel(item: pytest.Function, function: Callable[..., Any], arguments: dict[str, Any], name: str) -> Scenario:
    """The scenario that an async test is which takes the kernel."""

    async def body(kernel: Kernel) -> None:
        await function(**{**arguments, name: kernel})

    body.__name__ = item.originalname
    return scenario()(body)


# -- the search --------------------------------------------------------------------------------------------------------


def _search(item: pytest.Function, attempt: TestAttempt, asked: _Asked) -> None:
    __tracebackhide__ = True
    plan = plan_of(attempt, asked.strategies, asked.seed)
    progress = Progress()
    tally = Tally(plan, progress)
    for trial in explore(plan, progress, schedules=asked.schedules):
        signature = tally.take(trial)
        if signature is not None:
            kept = shrink(keep(attempt, trial, signature))
            how = f"schedule {trial.number:,} of {asked.schedules:,}, strategy {trial.strategy}, seed {trial.seed}"
            _fail(item, kept, f"{signature} ({how})")
        if trial.cut and not trial.number:
            raise BadInput(
                f"{item.name}: its bound of steps ends it in order of time already; needs a larger max_steps"
            )
    item.stash[TOLD] = "\n".join([*tally_lines(tally), *nothing_lines(tally)])
    _warn(item, tally)


def _warn(item: pytest.Function, tally: Tally) -> None:
    """A test that passes is green: what would make that worth little is said aloud."""
    if not tally.taken:
        said = "no decision was asked for, so all of its schedules are one"
    elif tally.cut:
        of = plural(tally.schedules, "schedule")
        said = f"the bound of steps ended {tally.cut:,} of {of}; what would come then was not seen"
    else:
        return
    item.warn(pytest.PytestWarning(f"{item.name}: {said}"))


def _replay(item: pytest.Function, attempt: TestAttempt, schedule: Schedule) -> None:
    """Run one schedule strictly. What data Hypothesis gives does not fit it, unless they are those that it was of."""
    __tracebackhide__ = True
    file = item.config.getoption("rcu_replay", None)
    if schedule.spec.scenario.digest != attempt.ref.digest:
        pytest.fail(f"{file}: {Path(attempt.ref.source).name} was changed since", pytrace=False)
    try:
        kept = keyed(schedule, attempt)
    except ReplayDiverged as error:
        if hasattr(item.obj, "hypothesis"):
            return
        pytest.fail(f"{file}: {error}", pytrace=False)
    _fail(item, kept, f"{schedule.shown.signature} ({file})")


def _fail(item: pytest.Function, kept: Kept, said: str) -> None:
    """Say what was found, keep it, and raise."""
    __tracebackhide__ = True
    story = story_lines(kept)
    _, raised = kept.attempt.run(replay_of(kept.schedule), kept.schedule.spec.seed)
    file = _kept_as(item, kept.schedule)
    again = f"pytest {_quoted(item.nodeid)} --rcu-replay {_quoted(file)}" if file else ""
    item.stash[TOLD] = "\n".join([said, *story, *([f"again: {again}"] if again else [])])
    raise ScheduleFailure("\n".join([said, *([f"again: {again}"] if again else [])])) from raised


def _kept_as(item: pytest.Function, schedule: Schedule) -> str:
    """The file that the schedule was written to; empty where there is no place for one."""
    out: str | None = item.config.getoption("rcu_out", None)
    cache: pytest.Cache | None = getattr(item.config, "cache", None)
    if (again := item.config.getoption("rcu_replay", None)) is not None:
        return str(again)
    if out is not None:
        folder = Path(out)
    elif cache is not None:
        folder = cache.mkdir("rcuactors")
    else:
        return ""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", item.nodeid).strip("-.")[-150:]
    path = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        schedule.save(path)
    except OSError as error:
        raise BadInput(f"--rcu-out {folder}: {error.strerror or text_of(error)}") from None
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w./:@%+=,-]+", text, re.ASCII) else "'" + text.replace("'", "'\"'\"'") + "'"
