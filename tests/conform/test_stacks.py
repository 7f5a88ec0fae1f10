"""Lists of objects as chains that are made once (rcuactors/conform/stacks.py)."""

from __future__ import annotations

import gc

from rcuactors.conform.stacks import EMPTY, Stack, chain_of


def test_the_same_objects_in_the_same_order_are_one_chain() -> None:
    one, other, third = chain_of("abc"), chain_of("abc"), chain_of("abd")
    assert one is other
    assert one is not third
    assert one.rest is third.rest
    assert list(Stack(third)) == ["a", "b", "d"]
    assert chain_of("abd") is third


def test_what_nobody_has_any_more_is_forgotten() -> None:
    """In a recording of a million lines each list that ever was hung on the empty one."""
    gc.collect()
    before = EMPTY.known_longer
    for name in range(1000):
        stack = Stack()
        stack.append(f"first {name}")
        stack.append(f"second {name}")
    del stack
    gc.collect()
    assert EMPTY.known_longer == before


def test_what_is_longer_by_one_is_found_as_long_as_somebody_has_it() -> None:
    base = chain_of(["base"])
    kept = [base.with_one(name) for name in ("a", "b", "c")]
    assert [base.with_one(name) for name in ("a", "b", "c")] == kept
    assert base.known_longer == 3
    del kept[1]
    gc.collect()
    assert base.known_longer == 2
    assert base.with_one("c") is kept[1]
