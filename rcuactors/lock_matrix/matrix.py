"""Many cells, one after the other or in several processes; the order of the results is that of the cells."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Sequence
from typing import Final

from ..lab.jobs import do_all
from ..runs import RunOptions
from .cells import Cell
from .rig import Outcome, run_cell

_CHUNK: Final = 16


def run_cells(cells: Sequence[Cell], options: RunOptions, jobs: int = 1) -> Generator[Outcome]:
    """Try the cells, each in a run with these options. With several jobs, each process takes a handful at a time."""
    if jobs == 1 or len(cells) <= _CHUNK:
        for cell in cells:
            yield run_cell(cell, options)
        return
    chunks = [cells[at : at + _CHUNK] for at in range(0, len(cells), _CHUNK)]
    early: dict[int, list[Outcome]] = {}
    wanted = 0
    with contextlib.closing(do_all(functools.partial(_run_chunk, options), chunks, jobs)) as answers:
        for number, outcomes in answers:
            early[number] = outcomes
            while wanted in early:
                yield from early.pop(wanted)
                wanted += 1


def _run_chunk(options: RunOptions, cells: Sequence[Cell]) -> list[Outcome]:
    return list(run_cells(cells, options))
