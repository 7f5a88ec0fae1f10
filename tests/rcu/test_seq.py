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


# -- the wrap ----------------------------------------------------------------------------------------------------------

_TOP = 1 << 64

words = st.integers(0, _TOP - 1)


@given(words, words)
def test_what_is_compared_is_the_difference_in_64_bits(a: int, b: int) -> None:
    """ULONG_CMP_GE(): ULONG_MAX / 2 >= a - b."""
    assert seq.cmp_ge(a, b) is ((a - b) % _TOP <= _TOP // 2 - 1)
    assert seq.cmp_ge(a - _TOP, b) is seq.cmp_ge(a, b - _TOP) is seq.cmp_ge(a, b)


@given(st.integers(0, 1000).map(lambda number: number * 4))
def test_a_snapshot_from_before_the_wrap_is_done_behind_it(after: int) -> None:
    wanted = seq.ulong(seq.snap(seq.INITIAL))
    assert wanted == _TOP - 1196
    assert seq.done(after, wanted)
    assert seq.done_exact(after, wanted, 7)


def test_one_that_is_older_than_half_of_all_numbers_is_never_done_unless_that_is_exact() -> None:
    """A cookie that was kept while the counter went more than half way round."""
    wanted = seq.ulong(seq.snap(seq.INITIAL))
    now = wanted + (_TOP >> 1) + 4
    assert not seq.done(now, wanted)
    assert seq.done_exact(now, wanted, 7)


@pytest.mark.parametrize(("guard", "wrong"), [(7, True), (10, False), (8, False)])
def test_a_counter_that_lags_is_not_taken_for_one_that_has_wrapped(guard: int, wrong: bool) -> None:
    """Commit 85aad7cc4178: a cookie of rcu_state.gp_seq in the first moment is two periods ahead of the root's."""
    root = 40
    wanted = seq.snap(seq.start(root))
    assert wanted == root + 8
    assert seq.done_exact(root, wanted, guard) is wrong


@given(idle)
def test_what_a_snapshot_names_the_end_of_begins_one_period_before(now: int) -> None:
    wanted = seq.snap(now)
    assert not seq.started(now, wanted)
    assert seq.started(seq.start(now), wanted)
    running = seq.start(now)
    assert not seq.started(running, seq.snap(running))


@given(idle)
def test_what_has_ended_or_begun_between_two_values(now: int) -> None:
    running = seq.start(now)
    after = seq.end(running)
    assert seq.new_gp(now, running)
    assert not seq.completed_gp(now, running)
    assert seq.completed_gp(running, after)
    assert not seq.new_gp(running, after)
    assert seq.completed_gp(now, seq.start(after))
    assert seq.new_gp(running, seq.start(after))


HALF = 1 << 63


@pytest.mark.parametrize(
    ("a", "b", "not_before"),
    [(0, 0, True), (1, 0, True), (0, 1, False), (HALF - 1, 0, True), (HALF, 0, False), (0, HALF, False)],
)
def test_of_two_counters_the_shorter_way_round_says_which_is_first(a: int, b: int, not_before: bool) -> None:
    """ULONG_CMP_GE() (include/linux/rcupdate.h): ULONG_MAX / 2 >= a - b, so halfway round is too far."""
    assert seq.cmp_ge(a, b) is not_before
    assert seq.cmp_ge(a + (1 << 64), b) is not_before


@pytest.mark.parametrize(
    ("new", "old", "periods"),
    [(8, 8, 0), (9, 8, 1), (12, 8, 2), (12, 9, 1), (13, 8, 2), (13, 9, 1), (16, 8, 3), (17, 9, 2), (28, 8, 6)],
)
def test_how_many_grace_periods_lie_between(new: int, old: int, periods: int) -> None:
    """rcu_seq_diff() (kernel/rcu/rcu.h), worked out by hand: whole ones, and those cut off, count."""
    assert seq.diff(new, old) == periods
