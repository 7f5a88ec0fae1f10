"""engine/choice.py: the default strategy, one that has nothing special happen, wrappers."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rcuactors.engine.choice import Outcome, Strategy, Timed, Wrapper
from rcuactors.engine.decision import Alternatives, DecisionKind
from rcuactors.engine.orders import Anyone, ByClock

POINT = Alternatives(DecisionKind("weather"), ("a", "b", "c"), (1, 1, 1))
END = Outcome(verdict="clean", failure=None, cut_short=False, choices=0, end_ns=0)


def answers(strategy: Strategy, seed: int) -> list[int]:
    assert strategy.start_run(seed)
    given_answers = [strategy.choose(POINT) for _ in range(50)]
    strategy.end_run(END)
    return given_answers


def test_timed_starts_anew_with_each_run() -> None:
    strategy = Timed()
    assert answers(strategy, 1) == answers(strategy, 1) == answers(Timed(), 1)
    assert answers(strategy, 1) != answers(strategy, 2)
    assert strategy.order is ByClock


def test_timed_draws_what_it_has_always_drawn() -> None:
    """Pinned: a change here changes every run."""
    rng = random.Random(7)
    assert answers(Timed(), 7) == [int(rng.random() * 3) for _ in range(50)]


def test_the_plain_strategy_has_nothing_special_happen() -> None:
    assert answers(Strategy(), 1) == [0] * 50


class Counts(Wrapper):
    calls = 0

    def choose(self, decision: Any) -> int:
        self.calls += 1
        return super().choose(decision)


def test_a_wrapper_stands_for_what_it_wraps() -> None:
    inner = Timed()
    inner.holds_up, inner.order = True, Anyone
    outer = Counts(Counts(inner))
    assert (outer.name, outer.order, outer.holds_up) == ("timed", Anyone, True)
    assert answers(outer, 3) == answers(Timed(), 3)
    assert outer.calls == outer.inner.calls == 50  # type: ignore[attr-defined]


def test_a_wrapper_passes_on_that_nothing_is_left() -> None:
    class Once(Strategy):
        runs = 0

        def start_run(self, _seed: int) -> bool:
            self.runs += 1
            return self.runs == 1

    outer = Wrapper(Once())
    assert [outer.start_run(0) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("order", [ByClock, Anyone])
def test_a_strategy_sees_no_machine(order: Any) -> None:
    """What can be reached from a decision by public names is numbers, texts and the kind."""
    from .test_line import Looks, line_of

    strategy = Looks(order)
    line, actors = line_of(strategy, "a", "b", "c")
    for actor in actors:
        line.enqueue(actor, 0, paused=True)
    line.elect()
    (decision,) = strategy.decisions
    public = {name: getattr(decision, name) for name in dir(decision) if not name.startswith("_")}
    plain = {name for name, value in public.items() if isinstance(value, int | str | DecisionKind)}
    assert plain == {"kind", "count", "current", "yields", "time", "now"}
    assert {name for name, value in public.items() if callable(value)} >= {"option", "find", "clock", "due", "nature"}
    assert {name for name in public if name not in plain} == {
        "option", "find", "clock", "due", "hints", "label", "nature", "actor",
        *(["ask_of", "place"] if order is ByClock else ["ask"]),
    }  # fmt: skip
