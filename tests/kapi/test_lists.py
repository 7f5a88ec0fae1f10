"""Lists and hash lists, plain and under RCU (kapi/lists.py, kernel/list.py)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rcuactors import Kernel, KernelBug, Result, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput


async def three(k: Kernel, foos: Any, add: Callable[[Any, Any], None]) -> list[Any]:
    foo = k.struct("foo", value=0, node=k.list_head, rcu=k.rcu_head)
    made = []
    for value in (1, 2, 3):
        p = await k.kmalloc(foo)
        p.value = value
        add(p.node, foos)
        made.append(p)
    return made


def test_entries_stand_where_they_were_put_and_go_where_they_are_moved() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foos, others = k.list_head("foos"), k.list_head("others")

        def values(head: Any) -> list[int]:
            return [p.value for p in k.list_for_each_entry(head, "node")]

        assert k.list_empty(foos)
        one, two, three_ = await three(k, foos, k.list_add_tail)
        assert values(foos) == [1, 2, 3]
        k.list_move(three_.node, foos)
        assert values(foos) == [3, 1, 2]
        k.list_move_tail(three_.node, others)
        assert (values(foos), values(others)) == ([1, 2], [3])
        k.list_splice_init(foos, others)
        assert (values(foos), values(others)) == ([], [1, 2, 3])
        assert k.list_first_entry(others, "node") is one
        assert k.list_first_entry_or_null(foos, "node") is None
        new = await k.kmalloc(k.struct("foo", value=4, node=k.list_head))
        k.list_replace(two.node, new.node)
        assert values(others) == [1, 4, 3]
        k.list_del_init(one.node)
        assert k.list_empty(one.node)
        k.INIT_LIST_HEAD(two.node)
        k.list_add(two.node, others)
        assert values(others) == [2, 4, 3]
        for p in k.list_for_each_entry_safe(others, "node"):
            k.list_del(p.node)
            await k.kfree(p)
        assert k.list_empty(others)
        await k.kfree(one)

    assert run(script, DEBUG_LIST=True).clean


def test_hash_lists() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foo = k.struct("foo", value=0, node=k.hlist_node)
        bucket = k.hlist_head("bucket")
        p, q, r = [await k.kmalloc(foo) for _ in range(3)]
        assert k.hlist_empty(bucket)
        assert k.hlist_unhashed(p.node)
        k.hlist_add_head(p.node, bucket)
        k.hlist_add_head_rcu(q.node, bucket)
        k.hlist_add_behind_rcu(r.node, q.node)
        assert list(k.hlist_for_each_entry(bucket, "node")) == [q, r, p]
        k.hlist_del_init(r.node)
        k.hlist_del_init_rcu(r.node)  # which does nothing
        assert k.hlist_unhashed(r.node)
        k.hlist_add_behind(r.node, p.node)
        k.hlist_del_rcu(q.node)
        with k.rcu_reader():
            assert list(k.hlist_for_each_entry_rcu(bucket, "node")) == [p, r]
        k.hlist_del(p.node)
        k.hlist_del(r.node)
        assert k.hlist_empty(bucket)
        for each in (p, q, r):
            await k.kfree(each)

    assert run(script).clean


def list_of(kernel: str, remove: str, hashed: bool) -> Result:
    """A reader walks a list while an entry is taken out."""

    @scenario()
    async def script(k: Kernel) -> None:
        member = k.hlist_node if hashed else k.list_head
        entry = k.struct("entry", node=member, value=0, rcu=k.rcu_head)
        entries: Any = k.hlist_head("entries") if hashed else k.list_head("entries")
        add: Any = k.hlist_add_head_rcu if hashed else k.list_add_rcu
        delete: Any = k.hlist_del_rcu if hashed else k.list_del_rcu
        walk_along: Any = k.hlist_for_each_entry_rcu if hashed else k.list_for_each_entry_rcu
        lock = k.spinlock("lock")
        made = []
        for value in (3, 2, 1):
            made.append(new := await k.kmalloc(entry))
            new.value = value
            add(new.node, entries)
        seen: list[int] = []

        async def walk() -> None:
            with k.rcu_reader():
                for p in walk_along(entries, "node"):
                    await k.udelay(100)
                    seen.append(p.value)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(walk, cpu=1)
            await k.udelay(150)
            await k.spin_lock(lock)
            victim = made[1]
            delete(victim.node)
            await k.spin_unlock(lock)
            if remove == "kfree":
                await k.kfree(victim)
            else:
                await k.kfree_rcu(victim, "rcu")
        # The reader was at it when it was taken out.
        assert seen == [1, 2, 3]
        for p in (made[0], made[2]):
            delete(p.node)
            await k.kfree(p)

    return run(script, RunOptions(kernel=kernel))


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_list_under_rcu(kernel: str, hashed: bool) -> None:
    assert list_of(kernel, "kfree_rcu", hashed).clean
    result = list_of(kernel, "kfree", hashed)
    assert result.outcome() == "use-after-free"
    # The free under the reader, then the reader's own uses: of the value, and of the way on.
    assert any("entry->value" in found.title for found in result.violations)
    assert any("&entry->node.next" in found.title for found in result.violations)


@contextlib.asynccontextmanager
async def nothing(_k: Kernel) -> AsyncIterator[bool]:
    yield False


@contextlib.asynccontextmanager
async def spin_lock(k: Kernel) -> AsyncIterator[bool]:
    lock = k.spinlock("lock")
    await k.spin_lock(lock)
    yield False
    await k.spin_unlock(lock)


@contextlib.asynccontextmanager
async def mutex(k: Kernel) -> AsyncIterator[bool]:
    lock = k.mutex("lock")
    await k.mutex_lock(lock)
    yield False
    await k.mutex_unlock(lock)


@contextlib.asynccontextmanager
async def cond(k: Kernel) -> AsyncIterator[bool]:
    lock = k.mutex("lock")
    await k.mutex_lock(lock)
    yield k.lockdep_is_held(lock)
    await k.mutex_unlock(lock)


@contextlib.asynccontextmanager
async def rcu_read_lock(k: Kernel) -> AsyncIterator[bool]:
    with k.rcu_reader():
        yield False


@contextlib.asynccontextmanager
async def rcu_read_lock_bh(k: Kernel) -> AsyncIterator[bool]:
    await k.rcu_read_lock_bh()
    yield False
    await k.rcu_read_unlock_bh()


WITHIN: dict[Callable[[Kernel], contextlib.AbstractAsyncContextManager[bool]], bool] = {
    nothing: True,
    spin_lock: False,  # preemption is off
    mutex: True,
    cond: False,
    rcu_read_lock: False,
    rcu_read_lock_bh: False,
}
"""Where a list is gone through, and whether PROVE_RCU_LIST has something to say."""


@pytest.mark.parametrize("prove", [False, True])
@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("within", WITHIN, ids=lambda within: within.__name__)
def test_a_walk_outside_of_readers_is_told_with_prove_rcu_list(within: Any, hashed: bool, prove: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async with within(k) as protected:
            if hashed:
                assert list(k.hlist_for_each_entry_rcu(k.hlist_head("h"), "node", protected)) == []
            else:
                assert list(k.list_for_each_entry_rcu(k.list_head("l"), "node", protected)) == []

    result = run(script, PROVE_RCU_LIST=prove)
    assert result.outcome() == ("suspicious-rcu" if prove and WITHIN[within] else "clean")
    if not result.clean:
        said = r"^test_lists.py:\d+ RCU-list traversed in non-reader section!!$"
        assert re.search(said, result.violations[0].text, re.MULTILINE)


def test_a_reader_of_a_list_keeps_what_it_has_come_to() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foos = k.list_head("foos")
        one, *rest = await three(k, foos, k.list_add_tail_rcu)
        k.rcu_read_lock()
        assert k.list_first_or_null_rcu(foos, "node") is one
        await k.kfree(one)
        k.rcu_read_unlock()
        for p in rest:
            await k.kfree(p)

    result = run(script)
    assert result.violations[0].title.endswith("freed by kfree under a reader that may hold it")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("mistake", ["deleted twice", "walked on", "deleted by rcu twice"])
def test_who_uses_the_pointers_of_what_was_taken_out_finds_poison(mistake: str, debug: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foos = k.list_head("foos")
        one, two, three_ = await three(k, foos, k.list_add_tail)
        if mistake == "deleted by rcu twice":
            k.list_del_rcu(two.node)
            k.list_del_rcu(two.node)
        else:
            k.list_del(two.node)
            if mistake == "deleted twice":
                k.list_del(two.node)
            else:
                k.list_move(two.node, foos)
        for p in (one, two, three_):
            await k.kfree(p)

    if debug:
        result = run(script, DEBUG_LIST=True)
        assert result.outcome() == "list-corruption"
        which = "prev is LIST_POISON2" if "rcu" in mistake else "next is LIST_POISON1"
        assert result.violations[0].title == f"WARNING: list_del corruption, &foo->node->{which}"
    else:
        address = "0xdead000000000122" if "rcu" in mistake else "0xdead000000000100"
        with pytest.raises(KernelBug, match=f"probably for non-canonical address {address}"):
            run(script)


@pytest.mark.parametrize("debug", [False, True])
def test_an_entry_that_is_added_twice_is_told_with_debug_list(debug: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foos = k.list_head("foos")
        one, two, three_ = await three(k, foos, k.list_add)
        k.list_add(three_.node, foos)
        for p in (one, two, three_):
            await k.kfree(p)

    result = run(script, DEBUG_LIST=debug)
    assert result.outcome() == ("list-corruption" if debug else "clean")
    if debug:
        assert result.violations[0].title.startswith("WARNING: list_add corruption. double add: new=&foo->node")


def test_what_is_freed_in_a_list_is_used_by_who_changes_its_neighbours() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foos = k.list_head("foos")
        one, two, three_ = await three(k, foos, k.list_add_tail)
        await k.kfree(two)
        k.list_del(one.node)
        await k.kfree(one)
        await k.kfree(three_)

    result = run(script)
    assert result.outcome() == "use-after-free"
    assert "use of &foo->node.prev in struct foo" in result.violations[0].title


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            lambda k, _, h: list(k.list_for_each_entry(h, "nod")),
            "list_for_each_entry(member='nod'): needs the member",
        ),
        (
            lambda k, _, h: list(k.list_for_each_entry(h, "other")),
            "list_for_each_entry(member='other'): needs the member",
        ),
        (lambda k, p, _: k.list_first_entry(p.other, "node"), "list_first_entry(&foo->other): the list is empty"),
    ],
)
def test_what_cannot_be_is_said(body: Any, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p, head = await k.kmalloc(k.struct("foo", node=k.list_head, other=k.list_head)), k.list_head("foos")
        k.list_add(p.node, head)
        body(k, p, head)

    with pytest.raises(BadInput, match=re.escape(said)):
        run(script)
