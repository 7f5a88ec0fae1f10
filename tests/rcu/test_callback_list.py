"""struct rcu_segcblist (rcuactors/rcu/data.py): after each operation all of it is looked at."""

from __future__ import annotations

from collections import deque

import attrs
import pytest

from rcuactors.context.locks import Lock, LockKind
from rcuactors.rcu import seq
from rcuactors.rcu.data import CallbackList, RcuHead
from rcuactors.rcu.nocb_data import NocbData, NocbGroup

FIRST, SECOND, THIRD = (seq.INITIAL + 4 * n for n in (1, 2, 3))


async def nothing(_cpu: object) -> None:
    """A callback."""


def head(name: str, of: int | None = None) -> RcuHead:
    return RcuHead(nothing, name, of)


def filled(*of: int | None, done: int = seq.INITIAL) -> CallbackList:
    """With heads a, b, c ... that wait for these."""
    heads = deque(head(name, one) for name, one in zip("abcdefgh", of, strict=False))
    return CallbackList(heads, unassigned=sum(one is None for one in of), done_seq=done)


def state(cblist: CallbackList) -> dict[str, object]:
    """What is not as in an empty list; the heads as letters, each with what it waits for in grace periods."""
    said = [f"{one.name}{'' if one.seq is None else (one.seq - seq.INITIAL) // 4}" for one in cblist.heads]
    default = CallbackList()
    plain = {field.name: getattr(cblist, field.name) for field in attrs.fields(CallbackList) if field.name != "heads"}
    differs = {name: value for name, value in plain.items() if value != getattr(default, name)}
    if isinstance(differs.get("looped"), RcuHead):
        differs["looped"] = cblist.looped.name if cblist.looped is not None else None
    return {"heads": " ".join(said), **differs}


def asked(cblist: CallbackList) -> tuple[int, bool, bool, bool, int | None]:
    first = cblist.first_waited_for()
    return (
        cblist.n_cbs(),
        cblist.empty(),
        cblist.ready(),
        cblist.all_ready(),
        None if first is None else (first - seq.INITIAL) // 4,
    )


@pytest.mark.parametrize(
    ("cblist", "answers"),
    [
        (filled(), (0, True, False, True, None)),
        (filled(None), (1, False, False, False, None)),
        (filled(FIRST), (1, False, False, False, 1)),
        (filled(FIRST, SECOND, None, done=FIRST), (3, False, True, False, 2)),
        (filled(FIRST, SECOND, done=SECOND), (2, False, True, True, None)),
        (filled(SECOND, None, done=THIRD), (2, False, True, False, None)),
        (filled(FIRST, THIRD, done=SECOND), (2, False, True, False, 3)),
        (attrs.evolve(filled(None), being_invoked=2, lost=3), (6, False, False, False, None)),
        (attrs.evolve(filled(), stale=True), (0, False, False, True, None)),
    ],
)
def test_what_it_says(cblist: CallbackList, answers: tuple[int, bool, bool, bool, int | None]) -> None:
    """How many; whether it is empty, some are ready, all are; what the first that is not waits for."""
    assert asked(cblist) == answers


def test_from_call_rcu_to_the_batch() -> None:
    cblist = CallbackList()
    assert not cblist.accelerate(FIRST)
    assert state(cblist) == {"heads": ""}
    for name in "abc":
        cblist.enqueue(head(name))
    assert state(cblist) == {"heads": "a b c", "unassigned": 3}
    assert cblist.accelerate(FIRST)
    assert state(cblist) == {"heads": "a1 b1 c1"}
    for name in "de":
        cblist.enqueue(head(name))
    assert cblist.accelerate(SECOND)
    cblist.enqueue(head("f"))
    assert state(cblist) == {"heads": "a1 b1 c1 d2 e2 f", "unassigned": 1}
    assert list(cblist.extract_done()) == []
    cblist.done_seq = FIRST
    done = cblist.extract_done()
    assert [one.name for one in done] == ["a", "b", "c"]
    assert state(cblist) == {"heads": "d2 e2 f", "unassigned": 1, "done_seq": FIRST, "being_invoked": 3}
    done.popleft()
    cblist.insert_done(3, done)
    assert state(cblist) == {"heads": "b1 c1 d2 e2 f", "unassigned": 1, "done_seq": FIRST}
    cblist.insert_done(0, deque())
    assert cblist.n_cbs() == 5


def test_a_barrier_s_head_waits_for_what_the_last_one_waits_for() -> None:
    for cblist, after in (
        (filled(done=SECOND), {"heads": "z2", "done_seq": SECOND}),
        (filled(FIRST, THIRD), {"heads": "a1 b3 z3"}),
        (filled(FIRST, None), {"heads": "a1 b z", "unassigned": 2}),
    ):
        cblist.entrain(head("z"))
        assert state(cblist) == after


