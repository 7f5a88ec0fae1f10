"""A recording without one of the events: undecided, and the event named; never a disagreement (conform/absent.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rcuactors.conform import conform

from .recorded import lines_of, written

_EVENT = re.compile(r".{0,60}?\[\d+\] +\S+ +\d+\.\d+: ([^\s:]+):")

RECORDINGS = (
    "kvfree/a_cold_1_min5_rep1",
    "kvfree/i_failalloc_single_arg_5_min5",
    "kvfree-6.1-rt/c_mixed_2_min5",
    "kvfree-6.12/c_mixed_2_min5",
)
LONGER = ("kvfree-6.1-rt/h_shrink_ready_400_min5_delay200", "kvfree-6.12/k_barrier_warm300_min5")

NEEDLESS = {
    "runp": "what the script did is no decision",
    "kvt_write": "neither is where it began; without addresses a timer is its CPU's",
    "schedule_page_work_fn": "it shows nothing that the queued work does not show",
    "state": "where the beginning is found without",
    "free_pages": "where a page is known by its address, and which lines there are is not",
    "rcu_grace_period": "then it is not compared whether a batch has waited",
    "synchronize_rcu": "then it is not compared whether a caller has waited",
}
"""What a comparison can do without, here or there."""


def kind_of(line: str) -> str:
    """The event that a line is of."""
    found = _EVENT.match(line)
    return found[1] if found else ""


def kinds(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each kind of event of each recording."""
    return [(name, kind) for name in names for kind in sorted({kind_of(line) for line in lines_of(name)} - {""})]


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "kind"), kinds(LONGER))
def test_a_kind_of_event_is_missing_in_longer_ones(name: str, kind: str, tmp_path: Path) -> None:
    test_a_kind_of_event_is_missing(name, kind, tmp_path)


@pytest.mark.one_in(5)
@pytest.mark.parametrize(("name", "kind"), kinds(RECORDINGS))
def test_a_kind_of_event_is_missing(name: str, kind: str, tmp_path: Path) -> None:
    said = conform(written(tmp_path, [line for line in lines_of(name) if kind_of(line) != kind]))
    assert said.found == ()
    if said.exit_code == 0:
        assert kind in NEEDLESS
        return
    assert said.exit_code == 2
    known_as = {"fill_page_cache_ret": "fill_page_cache_func_ret"}.get(kind, kind)
    assert known_as.removeprefix("kfree_rcu_") in said.undecided or kind == "state"


def test_one_line_that_is_missing_is_a_disagreement(tmp_path: Path) -> None:
    lines = lines_of("kvfree/i_failalloc_single_arg_5_min5")
    at = next(number for number, line in enumerate(lines) if kind_of(line) == "hrtimer_start")
    assert conform(written(tmp_path, [*lines[:at], *lines[at + 1 :]])).exit_code == 1
