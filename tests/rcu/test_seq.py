"""gp_seq arithmetic (rcuactors/rcu/seq.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.rcu import seq

idle = st.integers(-1 << 40, 1 << 40).map(lambda number: number * 4)


@pytest.mark.parametrize(("now", "snapshot"), [(0, 4), (1, 8), (4, 8), (5, 12), (-1200, -1196), (-1199, -1192)])
def test_known_snapshots(now: int, snapshot: int) -> None:
    assert seq.snap(now) == snapshot


def test_the_counter_starts_300_grace_periods_before_it_wraps() -> None:
    assert seq.INITIAL == -1200
    now = seq.INITIAL
    for _ in range(300):
        now = seq.end(seq.start(now))
    assert now == 0


@given(idle)
def test_a_grace_period_is_two_steps(now: int) -> None:
    assert not seq.in_progress(now)
    running = seq.start(now)
    assert seq.in_progress(running)
    assert seq.end(running) == now + 4
    assert not seq.in_progress(seq.end(running))


@given(idle)
def test_taken_while_idle_the_next_one_will_do(now: int) -> None:
    wanted = seq.snap(now)
    assert not seq.done(now, wanted)
    assert not seq.done(seq.start(now), wanted)
    assert seq.done(seq.end(seq.start(now)), wanted)


@given(idle)
def test_taken_while_one_runs_that_one_is_not_enough(now: int) -> None:
    running = seq.start(now)
    wanted = seq.snap(running)
    after_this = seq.end(running)
    assert not seq.done(after_this, wanted)
    assert not seq.done(seq.start(after_this), wanted)
    assert seq.done(seq.end(seq.start(after_this)), wanted)


@given(idle, st.lists(st.booleans(), max_size=40))
def test_between_a_snapshot_and_its_being_done_lies_a_whole_grace_period(now: int, steps: list[bool]) -> None:
    """Whatever the machine does in between: it started after the snapshot and ended before it was done."""
    if steps and steps[0]:
        now = seq.start(now)
    wanted, started_since, whole = seq.snap(now), False, 0
    for _ in steps:
        if seq.in_progress(now):
            now = seq.end(now)
            whole += started_since
        else:
            now, started_since = seq.start(now), True
        assert seq.done(now, wanted) == (whole >= 1)
