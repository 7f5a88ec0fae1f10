"""engine/line.py, orders.py, fairness.py: who is next, without Trio."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.engine.actor import Actor
from rcuactors.engine.choice import Strategy, Timed
from rcuactors.engine.decision import Decision
from rcuactors.engine.line import LONG_UNSEEN_NS, Line
from rcuactors.engine.orders import BLOCKED, FOREVER, Anyone, ByClock
from rcuactors.errors import StepBoundExceeded


@attrs.frozen
class Shown:
    """What a strategy was shown, read out while it was asked."""

    options: tuple[str, ...]
    clocks: tuple[int, ...]
    dues: tuple[int, ...]
    current: int
    yields: bool
    time: int
    now: int


class Looks(Strategy):
    """Answers from a list, then 0; reads out all that there is to see."""

    name = "looks"

    def __init__(self, order: Any = ByClock, answers: tuple[int, ...] = (), *, holds_up: bool = False) -> None:
        self.order, self.holds_up = order, holds_up
        self.answers = list(answers)
        self.seen: list[Shown] = []
        self.decisions: list[Decision] = []

    def choose(self, decision: Decision) -> int:
        each = range(min(decision.count, 10))
        self.decisions.append(decision)
        self.seen.append(
            Shown(
                options=tuple(decision.option(index) for index in each),
                clocks=tuple(decision.clock(index) for index in each),
                dues=tuple(decision.due(index) for index in each),
                current=decision.current,
                yields=decision.yields,
                time=decision.time,
                now=decision.now,
            )
        )
        assert all(decision.find(decision.option(index)) == index for index in each)
        return self.answers.pop(0) if self.answers else 0


def line_of(strategy: Strategy, *names: str, max_steps: int = 1000) -> tuple[Line, list[Actor]]:
    line = Line(strategy, max_steps=max_steps)
    actors = [Actor(name=name, index=index) for index, name in enumerate(names)]
    for actor in actors:
        actor.strand = SimpleNamespace(path=f"main/{actor.name}.0")  # type: ignore[assignment]
    return line, actors


def elected(line: Line) -> str | None:
    actor = line.elect()
    return actor.name if actor is not None else None


def test_nothing_of_it_knows_trio() -> None:
    code = "import sys; import rcuactors.engine.line; assert 'trio' not in sys.modules, 'trio'"
    blocked = (
        "import sys, types; sys.modules['rcuactors'] = m = types.ModuleType('rcuactors'); m.__path__ = [sys.argv[1]]; "
    )
    package = str(__import__("pathlib").Path(__import__("rcuactors").__file__).parent)
    subprocess.run([sys.executable, "-c", blocked + code, package], check=True)


# -- by clock ---------------------------------------------------------------------------------------------------


def test_the_smallest_clock_goes_first() -> None:
    line, (a, b, c) = line_of(Timed(), "a", "b", "c")
    for actor, due in ((a, 30), (b, 10), (c, 20)):
        line.enqueue(actor, due)
    assert line.horizon == 10
    assert [(elected(line), line.now, line.horizon) for _ in range(3)] == [
        ("b", 10, 20),
        ("c", 20, 30),
        ("a", 30, 30 + LONG_UNSEEN_NS),
    ]
    assert (a.clock, b.clock, c.clock) == (30, 10, 20)
    assert line.elect() is None


def test_who_is_put_in_line_again_stands_only_in_the_new_place() -> None:
    line, (a, b) = line_of(Timed(), "a", "b")
    line.enqueue(a, 10)
    line.enqueue(b, 20)
    line.enqueue(a, 30)
    assert [elected(line) for _ in range(3)] == ["b", "a", None]


def test_who_leaves_the_line_is_passed_over() -> None:
    line, (a, b) = line_of(Timed(), "a", "b")
    line.enqueue(a, 10)
    line.enqueue(b, 20)
    a.ticket = BLOCKED
    assert line.earliest() == 20
    assert [elected(line) for _ in range(2)] == ["b", None]


def test_the_horizon_says_how_far_the_running_actor_goes_on() -> None:
    line, (a, b) = line_of(Timed(), "a", "b")
    line.enqueue(a, 0)
    line.enqueue(b, 100)
    assert elected(line) == "a"
    a.clock = 60
    assert line.goes_on(a)
    assert (line.horizon, line.now) == (100, 60)
    line.enqueue(b, 50)
    assert line.horizon == 50
    assert not line.goes_on(a)
    line.stop(a)
    assert elected(line) == "b"


def test_the_limit_bounds_the_horizon() -> None:
    line, (a, b) = line_of(Timed(), "a", "b")
    line.enqueue(a, 0)
    line.enqueue(b, 100)
    line.move_limit(40)
    assert elected(line) == "a"
    assert line.horizon == 40
    a.clock = 40
    assert not line.goes_on(a)
    line.move_limit(90)
    assert line.horizon == 90
    assert line.goes_on(a)
    line.move_limit(FOREVER)
    assert line.horizon == 100


def test_a_tie_is_a_decision_in_which_option_0_is_who_ran_last() -> None:
    strategy = Looks(ByClock)
    line, actors = line_of(strategy, "a", "b", "c")
    for actor in actors:
        line.enqueue(actor, 7, paused=actor.name == "b")
    line.running = actors[1]
    assert elected(line) == "b"
    assert strategy.seen == [
        Shown(
            options=("b:main/b.0", "a:main/a.0", "c:main/c.0"),
            clocks=(0, 0, 0),
            dues=(7, 7, 7),
            current=0,
            yields=False,
            time=-1,
            now=7,
        )
    ]
    assert [elected(line) for _ in range(2)] == ["a", "c"]


def test_in_a_tie_nobody_who_waited_for_this_time_is_said_to_go_on() -> None:
    strategy = Looks(ByClock)
    line, actors = line_of(strategy, "a", "b")
    for actor in actors:
        line.enqueue(actor, 7)
    line.running = actors[1]
    assert elected(line) == "a"
    assert strategy.seen[0].current == -1


@given(st.permutations(["a", "b", "c", "d"]), st.integers(0, 3), st.integers(0, 3))
def test_a_tie_is_drawn_in_the_stable_order_whoever_ran_last(order: list[str], running: int, drawn: int) -> None:
    """As before option 0 was given its meaning: results of seeds stay the same."""

    class Draws(Strategy):
        def choose(self, decision: Decision) -> int:
            return decision.nature((drawn + 0.5) / 4)

    line, actors = line_of(Draws(), "a", "b", "c", "d")
    for name in order:
        line.enqueue(actors["abcd".index(name)], 7, paused=True)
    line.running = actors[running]
    assert elected(line) == "abcd"[drawn]


# -- anyone -----------------------------------------------------------------------------------------------------


def racing(answers: tuple[int, ...] = (), *, yields: bool = False) -> tuple[Line, Looks, list[Actor]]:
    """b runs and has come to a point at 25; a and d could go on, and c waits for 50, e for 90."""
    strategy = Looks(Anyone, answers)
    line, actors = line_of(strategy, "a", "b", "c", "d", "e")
    a, b, c, d, e = actors
    line.enqueue(d, 20, paused=True)
    line.enqueue(a, 10, paused=True)
    line.enqueue(e, 90)
    line.enqueue(c, 50)
    a.clock, b.clock, d.clock = 10, 25, 20
    line.running, b.yields = b, yields
    line.stop(b)
    return line, strategy, actors


def test_everybody_who_can_go_on_is_an_option_and_so_is_time() -> None:
    line, strategy, _ = racing()
    assert elected(line) == "b"
    assert strategy.seen == [
        Shown(
            options=("b:main/b.0", "a:main/a.0", "d:main/d.0", "c:main/c.0"),
            clocks=(25, 10, 20, 0),
            dues=(25, 10, 20, 50),
            current=0,
            yields=False,
            time=3,
            now=25,
        )
    ]
    assert line.horizon == -1


def test_who_yields_comes_after_everybody_else() -> None:
    line, strategy, (_, b, *_) = racing(yields=True)
    assert elected(line) == "a"
    (shown,) = strategy.seen
    assert [option[0] for option in shown.options] == ["a", "d", "c", "b"]
    assert (shown.current, shown.yields, shown.time) == (3, True, 2)
    assert not line.running.yields  # type: ignore[union-attr]
    assert b.yields


@pytest.mark.parametrize(("answer", "name", "clock"), [(0, "b", 25), (1, "a", 25), (2, "d", 25), (3, "c", 50)])
def test_time_never_runs_backwards(answer: int, name: str, clock: int) -> None:
    line, _, actors = racing((answer,))
    assert elected(line) == name
    assert actors["abcde".index(name)].clock == line.now == clock


def test_with_nobody_current_the_stable_order_decides() -> None:
    line, strategy, (a, b, *_) = racing((1, 0))
    assert [elected(line) for _ in range(4)] == ["a", "b", "d", "c"]
    assert [shown.current for shown in strategy.seen] == [0, -1, -1]
    assert strategy.seen[1].options[0] == "b:main/b.0"
    assert elected(line) == "e"
    assert (a.ticket, b.ticket) == (BLOCKED, BLOCKED)
    assert line.elect() is None


def test_who_could_go_on_and_is_put_elsewhere_stands_only_there() -> None:
    line, _, (a, b, *_) = racing()
    line.enqueue(a, 60)
    assert [elected(line) for _ in range(4)] == ["b", "d", "c", "a"]
    assert b.ticket == BLOCKED


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 100)), max_size=30), st.integers(0, 9))
def test_nobody_is_lost_and_nobody_is_there_twice(moves: list[tuple[int, bool, int]], seed: int) -> None:
    """Whatever is put where: everybody in line comes out once."""
    for order in (ByClock, Anyone):
        strategy = Timed()
        strategy.order = order
        strategy.start_run(seed)
        line, actors = line_of(strategy, "a", "b", "c", "d", "e", max_steps=10**9)
        for index, paused, due in moves:
            line.enqueue(actors[index], due, paused=paused)
        out = []
        while (name := elected(line)) is not None:
            out.append(name)
        assert sorted(out) == sorted({"abcde"[index] for index, *_ in moves})


# -- steps, and how a line ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [ByClock, Anyone])
def test_a_step_counts_and_so_does_each_microsecond(order: Any) -> None:
    line, (a,) = line_of(Looks(order), "a", max_steps=20)
    line.enqueue(a, 0)
    assert elected(line) == "a"
    assert line.steps == 1
    a.clock += 5999
    line.stop(a)
    assert (line.steps, line.now) == (7, 5999)
    a.clock += 20_000
    line.stop(a)
    assert isinstance(line.failure, StepBoundExceeded)
    assert line.over
    assert line.elect() is None


def test_the_first_failure_is_kept() -> None:
    line, _ = line_of(Timed())
    first = LookupError("first")
    line.finish(first)
    line.finish(LookupError("second"))
    assert line.failure is first


class Fails(Strategy):
    order = Anyone

    def choose(self, _decision: Decision) -> int:
        raise LookupError("in choose")


def test_a_strategy_that_fails_ends_the_run_and_raises_into_nobody() -> None:
    line, actors = line_of(Fails(), "a", "b")
    for actor in actors:
        line.enqueue(actor, 0, paused=True)
    assert line.elect() is None
    assert isinstance(line.failure, LookupError)
