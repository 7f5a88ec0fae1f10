"""Many cells, one after the other or in several processes; the order of the results is that of the cells."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Final

from ..config import Config
from ..eras import find_era
from .cells import Cell
from .rig import Outcome, run_cell

_CHUNK: Final = 16


def run_cells(cells: Sequence[Cell], kernel: str, config: Config, jobs: int = 1) -> Iterator[Outcome]:
    """Try the cells on that kernel. With several jobs, each process takes a handful of cells at a time."""
    chunks = [cells[at : at + _CHUNK] for at in range(0, len(cells), _CHUNK)]
    if jobs == 1 or len(chunks) <= 1:
        era = find_era(kernel)
        for cell in cells:
            yield run_cell(cell, era, config)
        return
    with ProcessPoolExecutor(
        min(jobs, len(chunks)), mp_context=multiprocessing.get_context("spawn"), initializer=_deaf_to_ctrl_c
    ) as pool:
        futures: list[Future[list[Outcome]]] = [pool.submit(_run_chunk, chunk, kernel, config) for chunk in chunks]
        try:
            for future in futures:
                yield from future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _deaf_to_ctrl_c() -> None:
    """Ctrl-C goes to every process of the terminal; the first one tells the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_chunk(cells: Sequence[Cell], kernel: str, config: Config) -> list[Outcome]:
    return list(run_cells(cells, kernel, config))
