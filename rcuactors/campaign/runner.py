"""The runs of a campaign, one after the other or in several processes, in the order of their numbers.

The model's own invariants (kvfree/invariants.py) are looked at in all of them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Sequence
from typing import Final

from ..kvfree.invariants import checking
from ..lab.jobs import do_all
from ..runs.run import patient_collector
from .judge import Judged, try_part
from .plan import Plan

_CHUNK: Final = 32


def run_campaign(plan: Plan, first: int, runs: int, jobs: int = 1) -> Generator[Judged]:
    """So many runs from that number on. Each process takes a handful at a time."""
    ends = first + runs
    chunks = [range(at, min(at + _CHUNK, ends)) for at in range(first, ends, _CHUNK)]
    early: dict[int, list[Judged]] = {}
    wanted = 0
    if jobs == 1:
        with patient_collector(many_runs=True), checking():
            for number in range(first, ends):
                yield try_part(plan, number)
        return
    with contextlib.closing(do_all(functools.partial(_run_chunk, plan), chunks, jobs)) as answers:
        for number, judged in answers:
            early[number] = judged
            while wanted in early:
                yield from early.pop(wanted)
                wanted += 1


def _run_chunk(plan: Plan, numbers: Sequence[int]) -> list[Judged]:
    with patient_collector(many_runs=True), checking():
        return [try_part(plan, number) for number in numbers]
