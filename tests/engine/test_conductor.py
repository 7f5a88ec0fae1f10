"""engine/conductor.py: one baton, the smallest clock first, choices only at ties, messages, how a run ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
import trio

from rcuactors import BadInput, StepBoundExceeded, VirtualClock
from rcuactors.engine.actor import Message
from rcuactors.engine.choice import Outcome, Strategy, Timed, Wrapper
from rcuactors.engine.conductor import Conductor
from rcuactors.engine.decision import Decision
from rcuactors.engine.errors import RunOver
from rcuactors.engine.host import Host
from rcuactors.engine.orders import Anyone

RigClass = Any


def test_one_actor_at_a_time_and_the_smallest_clock_first(rig: RigClass) -> None:
    lab = rig()
    lab.stepper("fast", 3, 3, 3, 3)
    lab.stepper("slow", 10, 10, clock=1)
    assert lab.steps() == [
        ("fast", 0),
        ("slow", 1),
        ("fast", 3),
        ("fast", 6),
        ("fast", 9),
        ("slow", 11),
    ]


def test_only_one_strand_of_many_is_ever_runnable(rig: RigClass) -> None:
    """Between two awaits nobody else moves, however many Trio tasks there are."""
    lab = rig(seed=3)
    inside = []

    async def body(me: Any) -> None:
        for _ in range(20):
            inside.append(me.name)
            me.clock += 5
            assert inside == [me.name]
            inside.clear()
            await lab.conductor.pause(me)

    for number in range(8):
        lab.player(f"p{number}", body)
    lab.run()
    assert lab.conductor.hand_overs > 100


def test_a_lone_actor_goes_on_without_a_hand_over(rig: RigClass) -> None:
    lab = rig()
    lab.stepper("alone", *[10] * 100)
    lab.run()
    assert lab.conductor.hand_overs == 1
    assert lab.conductor.choices == 0


def tied(rig: RigClass, seed: int) -> list[tuple[str, object]]:
    lab = rig(seed=seed)
    for name in ("a", "b", "c", "d"):
        lab.stepper(name, 10, 10)
    return lab.steps()  # type: ignore[no-any-return]


def test_ties_are_broken_by_the_seed(rig: RigClass) -> None:
    assert [tied(rig, seed) for seed in range(20)] == [tied(rig, seed) for seed in range(20)]
    orders = {tuple(tied(rig, seed)) for seed in range(20)}
    assert len(orders) > 5
    for order in orders:
        assert [clock for _, clock in order] == [0] * 4 + [10] * 4


class Scripted(Strategy):
    """Answers from a list, then 0; keeps what it was shown."""

    name = "scripted"

    def __init__(self, answers: Iterable[int] = ()) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, list[str]]] = []
        self.calls: list[str] = []

    def start_run(self, seed: int) -> bool:
        self.calls.append(f"start {seed}")
        return True

    def choose(self, decision: Decision) -> int:
        self.seen.append((decision.kind.name, [decision.option(index) for index in range(decision.count)]))
        return self.answers.pop(0) if self.answers else 0

    def end_run(self, outcome: Outcome) -> None:
        self.calls.append(f"end {outcome.failure!r} after {outcome.choices}")


def test_a_custom_strategy_decides(rig: RigClass) -> None:
    strategy = Scripted([2, 0, 0])
    lab = rig(strategy, seed=9)
    for name in ("a", "b", "c"):
        lab.stepper(name, 10)
    assert [name for name, _ in lab.steps()] == ["c", "a", "b"]
    assert strategy.calls == ["start 9", "end None after 4"]
    assert strategy.seen[0] == ("next actor", ["a", "b", "c"])


class Recording(Wrapper):
    """Wraps a strategy and notes its answers."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.answers: list[int] = []

    def choose(self, decision: Decision) -> int:
        answer = super().choose(decision)
        self.answers.append(answer)
        return answer