def test_those_of_another_cpu_come_behind_but_for_what_is_ready() -> None:
    """Ready is what is so in the list that they come from; what is not waits anew."""
    mine = attrs.evolve(filled(FIRST, None), stale=True)
    others = CallbackList(deque([head("x", FIRST), head("y", SECOND), head("z")]), unassigned=1, done_seq=FIRST, lost=2)
    mine.merge(others)
    assert state(mine) == {"heads": "x1 a1 b y z", "unassigned": 3, "lost": 2}
    assert state(others) == {"heads": "", "done_seq": FIRST}
    behind = attrs.evolve(filled(), stale=True)
    behind.merge(filled(FIRST, done=FIRST))
    assert state(behind) == {"heads": "a1"}
    for stale in (True, False):
        empty = attrs.evolve(filled(), stale=stale)
        empty.merge(CallbackList())
        assert state(empty) == {"heads": "", **({"stale": True} if stale else {})}


# -- an rcu_head that is queued twice ---------------------------------------------------------------------------------


def test_what_was_behind_it_is_lost() -> None:
    cblist = filled(FIRST, FIRST, SECOND, None, None)
    cblist.enqueue_again(cblist.heads[1])
    assert state(cblist) == {"heads": "a1 b1", "lost": 4}
    assert cblist.n_cbs() == 6
    cblist = filled(FIRST, None, None)
    cblist.enqueue_again(cblist.heads[1])
    assert state(cblist) == {"heads": "a1 b", "unassigned": 1, "lost": 2}


def test_the_last_one_points_to_itself_and_stays_the_first() -> None:
    cblist = filled(FIRST, FIRST, done=FIRST)
    cblist.enqueue_again(cblist.heads[-1])
    assert state(cblist) == {"heads": "a1 b1", "done_seq": FIRST, "lost": 1, "looped": "b"}
    assert len(cblist.extract_done()) == 2
    assert state(cblist) == {"heads": "", "done_seq": FIRST, "lost": 1, "being_invoked": 2, "stale": True}
    assert not cblist.empty()
    cblist.enqueue(head("c"))
    assert state(cblist) == {"heads": "c", "unassigned": 1, "done_seq": FIRST, "lost": 1, "being_invoked": 2}


def test_with_more_behind_it_it_is_not_the_first_any_more() -> None:
    cblist = filled(FIRST, done=FIRST)
    cblist.enqueue_again(cblist.heads[0])
    cblist.enqueue(head("b"))
    cblist.extract_done()
    assert state(cblist) == {"heads": "b", "unassigned": 1, "done_seq": FIRST, "lost": 1, "being_invoked": 1}
    cblist = filled(FIRST, SECOND, done=FIRST)
    cblist.enqueue_again(cblist.heads[1])
    cblist.extract_done()
    assert state(cblist) == {"heads": "b2", "done_seq": FIRST, "lost": 1, "being_invoked": 1, "looped": "b"}


# -- the list of a CPU that is offloaded ------------------------------------------------------------------------------


def offloaded(cblist: CallbackList, *bypass: str, lazy: int = 0) -> NocbData:
    lock = Lock("lock", LockKind.RAW_SPINLOCK)
    return NocbData(0, NocbGroup(0, lock), lock, cblist, deque(map(head, bypass)), lazy_len=lazy)


@pytest.mark.parametrize(
    ("nocb", "number", "done"),
    [
        (offloaded(filled()), 0, True),
        (offloaded(filled(), "x", "y"), 2, True),
        (offloaded(filled(None)), 1, False),
        (offloaded(filled(FIRST)), 1, False),
        (offloaded(filled(FIRST, done=FIRST), "x"), 2, True),
        (offloaded(filled(FIRST, SECOND, done=FIRST)), 2, False),
        (offloaded(filled(FIRST, None, done=FIRST)), 2, False),
    ],
)
def test_whether_all_are_done_but_those_in_the_bypass(nocb: NocbData, number: int, done: bool) -> None:
    assert (nocb.n_cbs(), nocb.all_done()) == (number, done)


def test_the_bypass_goes_to_the_end_of_the_list() -> None:
    nocb = offloaded(filled(FIRST), "x", "y", lazy=2)
    nocb.flush(head("z"))
    assert state(nocb.cblist) == {"heads": "a1 x y z", "unassigned": 3}
    assert (list(nocb.bypass), nocb.lazy_len) == ([], 0)
    nocb.flush()
    assert nocb.n_cbs() == 4
