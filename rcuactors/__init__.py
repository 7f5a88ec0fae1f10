"""rcuactors: an executable model of the Linux kernel's kvfree_rcu() and everything it leans on, on Trio actors.

`scenario` makes a scenario of an async function that takes a `Kernel`; `run` runs it and returns a `Result`. The
command line is `rcuactors`.
"""

from __future__ import annotations

from .config import Config
from .context.violation import KernelBug, Violation, ViolationKind
from .engine.clock import VirtualClock
from .errors import BadInput, RcuactorsError, StepBoundExceeded
from .kapi import Kernel
from .machine import Machine, Setup
from .marks import MACHINERY
from .mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, Gfp
from .result import Result
from .scenario import Run, RunOptions, Scenario, run, scenario

__version__ = "0.1.0"

__trace__ = MACHINERY  # what says nothing else below is no kernel's function

__all__ = [
    "GFP_ATOMIC",
    "GFP_KERNEL",
    "GFP_NOWAIT",
    "GFP_NOWARN",
    "BadInput",
    "Config",
    "Gfp",
    "Kernel",
    "KernelBug",
    "Machine",
    "RcuactorsError",
    "Result",
    "Run",
    "RunOptions",
    "Scenario",
    "Setup",
    "StepBoundExceeded",
    "Violation",
    "ViolationKind",
    "VirtualClock",
    "run",
    "scenario",
    "script",
]


def script(chosen: Scenario) -> None:
    """Run a scenario as `rcuactors run` would, with the options on the command line, and exit.

    For the last lines of a scenario file.
    """
    from .cli import run_script  # noqa: PLC0415 - the command line is not needed by those who import a scenario

    run_script(chosen)