def test_strategies_wrap_one_another_and_their_answers_replay(rig: RigClass) -> None:
    recording = Recording(Timed())

    def run(strategy: Any, seed: int) -> list[tuple[str, object]]:
        lab = rig(strategy, seed=seed)
        for name in ("a", "b", "c"):
            lab.stepper(name, 10, 10, 10)
        return lab.steps()  # type: ignore[no-any-return]

    first = run(recording, 4)
    assert first == run(Timed(), 4)
    assert first == run(Scripted(recording.answers), 0)
    assert first != run(Scripted(), 0)


@pytest.mark.parametrize("answer", [3, -1])
def test_an_answer_out_of_range_is_an_index_error(rig: RigClass, answer: int) -> None:
    for good_answers in range(3):
        lab = rig(Scripted([0] * good_answers + [answer]))
        for name in ("a", "b", "c"):
            lab.stepper(name, 10, 10)
        with pytest.raises(IndexError, match=rf"strategy scripted chose option {answer} of \d at next actor"):
            lab.run()


class LastOption(Scripted):
    """Does not obey time: the last option, always.

    Who has not begun waits for a point of time; only the earliest is offered.
    """

    name = "anyone"
    order = Anyone

    def choose(self, decision: Decision) -> int:
        super().choose(decision)
        return decision.count - 1


def test_a_strategy_that_ignores_time_is_asked_at_every_point_and_time_never_runs_back(rig: RigClass) -> None:
    strategy = LastOption()
    lab = rig(strategy)
    lab.stepper("a", 10, 10, 10)
    lab.stepper("b", 1, 1, 1)
    log = lab.steps()
    assert [name for name, _ in log] == ["a", "b", "a", "b", "a", "b"]
    clocks = [clock for _, clock in log]
    assert clocks == sorted(clocks)
    assert len(strategy.seen) == 6


# -- messages ---------------------------------------------------------------------------------------------------


def test_a_message_wakes_a_listener_at_its_time(rig: RigClass) -> None:
    lab = rig()

    async def listen(me: Any) -> None:
        for _ in range(2):
            message = await lab.conductor.receive(me)
            lab.log.append((message.sender, me.clock))

    async def speak(me: Any) -> None:
        await me.step(40)
        lab.conductor.post(listener, Message(sender="speaker", time_ns=me.clock))
        await me.step(60)
        lab.conductor.post(listener, Message(sender="speaker", time_ns=me.clock))

    listener = lab.player("listener", listen)
    lab.player("speaker", speak)
    assert ("speaker", 40) in lab.run()
    assert lab.log.index(("speaker", 40)) < lab.log.index(("speaker", 100))


def test_a_late_listener_keeps_its_own_clock(rig: RigClass) -> None:
    lab = rig()

    async def listen(me: Any) -> None:
        await me.step(500)
        message = await lab.conductor.receive(me)
        lab.log.append((message.sender, me.clock))

    listener = lab.player("listener", listen)

    async def speak(me: Any) -> None:
        lab.conductor.post(listener, Message(sender="early", time_ns=me.clock))

    lab.player("speaker", speak)
    assert ("early", 500) in lab.run()


def test_receive_gives_up_at_its_deadline(rig: RigClass) -> None:
    lab = rig()

    async def listen(me: Any) -> None:
        assert await lab.conductor.receive(me, until=70) is None
        lab.log.append(("woken", me.clock))
        message = await lab.conductor.receive(me, until=200)
        lab.log.append((message.sender, me.clock))

    listener = lab.player("listener", listen)

    async def speak(me: Any) -> None:
        await me.step(90)
        lab.conductor.post(listener, Message(sender="in time", time_ns=me.clock))

    lab.player("speaker", speak)
    log = lab.run()
    assert ("woken", 70) in log
    assert ("in time", 90) in log


