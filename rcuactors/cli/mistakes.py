"""What a scenario raised and where, said in one line."""

from __future__ import annotations

import traceback

from ..errors import BadInput, DesignError, StepBoundExceeded
from ..kapi import Kernel
from ..pyfile import place_of
from ..scenario import Scenario
from ..spelling import did_you_mean
from .whole_file import OutputError


def blamed(chosen: Scenario, error: BaseException) -> BadInput:
    """Say what a scenario raised, and where: the innermost line of its own file, and the innermost of all."""
    if isinstance(error, OutputError | StepBoundExceeded | DesignError):
        return error
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    file = getattr(getattr(chosen.body, "__code__", None), "co_filename", None)
    own = [entry for entry in frames if entry[0] == file][-1:]
    if isinstance(error, BadInput):
        # It names the function of ours that was given something wrong.
        return BadInput(f"{error} ({place_of(own)})") if own else error
    said = f": {error}" if str(error) else ""
    where = place_of([*own, *frames[-1:]])
    return BadInput(f"scenario {chosen.name} raised {type(error).__name__}{said}{_hint(error)} ({where})")


def _hint(error: BaseException) -> str:
    if isinstance(error, AttributeError) and isinstance(error.obj, Kernel):
        meant = did_you_mean(error.name or "", [name for name in dir(Kernel) if not name.startswith("_")])
        return f"; {meant.rstrip()}" if meant else ""
    if isinstance(error, AttributeError | TypeError) and "'coroutine'" in str(error):
        return "; is an `await` missing?"
    return ""
