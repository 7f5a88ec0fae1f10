"""What becomes of lists of rcu_heads when one is queued twice, or is in freed memory (rcu/data.py, kvfree/drain.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario

FIRST = "WARNING: WARN_ON(!empty && rcu_segcblist_n_segment_cbs(&rdp->cblist) == 0) at rcu_core"
SECOND = "WARNING: WARN_ON(count != 0 && empty) at rcu_core"


def told(script: Any, kernel: str = "v6.1-stable", **settings: str) -> tuple[list[str], Result]:
    """What the kernel says."""
    result = run(scenario()(script), RunOptions(kernel=kernel, settings=settings))
    return [found.title for found in result.violations if found.by == "kernel"], result


def queue(order: str, ran: list[str]) -> Any:
    """Queue rcu_heads by their letters, `|` waiting for what was queued so far."""

    async def script(k: Kernel) -> None:
        kind = k.struct("foo", name="", rcu=k.rcu_head)
        objects = {}
        for letter in sorted(set(order) - {"|"}):
            objects[letter] = p = await k.kzalloc(kind)
            p.name = letter

        async def callback(p: Any) -> None:
            ran.append(p.name)

        for letter in order:
            if letter == "|":
                await k.msleep(100)
            else:
                await k.call_rcu(objects[letter].rcu, callback)
        await k.msleep(100)
        for p in objects.values():
            await k.kfree(p)

    return script


@pytest.mark.parametrize(
    ("order", "invoked", "warnings"),
    [
        # The last one points to itself: it stays the first of the list, though nothing of it is counted by segment.
        ("aa", "a", [FIRST]),
        ("baa", "ba", [FIRST]),
        # The next one takes its place; what was counted twice is still too much.
        ("aa|a", "aa", [FIRST, SECOND]),
        # It ends the list: what was behind it is lost.
        ("ab|", "ab", []),
        ("aba", "a", [SECOND]),
        ("cabda", "ca", [SECOND]),
    ],
)
def test_an_rcu_head_that_is_queued_twice(order: str, invoked: str, warnings: list[str]) -> None:
    ran: list[str] = []
    said, _ = told(queue(order, ran))
    assert ("".join(ran), said) == (invoked, warnings)


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_older_kernels_do_not_count_segments(kernel: str) -> None:
    ran: list[str] = []
    assert told(queue("aa", ran), kernel)[0] == []
    assert told(queue("aa|a", ran), kernel)[0] == [SECOND]


def test_rcu_barrier_comes_back_though_one_too_many_is_counted() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kzalloc(k.struct("foo", rcu=k.rcu_head))

        async def callback(_p: Any) -> None:
            pass

        await k.call_rcu(p.rcu, callback)
        await k.call_rcu(p.rcu, callback)
        await k.msleep(100)
        await k.rcu_barrier()
        await k.kfree(p)

    assert told(script)[1].outcome() == "double-free"


# -- in freed memory ---------------------------------------------------------------------------------------------------


def in_freed(how: str, *, first: bool) -> Any:
    """An rcu_head in an object that is freed, at its beginning or not."""

    async def script(k: Kernel) -> None:
        members = {"pad": 0, "rcu": k.rcu_head} if not first else {"rcu": k.rcu_head}
        fields = members if first else {"timer": k.timer_list(nothing), **members}
        p = await k.kzalloc(k.struct("foo", **fields))
        if how == "call_rcu":
            await k.call_rcu(p.rcu, nothing)
            await k.kfree(p)
        elif how == "kfree":
            await k.cold_caches()
            await k.kfree_rcu(p, "rcu")
            await k.kfree(p)
        else:
            await k.cold_caches()
            await k.kfree_rcu(p, "rcu")
            await k.kfree_rcu(p, "rcu")
        await k.msleep(7000)

    async def nothing(_p: Any) -> None:
        pass

    return script


def test_kasan_writes_where_the_first_words_of_a_freed_object_were() -> None:
    """The quarantine's link and who freed it (struct kasan_free_meta): in the place of an rcu_head's next and func."""
    said, _ = told(in_freed("call_rcu", first=True), KASAN="y")
    assert said[0] == "BUG: KASAN: use-after-free in rcu_core"
    assert said[1].startswith("general protection fault")
    assert len(said) == 2
    assert told(in_freed("call_rcu", first=False), KASAN="y")[0] == ["BUG: KASAN: use-after-free in rcu_core"]


def test_what_is_queued_when_it_is_free_is_written_after_that() -> None:
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        async def callback(_p: Any) -> None:
            ran.append("callback")

        p = await k.kzalloc(k.struct("foo", rcu=k.rcu_head))
        await k.kfree(p)
        await k.udelay(1)
        await k.call_rcu(p.rcu, callback)
        await k.msleep(100)

    said, _ = told(script, KASAN="y")
    assert {title.rpartition(" in ")[0] for title in said} == {"BUG: KASAN: use-after-free"}
    assert ran == ["callback"]


@pytest.mark.parametrize("how", ["kfree", "kfree_rcu"])
def test_so_kfree_rcu_work_does_not_free_it_once_more(how: str) -> None:
    said, _ = told(in_freed(how, first=True), KASAN="y")
    assert said == [
        "BUG: KASAN: use-after-free in kfree_rcu_work",
        "WARNING: WARN_ON(!__is_kvfree_rcu_offset(offset)) at kfree_rcu_work",
    ]
    said, _ = told(in_freed(how, first=False), KASAN="y")
    assert said[0] == "BUG: KASAN: use-after-free in kfree_rcu_work"
    assert said[1].startswith("BUG: KASAN: double-free in ")


@pytest.mark.parametrize("kasan", ["n", "y"])
def test_kfree_rcu_puts_an_offset_where_call_rcu_had_its_function(kasan: str) -> None:
    """On its list it is linked by its rcu_head, whoever else has that."""
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        async def callback(_p: Any) -> None:
            ran.append("callback")

        p = await k.kzalloc(k.struct("foo", rcu=k.rcu_head))
        await k.cold_caches()
        await k.call_rcu(p.rcu, callback)
        await k.kfree_rcu(p, "rcu")
        await k.msleep(100)

    said, _ = told(script, KASAN=kasan)
    assert said == ["BUG: kernel NULL pointer dereference, address: 0000000000000000"]
    assert not ran


# -- what ends lockdep -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "on"), [({}, True), ({"KASAN": "y"}, False), ({"slub_debug": "y"}, False)])
def test_what_reports_of_memory_turns_lockdep_off(settings: dict[str, str], on: bool) -> None:
    """add_taint(TAINT_BAD_PAGE, LOCKDEP_NOW_UNRELIABLE)."""
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)
        seen.append(k.machine.judge.debug_locks)

    told(script, PROVE_LOCKING="y", **settings)
    assert seen == [on]