def test_an_actor_that_does_not_listen_is_not_disturbed(rig: RigClass) -> None:
    lab = rig()

    async def wait(me: Any) -> None:
        await lab.conductor.block(me, "nothing", listening=False, until=100)
        lab.log.append(("until", me.clock))
        assert me.attention
        assert len(me.mailbox.waiting) == 1

    waiter = lab.player("waiter", wait)

    async def speak(me: Any) -> None:
        lab.conductor.post(waiter, Message(sender="s", time_ns=5))

    lab.player("speaker", speak)
    assert ("until", 100) in lab.run()


# -- how a run ends ---------------------------------------------------------------------------------------------


def test_quiescence_is_told_once_nobody_is_in_line(rig: RigClass) -> None:
    told: list[int] = []
    lab = rig(host=Host(on_quiescent=lambda: told.append(lab.conductor.now)))
    lab.stepper("a", 10, 20)

    async def listen(me: Any) -> None:
        await lab.conductor.receive(me)

    lab.player("waits for ever", listen)
    lab.run()
    assert told == [30]


def test_the_step_bound_ends_a_run_that_does_not(rig: RigClass) -> None:
    lab = rig(max_steps=500)
    for name in ("a", "b"):
        lab.player(name, endless)
    with pytest.raises(StepBoundExceeded, match="more than 500 steps: does it end"):
        lab.run()
    assert lab.conductor.steps == 501


async def endless(me: Any) -> None:
    for _ in itertools.count():
        await me.step(10)


def test_the_step_bound_counts_the_microseconds_of_a_lone_actor(rig: RigClass) -> None:
    lab = rig(max_steps=500)

    async def body(me: Any) -> None:
        for _ in itertools.count():
            me.clock += 10_000
            await lab.conductor.pause(me)

    lab.player("alone", body)
    with pytest.raises(BadInput):
        lab.run()
    assert lab.conductor.now <= 510_000


def test_an_idle_stretch_costs_no_steps(rig: RigClass) -> None:
    lab = rig(max_steps=100)

    async def body(me: Any) -> None:
        await lab.conductor.block(me, "a long time", listening=False, until=3_600_000_000_000)

    lab.player("patient", body)
    lab.run()
    assert lab.conductor.now == 3_600_000_000_000


def test_an_exception_ends_the_run_as_itself_with_others_parked(rig: RigClass) -> None:
    lab = rig()
    unwound: list[str] = []

    async def parked(me: Any) -> None:
        try:
            await lab.conductor.receive(me)
        except RunOver:
            unwound.append(me.name)
            raise

    async def fail(me: Any) -> None:
        await me.step(10)
        raise LookupError("as it was raised")

    for number in range(3):
        lab.player(f"p{number}", parked)
    lab.player("fails", fail)
    with pytest.raises(LookupError, match="as it was raised"):
        lab.run()
    assert sorted(unwound) == ["p0", "p1", "p2"]


def test_an_error_in_set_up_is_the_runs_failure() -> None:
    conductor = Conductor(Timed())

    def set_up() -> None:
        raise BadInput("no such thing")

    trio.run(conductor.run, set_up, clock=VirtualClock())
    assert isinstance(conductor.failure, BadInput)


def test_the_first_failure_is_the_one_remembered(rig: RigClass) -> None:
    lab = rig()

    async def body(me: Any) -> None:
        try:
            await me.step(10)
            raise LookupError("first")
        finally:
            lab.conductor.finish(LookupError("zeroth"))

    lab.player("a", body)
    with pytest.raises(LookupError, match="zeroth"):
        lab.run()


def test_a_strategy_hears_of_the_end_also_when_the_run_fails(rig: RigClass) -> None:
    strategy = Scripted()
    lab = rig(strategy, max_steps=50)
    lab.player("a", endless)
    lab.player("b", endless)
    with pytest.raises(StepBoundExceeded):
        lab.run()
    (start, end) = strategy.calls
    assert start == "start 0"
    assert "StepBoundExceeded" in end
