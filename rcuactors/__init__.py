"""rcuactors: an executable model of the Linux kernel's kvfree_rcu() and everything it leans on, on Trio actors.

`scenario` makes a scenario of an async function that takes a `Kernel`; `run` runs it and returns a `Result`. The
command line is `rcuactors`.

What is not needed to write a scenario is imported when it is asked for, so that the command line can answer quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from .errors import BadInput, RcuactorsError, StepBoundExceeded
from .marks import MACHINERY

# Not when it is asked for: the function would then be hidden by the module of its name.
from .scenario import Scenario, scenario

if TYPE_CHECKING:
    from .config import Config
    from .conform import Conformance
    from .context.violation import KernelBug, Violation, ViolationKind
    from .engine.clock import VirtualClock
    from .kapi import Kernel
    from .kapi.workqueues import WQ_HIGHPRI, WQ_MEM_RECLAIM, WQ_UNBOUND
    from .machine import Machine, Setup
    from .mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_NOWAIT, GFP_NOWARN, Gfp
    from .rcu.notifier import NOTIFY_BAD, NOTIFY_DONE, NOTIFY_OK, NOTIFY_STOP
    from .runs import Result, Run, RunOptions, RunSpec, run
    from .userfiles import load_scenario

__version__ = "0.1.0"

__trace__ = MACHINERY  # what says nothing else below is no kernel's function

__all__ = [
    "GFP_ATOMIC",
    "GFP_KERNEL",
    "GFP_NOFS",
    "GFP_NOIO",
    "GFP_NOWAIT",
    "GFP_NOWARN",
    "NOTIFY_BAD",
    "NOTIFY_DONE",
    "NOTIFY_OK",
    "NOTIFY_STOP",
    "WQ_HIGHPRI",
    "WQ_MEM_RECLAIM",
    "WQ_UNBOUND",
    "BadInput",
    "Config",
    "Conformance",
    "Gfp",
    "Kernel",
    "KernelBug",
    "Machine",
    "RcuactorsError",
    "Result",
    "Run",
    "RunOptions",
    "RunSpec",
    "Scenario",
    "Setup",
    "StepBoundExceeded",
    "Violation",
    "ViolationKind",
    "VirtualClock",
    "load_scenario",
    "run",
    "scenario",
    "script",
]

_HOMES: Final[dict[str, tuple[str, ...]]] = {
    "config": ("Config",),
    "conform": ("Conformance",),
    "context.violation": ("KernelBug", "Violation", "ViolationKind"),
    "engine.clock": ("VirtualClock",),
    "kapi": ("Kernel",),
    "kapi.workqueues": ("WQ_HIGHPRI", "WQ_MEM_RECLAIM", "WQ_UNBOUND"),
    "machine": ("Machine", "Setup"),
    "mm.gfp": ("GFP_ATOMIC", "GFP_KERNEL", "GFP_NOFS", "GFP_NOIO", "GFP_NOWAIT", "GFP_NOWARN", "Gfp"),
    "rcu.notifier": ("NOTIFY_BAD", "NOTIFY_DONE", "NOTIFY_OK", "NOTIFY_STOP"),
    "runs": ("Result", "Run", "RunOptions", "RunSpec", "run"),
    "userfiles": ("load_scenario",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # to a type checker it would say that the package has every name

    def __getattr__(name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def script(chosen: Scenario) -> None:
    """Run a scenario as `rcuactors run` would, with the options on the command line, and exit.

    For the last lines of a scenario file.
    """
    from .cli import run_script  # noqa: PLC0415 - the command line is not needed by those who import a scenario

    run_script(chosen)
