"""What a report of freed memory says of the object's life: with KASAN as mm/kasan/report.c has it, with stacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors import Kernel, Violation, run
from rcuactors.eras import ERAS

HERE = Path(__file__).name


async def allocates(k: Kernel) -> object:
    return await k.kmalloc(64)


async def gives_up(k: Kernel, p: object) -> None:
    await k.kvfree_rcu(p, "rcu")  # type: ignore[arg-type]


async def frees(k: Kernel, p: object) -> None:
    await k.kfree(p)  # type: ignore[arg-type]


def blocks_of(found: Violation) -> dict[str, list[str]]:
    """The first word of each block of lines -> the block's own lines."""
    blocks = [block.splitlines() for block in found.text.split("\n\n")]
    return {block[0].partition(" by ")[0]: block[1:] for block in blocks}


@pytest.mark.parametrize("kernel", ERAS)
@pytest.mark.parametrize("how", ["use", "double free"])
def test_who_allocated_and_who_freed_are_named_with_their_stacks(kernel: str, how: str) -> None:
    async def script(k: Kernel) -> None:
        p = await allocates(k)
        await frees(k, p)
        await (frees(k, p) if how == "double free" else k.msleep(0))
        if how == "use":
            k.deref(p)  # type: ignore[arg-type]

    found = run(script, kernel=kernel, KASAN=True).violations[0]
    assert found.title.startswith("BUG: KASAN: ")
    blocks = blocks_of(found)
    assert blocks["Allocated"][:2] == [" kmalloc", f" allocates ({HERE}:{allocates.__code__.co_firstlineno + 1})"]
    assert blocks["Freed"][:2] == [" kfree", f" frees ({HERE}:{frees.__code__.co_firstlineno + 1})"]
    assert list(blocks)[-3:-1] == ["Allocated", "Freed"]
    assert "Last potentially related work creation:" not in blocks


@pytest.mark.parametrize("kernel", ERAS)
def test_who_gave_it_to_kvfree_rcu_is_its_last_work(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        p = await allocates(k)
        await gives_up(k, p)
        await k.msleep(500)
        await k.rcu_barrier()
        await k.msleep(500)
        k.deref(p)  # type: ignore[arg-type]

    found = run(script, kernel=kernel, KASAN=True).violations[0]
    work = blocks_of(found)["Last potentially related work creation:"]
    assert work[0].startswith("Given to kvfree_rcu() by task script/")
    assert f" gives_up ({HERE}:{gives_up.__code__.co_firstlineno + 1})" in work


def test_without_kasan_it_is_a_line_each() -> None:
    async def script(k: Kernel) -> None:
        p = await allocates(k)
        await frees(k, p)
        k.deref(p)  # type: ignore[arg-type]

    text = run(script).violations[0].text
    assert f"object allocated at allocates ({HERE}:" in text
    assert f"freed by kfree() at frees ({HERE}:" in text
    assert "Allocated by" not in text
