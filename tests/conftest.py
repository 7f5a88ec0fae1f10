"""Makes the suite work from a checkout as well as with the package installed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

if importlib.util.find_spec("rcuactors") is None:
    sys.path.insert(0, str(ROOT))


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, unless the installed package's entry point has done so already.

    And hear Ctrl-C, which is ignored in whatever a shell runs in the background, and in its children: there are tests
    of it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The model's own state is checked in all tests: in this process, which may have imported it, and in those to come.
    os.environ["RCUACTORS_INVARIANTS"] = "y"
    importlib.import_module("rcuactors.kvfree.invariants").checked = True
    plugin = importlib.import_module("rcuactors.testing")
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin, "rcuactors.testing")


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


async def _process(_k: Any, action: Action) -> None:
    await action()


async def _preempt_off(k: Any, action: Action) -> None:
    k.preempt_disable()
    await action()
    await k.preempt_enable()


async def _irqs_off(k: Any, action: Action) -> None:
    flags = k.local_irq_save()
    await action()
    await k.local_irq_restore(flags)


async def _bh_off(k: Any, action: Action) -> None:
    await k.local_bh_disable()
    await action()
    await k.local_bh_enable()


async def _raw_lock(k: Any, action: Action) -> None:
    lock = vars(k).setdefault("raw_lock_of_the_test", k.raw_spinlock("R"))
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _rq_lock(k: Any, action: Action) -> None:
    lock = k.this_rq_lock()
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _zone_lock(k: Any, action: Action) -> None:
    lock = k.zone_lock()
    flags = await k.spin_lock_irqsave(lock)
    await action()
    await k.spin_unlock_irqrestore(lock, flags)


async def _spinlock(k: Any, action: Action) -> None:
    lock = vars(k).setdefault("spinlock_of_the_test", k.spinlock("S"))
    await k.spin_lock(lock)
    await action()
    await k.spin_unlock(lock)


async def _reader(k: Any, action: Action) -> None:
    with k.rcu_reader():
        await action()


async def _hardirq(k: Any, action: Action) -> None:
    await k.raise_irq(action)


async def _softirq(k: Any, action: Action) -> None:
    async def raise_tasklet() -> None:
        await k.tasklet_schedule(action)

    await k.raise_irq(raise_tasklet)


async def _remote_hardirq(k: Any, action: Action) -> None:
    await k.raise_irq(action, cpu=k._machine.setup.config.nr_cpus - 1)


_WAYS = {
    "process": _process,
    "preempt off": _preempt_off,
    "irqs off": _irqs_off,
    "bh off": _bh_off,
    "raw lock": _raw_lock,
    "rq lock": _rq_lock,
    "zone lock": _zone_lock,
    "spinlock": _spinlock,
    "reader": _reader,
    "hardirq": _hardirq,
    "softirq": _softirq,
    "remote hardirq": _remote_hardirq,
}


async def _run_in(k: Any, context: str, action: Action) -> None:
    await _WAYS[context](k, action)


@pytest.fixture(scope="session")
def run_in() -> RunIn:
    """`await run_in(k, context, action)`: enter the context, run the action, leave it."""
    return _run_in
