"""The pytest plugin: scenarios in tests, in virtual time, and tests under many schedules.

`rcu_lab` runs a scenario from an ordinary test, with a `trio.run` of its own. `rcu_run` runs one inside a pytest-trio
test, beside the test's own tasks; with `virtual_clock` in the same test, Trio's own waits are in virtual time too.
Both take a `Scenario` or a plain `async def f(k)`. A test that fails shows what the kernels of its runs reported, and
of the way to where it failed only what is the test's and the scenario's (tracebacks.py). `@pytest.mark.explore` tries a
test under many schedules (explored.py), `@pytest.mark.rcu_kernels` on many kernels (kernels.py); `assert_conforms`
holds a recording of a real kernel against the model. The entry point `rcuactors` registers this module wherever the
package is installed. So it imports nothing of the model before a test uses that.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Final

import pytest

from .now import EXPLORE, KERNEL, KERNELS, LOG, NOW, REPLAY, TOLD
from .tracebacks import shorten

if TYPE_CHECKING:
    from ..conform import Conformance
    from ..engine.clock import VirtualClock
    from .lab import AsyncRun, RcuLab

_IN_LAB: Final = ("AsyncRun", "RcuLab")


if not TYPE_CHECKING:  # to a type checker it would say that the module has every name

    def __getattr__(name: str) -> Any:
        if name not in _IN_LAB:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(".lab", __name__), name)


# -- options and marks -------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that win over what a mark says."""
    group = parser.getgroup("rcuactors", "rcuactors: schedules of tests marked with explore")
    group.addoption("--rcu-schedules", metavar="NUMBER", help="how many schedules to try of each test")
    group.addoption("--rcu-seed", metavar="NUMBER", help="the first seed of each strategy")
    group.addoption("--rcu-replay", metavar="FILE", help="run that schedule again, of the test that it is of")
    group.addoption("--rcu-out", metavar="DIR", help="where schedules that broke a test are kept (pytest's cache)")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marks, and read what is to be run again."""
    config.addinivalue_line(
        "markers",
        f"{EXPLORE}(strategy=..., schedules=..., seed=..., kernel=..., **settings): try the test under many schedules",
    )
    config.addinivalue_line(
        "markers",
        f"{KERNELS}(versions=..., builds=...): run the test on each kernel, which it gets as the argument rcu_kernel",
    )
    if any(config.getoption(f"rcu_{name}", None) is not None for name in ("schedules", "seed", "replay")):
        from .explored import read_options  # noqa: PLC0415 - a plugin is loaded by everybody's tests

        read_options(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Trio runs none of those that are explored: each schedule has a run of its own."""
    yield
    for item in items:
        if item.get_closest_marker(EXPLORE) is not None:
            item.own_markers[:] = [mark for mark in item.own_markers if mark.name != "trio"]
    if REPLAY in config.stash:
        from .explored import only_replayed  # noqa: PLC0415 - as above

        only_replayed(config, items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each kernel, where the mark says so."""
    mark = metafunc.definition.get_closest_marker(KERNELS)
    if mark is not None:
        from .kernels import on_each_kernel  # noqa: PLC0415 - as above

        on_each_kernel(metafunc, mark)


# -- a test ------------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Whose runs are made by the fixtures."""
    NOW.item = item
    try:
        return (yield)
    finally:
        NOW.item = None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is to be explored is tried under schedules."""
    __tracebackhide__ = True
    mark = pyfuncitem.get_closest_marker(EXPLORE)
    # As pytest itself does it.
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    if mark is None:
        if any(value is KERNEL for value in arguments.values()):
            pytest.fail(f"{pyfuncitem.name}: takes the kernel (k), which @pytest.mark.explore gives", pytrace=False)
        _await_somebody(pyfuncitem, names)
        return None
    from .explored import try_under_schedules  # noqa: PLC0415 - as above

    return try_under_schedules(pyfuncitem, mark, arguments)


def _await_somebody(item: pytest.Function, names: Iterable[str]) -> None:
    """Fails an `async def` test of ours that nobody would await: older versions of pytest leave such a one out."""
    ours = {"rcu_run", "virtual_clock"} & set(names)
    theirs = item.config.pluginmanager.has_plugin("trio") or item.get_closest_marker("anyio") is not None
    if ours and inspect.iscoroutinefunction(item.obj) and not theirs:
        what = f"{item.name}: an async test with {min(ours)} needs pytest-trio"
        pytest.fail(f"{what}: pip install 'rcuactors[test]'", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Before pytest reports on a test: give it the schedule that was told, and what the kernels had to say."""
    if (told := item.stash.get(TOLD, "")) and call.when == "call":
        item.add_report_section(call.when, "schedules", told)
    if call.excinfo is not None and not item.config.getoption("fulltrace", False):
        shorten(call.excinfo.value)
        call.excinfo = type(call.excinfo).from_exception(call.excinfo.value)
    log = item.stash.get(LOG, None)
    if log is not None and call.excinfo is not None and (text := log.text()):
        item.add_report_section(call.when, "kernel log", text)
        del item.stash[LOG]


# -- what a test is given ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def k() -> object:
    """The kernel, for an `async def` test with `@pytest.mark.explore`."""
    return KERNEL


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Virtual time for the test's `trio.run`: pytest-trio takes a clock among a test's fixtures as the run's."""
    from ..engine.clock import VirtualClock  # noqa: PLC0415 - as above

    return VirtualClock()


@pytest.fixture(scope="session")
def rcu_lab() -> RcuLab:
    """Run scenarios from an ordinary test."""
    from .lab import RcuLab  # noqa: PLC0415 - as above

    return RcuLab()


@pytest.fixture(scope="session")
def rcu_run(rcu_lab: RcuLab) -> AsyncRun:
    """Run scenarios inside a trio test."""
    return rcu_lab.arun


def assert_conforms(recording: str | os.PathLike[str], *, version: str = "", probe: str = "") -> Conformance:
    """Assert that all decisions in a recording of a real kernel are those of the model; what was compared.

    `version`: what it is held against ("" for the model's version of the kernel that it names); `probe`: the name of
    the probe on kvfree_call_rcu(). Undecided is no agreement. Raises AssertionError, with what `rcuactors conform`
    prints, and BadInput for what is no recording, or one of another kernel.
    """
    from ..conform import conform  # noqa: PLC0415 - as above

    answer = conform(recording, version=version, probe=probe)
    if answer.exit_code:
        raise AssertionError("\n".join(answer.lines()))
    return answer


__all__ = ["AsyncRun", "RcuLab", "assert_conforms"]
