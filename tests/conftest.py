"""Makes the suite work from a checkout as well as with the package installed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAID_BY_CI = ("CI", "BUILD_NUMBER")
"""pytest writes its short summary out in full where one of these is set (_pytest/compat.py, running_on_ci)."""

if importlib.util.find_spec("rcuactors") is None:
    sys.path.insert(0, str(ROOT))
elif str(ROOT) not in sys.path:
    # For what tests share (tests.recorded); behind the installed package.
    sys.path.append(str(ROOT))


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, unless the installed package's entry point has done so already.

    And hear Ctrl-C, which is ignored in whatever a shell runs in the background, and in its children: there are tests
    of it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The model's own state is checked in all tests: in this process, which may have imported it, and in those to come.
    os.environ["RCUACTORS_INVARIANTS"] = "y"
    # What pytest prints is compared in places, and it prints more where a CI is said to read it.
    for name in SAID_BY_CI:
        os.environ.pop(name, None)
    importlib.import_module("rcuactors.kvfree.invariants").checked = True
    importlib.import_module("tests.outcomes.plugin").register(config)
    _share_bytecode(config)
    plugin = importlib.import_module("rcuactors.testing")
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin, "rcuactors.testing")


def _share_bytecode(config: pytest.Config) -> None:
    """The processes that tests start, some hundreds, compile the package once, into a directory of this session's."""
    if "PYTHONPYCACHEPREFIX" not in os.environ:
        folder = tempfile.mkdtemp(prefix="rcuactors-bytecode-")
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a table marked `one_in(n)` an n-th is tried, drawn by name and always the same; -m campaign tries the others.

    The first row of each is tried in any case, so that no table goes untried.
    """
    begun: set[str] = set()
    for item in items:
        sampled = item.get_closest_marker("one_in")
        table = item.nodeid.partition("[")[0]
        if sampled is not None and table in begun and zlib.crc32(item.nodeid.encode()) % sampled.args[0]:
            item.add_marker(pytest.mark.campaign)
        begun.add(table)


@pytest.fixture(scope="session")
def root() -> Path:
    """The directory of pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def package() -> Path:
    """The directory of the package under test."""
    return Path(str(importlib.import_module("rcuactors").__file__)).parent


# -- ways into every context -------------------------------------------------------------------------------------------

Action = Callable[[], Awaitable[None]]
RunIn = Callable[[Any, str, Action], Awaitable[None]]


async def _run_in(k: Any, context: str, action: Action) -> None:
    contexts = importlib.import_module("rcuactors.lab.contexts").CONTEXTS
    await contexts[context].enter(k, action)


@pytest.fixture(scope="session")
def run_in() -> RunIn:
    """`await run_in(k, context, action)`: run the action in the context of that name (lab/contexts.py)."""
    return _run_in
