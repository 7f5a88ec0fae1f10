"""A plugin for pytest, which conftest.py registers: the runs of a test come to what is written down (runs.py)."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from rcuactors.runs import Result, Run
from rcuactors.runs.plain import PlainRun
from tests.outcomes.runs import ROOMS, key_of, outcome_of, recorded

INTO: Final = "RCUACTORS_OUTCOMES"
"""Where what comes of runs is written instead of being judged."""
_PREFIXES: Final = tuple(f"tests/{room}/" for room in ROOMS)


@attrs.define(eq=False)
class Runs:
    """The runs of the test that is on."""

    into: Path | None
    test: str | None = None
    made: dict[tuple[str, str], str] = attrs.field(factory=dict)

    def over(self, run: Run, key: str | None, raised: BaseException | None) -> None:
        """A run has come to its end."""
        if key is None or self.test is None or not isinstance(raised, Exception | None):
            return
        if self.into is None and key not in recorded():
            return
        options = run.options
        self.made[key, outcome_of(run, raised)] = f"{run.scenario.name} on {options.kernel}, {dict(options.settings)}"

    def other(self) -> list[str]:
        """Those that came to something else than what is written down."""
        return [said for (key, outcome), said in self.made.items() if outcome != recorded()[key]]

    def write(self) -> None:
        """What was made."""
        assert self.into is not None
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        with (self.into / f"{worker}.jsonl").open("a") as file:
            file.write(json.dumps({"test": self.test, "runs": list(self.made)}) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """One test, unless its runs are drawn anew each time."""
        self.made.clear()
        drawn = hasattr(getattr(item, "obj", None), "hypothesis")
        self.test = item.nodeid if item.nodeid.startswith(_PREFIXES) and not drawn else None
        try:
            said = yield
            if self.into is not None and self.test is not None:
                self.write()
        finally:
            self.test = None
        if self.into is None and (other := self.other()):
            told = "\n".join(other)
            pytest.fail(f"not what they were; if that is meant: python tests/outcomes/write.py\n{told}", pytrace=False)
        return said


def register(config: pytest.Config) -> None:
    """Look at runs from here on."""
    into = os.environ.get(INTO)
    runs = Runs(None if into is None else Path(into))
    config.pluginmanager.register(runs, "tests.outcomes")
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(Run, "go", _noted(runs, Run.go))
    patch.setattr(PlainRun, "go", _noted(runs, PlainRun.go))
    patch.setattr(Run, "arun", _noted_async(runs, Run.arun))


def _noted(runs: Runs, go: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(go)
    def noted(run: Run, *args: Any, **named: Any) -> None:
        with _looked_at(runs, run):
            go(run, *args, **named)

    return noted


def _noted_async(runs: Runs, arun: Callable[..., Awaitable[Result]]) -> Callable[..., Awaitable[Result]]:
    @functools.wraps(arun)
    async def noted(run: Run) -> Result:
        with _looked_at(runs, run):
            return await arun(run)

    return noted


@contextlib.contextmanager
def _looked_at(runs: Runs, run: Run) -> Iterator[None]:
    """It is run in here."""
    key = key_of(run) if runs.test is not None else None
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        raised = error
        raise
    finally:
        runs.over(run, key, raised)
