"""A `with` of the wrong kind, a lock in a `with`, a list that is none: one line that says what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import BadInput, Kernel
from rcuactors.testing import RcuLab


async def plain_for_async(k: Kernel) -> None:
    with k.open_nursery() as _nursery:  # type: ignore[attr-defined]
        pass


async def async_for_plain(k: Kernel) -> None:
    async with k.rcu_reader():  # type: ignore[attr-defined]
        pass


async def frame_without(k: Kernel) -> None:
    with k.stack_frame(): pass  # type: ignore[attr-defined]  # noqa: E701 # fmt: skip


async def lock_in_with(k: Kernel) -> None:
    with k.mutex("m"):  # type: ignore[attr-defined]
        pass


async def lock_in_async_with(k: Kernel) -> None:
    async with k.spinlock("l"):  # type: ignore[attr-defined]
        pass


async def called_lock_in_with(k: Kernel) -> None:
    async with k.spin_lock(k.spinlock("l")):  # type: ignore[attr-defined]
        pass


async def no_list(k: Kernel) -> None:
    for _entry in k.list_for_each_entry_rcu(5, "node"):  # type: ignore[arg-type]
        pass


async def added_to_none(k: Kernel) -> None:
    k.list_add_rcu(k.list_head("entry"), None)  # type: ignore[arg-type]


async def taken_out_of_none(k: Kernel) -> None:
    k.list_del_rcu("x")  # type: ignore[arg-type]


LOCK = "needs a function that takes the lock, such as k.spin_lock(), and one that lets go of it"
HEAD = "needs a list_head, from k.list_head()"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (plain_for_async, "with k.open_nursery(): needs `async with`"),
        (async_for_plain, "async with k.rcu_reader(): needs `with`, without `async`"),
        (frame_without, "with k.stack_frame(): needs `async with`"),
        (lock_in_with, f'with k.mutex("m"): {LOCK}'),
        (lock_in_async_with, f'async with k.spinlock("l"): {LOCK}'),
        (no_list, f"list_for_each_entry_rcu(head=5): {HEAD}"),
        (added_to_none, f"list_add_rcu(head=None): {HEAD}"),
        (taken_out_of_none, f"list_del_rcu(entry='x'): {HEAD}"),
    ],
)
def test_it_is_said_what_would_be_right(rcu_lab: RcuLab, script: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        rcu_lab.run(script)
    text, _, place = str(caught.value).rpartition(" (")
    assert text == said
    assert place.startswith("test_with.py:")


def test_what_takes_a_lock_is_no_context(rcu_lab: RcuLab) -> None:
    with pytest.raises(BadInput, match="is an `await` missing"):
        rcu_lab.run(called_lock_in_with)
