"""Where a comparison goes on from: any state that is told while nobody is in the middle of anything (conform/begin.py).

What waits there was queued before: when, and on 6.12 with which cookies, is not told (conform/cookies.py).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rcuactors.conform import conform
from rcuactors.conform.begin import states_behind
from rcuactors.conform.explain import Explainer
from rcuactors.conform.lines import read
from rcuactors.eras import find_era
from rcuactors.kvfree import invariants
from rcuactors.traces import Trace

from .recorded import DATA, lines_of, written

READY = "kvfree-6.12/l_ready_warm300_gp_min5"
BATCHED = "kvfree-6.12/b_warm_507_min5"
HRTIMER = ": hrtimer_start: "


def where(lines: list[str], words: str, after: int = -1) -> int:
    """The first line with some words, behind another."""
    return next(at for at, line in enumerate(lines) if at > after and words in line)


@pytest.mark.parametrize(
    "name",
    [
        READY,
        "kvfree-6.12/d_rawspin_600_min0",
        "kvfree-6.12/h_dropslab_mid_300_min5_delay200",
        "kvfree-6.12/h_shrink_ready_400_min5_delay200",
        "kvfree-6.12/k_barrier_warm300_min5",
        "kvfree-6.12/l_ready_warm300_gp_vmalloc5_min5",
        "kvfree-6.12/n_bg_gp_burst50_every100ms_40_min5",
        "kvfree/c_mixed_512_min1",
        "kvfree/d_rawspin_1100_min5",
        "kvfree-6.1-rt/c_mixed_2_min5",
    ],
)
def test_from_every_state_on_it_agrees(name: str) -> None:
    assert len(agrees_from(DATA / f"{name}.txt.gz", "v6.12" if "6.12" in name else "v6.1-stable")) > 1


def agrees_from(path: Path, version: str) -> list[int]:
    """The lines at which it can begin; from each of them on all is explained."""
    told, era = read(Trace(path)), find_era(version)
    begins: list[int] = []
    while True:
        explainer = Explainer(told, era)
        begin = states_behind(told, explainer.place, begins[-1] if begins else 0)
        if begin < 0:
            return [told.lines[at].number for at in begins]
        with invariants.checking(on=False):
            verdict = explainer.run(begin)
        assert verdict.disagreement is None, told.lines[begin].number
        begins.append(begin)


def test_it_does_not_begin_with_a_snapshot_that_is_old(tmp_path: Path) -> None:
    """What is printed may have been looked at before what comes before it in other contexts."""
    lines = lines_of(BATCHED)
    state = where(lines, ": state: KRC", where(lines, "STMTEND"))
    runs = where(
        lines, "function kfree_rcu_monitor", where(lines, "execute_end", where(lines, "kfree_rcu_monitor_ret")) - 1
    )
    moved = [re.sub(r" \d+\.\d{6}: ", f" {lines[runs].split()[3]} ", line) for line in lines[state : state + 2]]
    late = written(tmp_path, [*lines[:state], *lines[state + 2 : runs + 1], *moved, *lines[runs + 1 :]])
    assert conform(late).exit_code == 0
    begins, real = agrees_from(late, "v6.12"), agrees_from(DATA / f"{BATCHED}.txt.gz", "v6.12")
    assert state + 1 in real
    assert len(begins) == len(real) - 1


def test_it_goes_on_where_objects_wait_whose_cookies_are_not_told(tmp_path: Path) -> None:
    """One object is on the list at the next state; the monitor frees it, since a grace period has passed."""
    lines = lines_of(READY)
    at = where(lines, HRTIMER)
    said = conform(written(tmp_path, [*lines[:at], lines[at], *lines[at:]]), keep_going=True)
    assert len(said.found) == 1
    assert said.found[0].line == at + 2
    whole = conform(DATA / f"{READY}.txt.gz")
    assert said.compared["call"] == whole.compared["call"]
    for kind in ("block freed", "object freed", "monitor", "batch queued"):
        assert said.compared[kind] == whole.compared[kind]


def test_what_is_wrong_behind_is_found(tmp_path: Path) -> None:
    lines = lines_of(READY)
    at = where(lines, HRTIMER)
    lines.insert(at, lines[at])
    block = where(lines, "kvfree_rcu_bulk: ")
    lines[block] = lines[block].replace("nr=300", "nr=299")
    said = conform(written(tmp_path, lines), keep_going=True)
    assert [found.line for found in said.found] == [at + 2, block + 1]


@pytest.mark.parametrize(("begins", "found"), [("behind", 2), ("before", 1)])
def test_a_cookie_is_done_when_a_whole_grace_period_has_passed(tmp_path: Path, begins: str, found: int) -> None:
    """A batch takes 507 objects with whose block the comparison goes on; an expedited grace period has ended since.

    If it began behind the state, too, the block is done, whatever its cookie is, and no batch's. If it ran already
    there, the cookie may be of that time, and not be done.
    """
    lines = lines_of(BATCHED)
    gives = where(lines, "STMT cpu=1 free2 slab 507", where(lines, "STMT cpu=1 sleep 100"))
    wrong = where(lines, ": kvfree_call_rcu: ", gives)
    state = where(lines, ": state: KRC", wrong)
    waits = where(lines, "STMT cpu=1 waitdrain", state)
    start, end = (
        re.sub(r"(\d+\.\d{6}: ).*", rf"\g<1>rcu_exp_grace_period: rcu_preempt 44 {edge}", lines[at])
        for edge, at in (("start", waits if begins == "behind" else wrong), ("end", waits))
    )
    if begins == "behind":
        lines = [*lines[: waits + 1], start, end, *lines[waits + 1 :]]
    else:
        lines = [*lines[: wrong + 1], start, *lines[wrong + 1 : waits + 1], end, *lines[waits + 1 :]]
    # A timer is started that nobody starts: so it goes on from the state behind.
    timer = lines[where(lines, ": timer_start: timer=ff")].split(": ", 1)[1]
    lines.insert(wrong + 1, f"{lines[wrong].split(': ', 1)[0]}: {timer}")
    said = conform(written(tmp_path, lines), keep_going=True)
    assert len(said.found) == found, said.lines()
    assert said.found[0].line == wrong + 2
