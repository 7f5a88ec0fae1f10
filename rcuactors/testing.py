"""The pytest plugin: scenarios in tests, in virtual time.

`rcu_lab` runs a scenario from an ordinary test, with a `trio.run` of its own. `rcu_run` runs one inside a pytest-trio
test, beside the test's own tasks; with `virtual_clock` in the same test, Trio's own waits are in virtual time too.
Both take a `Scenario` or a plain `async def f(k)`. A test that fails shows what the kernels of its runs reported.
`assert_conforms` holds a recording of a real kernel against the model.
The entry point `rcuactors` registers this module wherever the package is installed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import pytest

from .context.violation import Violation
from .engine.clock import VirtualClock
from .report.text import splat_lines
from .runs import Result, Run, RunOptions
from .runs.run import Script
from .spelling import plural

if TYPE_CHECKING:
    from .conform import Conformance

AsyncRun = Callable[..., Awaitable[Result]]
"""What the fixture `rcu_run` is; the arguments are those of `RcuLab.prepare`."""


_KEPT: Final = 10


class KernelLog:
    """The last reports of a test's runs."""

    def __init__(self) -> None:
        self._reports: deque[tuple[str, Violation]] = deque(maxlen=_KEPT)
        self._count = 0

    def listen(self, run: Run) -> None:
        """Hear of what a run reports."""
        name = f"{run.scenario.name} on {run.machine.setup.era.name}, seed {run.machine.setup.seed}"
        run.machine.probes.violation.listen(lambda violation: self._take(name, violation))

    def _take(self, name: str, violation: Violation) -> None:
        self._count += 1
        self._reports.append((name, violation))

    def text(self) -> str:
        """All of it, a headline where another run begins."""
        lines: list[str] = []
        if self._count > _KEPT:
            lines.append(f"... {plural(self._count - _KEPT, 'report')} before these")
        shown = ""
        for name, violation in self._reports:
            lines += [f"{name}:"] if name != shown else []
            lines += splat_lines(violation)
            shown = name
        return "\n".join(lines)


_LOG: Final = pytest.StashKey[KernelLog]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Before pytest reports on a test that failed: give it what the kernels had to say."""
    log = item.stash.get(_LOG, None)
    if log is not None and call.excinfo is not None and (text := log.text()):
        item.add_report_section(call.when, "kernel log", text)
        del item.stash[_LOG]


class RcuLab:
    """What the fixture `rcu_lab` is: makes runs, and runs them."""

    def __init__(self, log: KernelLog | None = None) -> None:
        self._log = log

    def prepare(self, script: Script, options: RunOptions | None = None, /, **words: object) -> Run:
        """Make a run without starting it, for a test that looks into its `machine`.

        Arguments are those of `rcuactors.run()`: kernel="v5.9", design="direct", seed=3, strategy="random" and so on;
        what is none of these is a configuration name or a parameter of the scenario.
        """
        run = Run(script, options, **words)
        if self._log is not None:
            self._log.listen(run)
        return run

    def run(self, script: Script, options: RunOptions | None = None, /, **words: object) -> Result:
        """Make the run and run it. Raises what the script raises, and the first KernelBug under panic_on_warn."""
        return self.prepare(script, options, **words).run()


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Virtual time for the test's `trio.run`: pytest-trio takes a clock among a test's fixtures as the run's."""
    return VirtualClock()


@pytest.fixture
def rcu_lab(request: pytest.FixtureRequest) -> RcuLab:
    """Run scenarios from an ordinary test."""
    return RcuLab(request.node.stash.setdefault(_LOG, KernelLog()))


@pytest.fixture
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
    from .conform import conform  # noqa: PLC0415 - a plugin is loaded by everybody's tests

    answer = conform(recording, version=version, probe=probe)
    if answer.exit_code:
        raise AssertionError("\n".join(answer.lines()))
    return answer
