"""Runs: what one is told, as data; how it is made and run; and what it leaves."""

from .options import RunOptions
from .result import Result
from .run import Run, run
from .spec import RunSpec, ScenarioRef

__all__ = ["Result", "Run", "RunOptions", "RunSpec", "ScenarioRef", "run"]
