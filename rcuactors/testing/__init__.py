"""The pytest plugin: scenarios in tests, in virtual time, and tests under many schedules.

`rcu_lab` runs a scenario from an ordinary test, with a `trio.run` of its own. `rcu_run` runs one inside a pytest-trio
test, beside the test's own tasks; with `virtual_clock` in the same test, Trio's own waits are in virtual time too.
Both take a `Scenario` or a plain `async def f(k)`. A test that fails shows what the kernels of its runs reported.
`@pytest.mark.explore` tries a test under many schedules (explored.py), `@pytest.mark.rcu_kernels` on many kernels
(kernels.py); `assert_conforms` holds a recording of a real
kernel against the model. The entry point `rcuactors` registers this module wherever the package is installed.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING

import pytest

from ..engine.clock import VirtualClock
from ..runs import Result, RunOptions
from ..runs.run import Script
from .explored import (
    TOLD,
    k,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_pyfunc_call,
)
from .kernels import pytest_generate_tests
from .lab import LOG, NOW, RcuLab

if TYPE_CHECKING:
    from ..conform import Conformance

AsyncRun = Callable[..., Awaitable[Result]]
"""What the fixture `rcu_run` is; the arguments are those of `RcuLab.prepare`."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Whose runs are made by the fixtures."""
    NOW.item = item
    try:
        return (yield)
    finally:
        NOW.item = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Before pytest reports on a test: give it the schedule that was told, and what the kernels had to say."""
    if (told := item.stash.get(TOLD, "")) and call.when == "call":
        item.add_report_section(call.when, "schedules", told)
    log = item.stash.get(LOG, None)
    if log is not None and call.excinfo is not None and (text := log.text()):
        item.add_report_section(call.when, "kernel log", text)
        del item.stash[LOG]


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Virtual time for the test's `trio.run`: pytest-trio takes a clock among a test's fixtures as the run's."""
    return VirtualClock()


@pytest.fixture(scope="session")
def rcu_lab() -> RcuLab:
    """Run scenarios from an ordinary test."""
    return RcuLab()


@pytest.fixture(scope="session")
def rcu_run(rcu_lab: RcuLab) -> AsyncRun:
    """Run scenarios inside a trio test."""

    async def run_here(script: Script, options: RunOptions | None = None, /, **words: object) -> Result:
        return await rcu_lab.prepare(script, options, **words).arun()

    return run_here


def assert_conforms(recording: str | os.PathLike[str], *, version: str = "", probe: str = "") -> Conformance:
    """Assert that all decisions in a recording of a real kernel are those of the model; what was compared.

    `version`: what it is held against ("" for the model's version of the kernel that it names); `probe`: the name of
    the probe on kvfree_call_rcu(). Undecided is no agreement. Raises AssertionError, with what `rcuactors conform`
    prints, and BadInput for what is no recording, or one of another kernel.
    """
    from ..conform import conform  # noqa: PLC0415 - a plugin is loaded by everybody's tests

    answer = conform(recording, version=version, probe=probe)
    if answer.exit_code:
        raise AssertionError("\n".join(answer.lines()))
    return answer


__all__ = [
    "AsyncRun",
    "RcuLab",
    "assert_conforms",
    "k",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "rcu_lab",
    "rcu_run",
    "virtual_clock",
]
