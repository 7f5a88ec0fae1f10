"""Drawn programs as subjects."""

from __future__ import annotations

import attrs

from ..drawn.program import drawn, made
from ..runs import RunOptions
from ..runs.options import LARGEST_SEED
from ..scenario import Scenario


@attrs.frozen
class OfProgram:
    """A program, by its seed."""

    seed: int

    @property
    def name(self) -> str:
        """Its seed says all of it; version, strategy and faults for who reads."""
        program = drawn(self.seed)
        faults = f", faults {', '.join(program.faults)}" if program.faults else ""
        return f"drawn program {self.seed} on {program.kernel}, strategy {program.strategy}{faults}"

    def made(self) -> tuple[Scenario, RunOptions]:
        """As `Subject.made`."""
        return made(drawn(self.seed))


def subjects_drawn(number: int, seed: int) -> list[OfProgram]:
    """So many, beginning with that seed."""
    return [OfProgram((seed + n) % (LARGEST_SEED + 1)) for n in range(number)]
