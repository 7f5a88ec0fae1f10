"""engine/decision.py: weighted draws, ids that can be found again, durations."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.engine.actor import Actor
from rcuactors.engine.decision import (
    HOLD_UP,
    NOT_OFFERED,
    Alternatives,
    DecisionKind,
    HoldUp,
    Lateness,
    weighted_index,
)

weights = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any).map(tuple)
uniform = st.floats(0, 1, exclude_max=True)


@given(weights, uniform)
def test_a_draw_is_an_option_of_some_weight(given_weights: tuple[int, ...], drawn: float) -> None:
    assert given_weights[weighted_index(drawn, given_weights)] > 0


def test_draws_follow_the_weights() -> None:
    rng = random.Random(1)
    drawn = [weighted_index(rng.random(), (1, 3, 0, 6)) for _ in range(10_000)]
    assert [round(drawn.count(index) / 1000) for index in range(4)] == [1, 3, 0, 6]


def test_draws_are_the_same_on_every_python() -> None:
    """Pinned: a change here breaks every recorded schedule."""
    rng = random.Random(7)
    assert [weighted_index(rng.random(), (1, 1, 1)) for _ in range(12)] == [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0]


def test_options_by_name_are_found_again() -> None:
    decision = Alternatives(DecisionKind("weather"), ("dry", "wet"), (3, 1))
    assert (decision.count, decision.current, decision.time) == (2, NOT_OFFERED, NOT_OFFERED)
    assert [decision.find(decision.option(index)) for index in range(2)] == [0, 1]
    assert decision.find("snow") == NOT_OFFERED
    assert [decision.nature(drawn) for drawn in (0, 0.74, 0.76)] == [0, 0, 1]


def hold_up(name: str = "cpu1", longest_ns: int = 500) -> HoldUp:
    actor = Actor(name=name, index=1)
    actor.strand = SimpleNamespace(path="main/reader.0")  # type: ignore[assignment]
    return HoldUp().ask_of(actor, 70, longest_ns)


@given(st.integers(0, 10**9))
def test_a_duration_is_found_again_by_its_id(longest_ns: int) -> None:
    decision = hold_up(longest_ns=longest_ns)
    assert decision.kind is HOLD_UP
    assert decision.count == longest_ns + 1
    assert decision.option(longest_ns) == f"cpu1:main/reader.0 for {longest_ns} ns"
    assert decision.find(decision.option(longest_ns)) == longest_ns
    assert decision.find(decision.option(longest_ns + 1)) == NOT_OFFERED
    assert decision.nature(0.99) == 0


@pytest.mark.parametrize(
    "option", ["cpu2:main/reader.0 for 3 ns", "cpu1:main/reader.0 for 3 us", "cpu1:main/reader.0 for x ns", "", "for "]
)
def test_what_is_no_duration_of_this_actor_is_not_found(option: str) -> None:
    assert hold_up().find(option) == NOT_OFFERED


def late(uniform: float, longest_ns: int = 100_000_000) -> int:
    subject = SimpleNamespace(identity=lambda: "timer")
    return Lateness(DecisionKind("late")).ask_of(subject, 0, longest_ns).nature(uniform)


def test_nature_is_late_once_in_eight_times_from_a_microsecond_to_67_ms() -> None:
    """Pinned: a change here breaks every recorded schedule that has late timers."""
    assert [late(drawn) for drawn in (0.125, 0.5, 0.999999)] == [0, 0, 0]
    assert [late(part / 128) for part in range(0, 16, 3)] == [1024, 8192, 65536, 524288, 4194304, 33554432]
    assert late(0.1249999) == 67108434
    assert late(0.01) == 2621


def test_nature_is_no_later_than_may_be() -> None:
    assert late(0.1249999, longest_ns=5000) == 5000
    assert late(0.0, longest_ns=3) == 3
