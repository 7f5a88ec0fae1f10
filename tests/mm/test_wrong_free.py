"""Frees of what was not allocated so (mm/wrong_free.py), and pages that are never freed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.context.violation import Violation
from rcuactors.eras import ERAS


def violations(
    body: Callable[[Kernel], Awaitable[None]], kernel: str = "v6.1-stable", **settings: str
) -> list[Violation]:
    """What one scenario leaves."""

    @scenario()
    async def script(k: Kernel) -> None:
        await body(k)

    return list(run(script, RunOptions(kernel=kernel, settings=settings)).violations)


async def kfree_of_an_area(k: Kernel) -> None:
    p = await k.vmalloc(8192)
    await k.kfree(p)
    await k.vfree(p)


async def kfree_bulk_of_an_area(k: Kernel) -> None:
    p = await k.vmalloc(8192)
    await k.kfree_bulk([p])
    await k.vfree(p)


async def kfree_of_a_text(k: Kernel) -> None:
    await k.kfree("hello")  # type: ignore[arg-type]  # that is the point


async def kvfree_of_a_text(k: Kernel) -> None:
    await k.kvfree("hello")  # type: ignore[arg-type]  # that is the point


async def kfree_of_a_number(k: Kernel) -> None:
    await k.kfree(0x1234)


async def kfree_of_a_lock(k: Kernel) -> None:
    await k.kfree(k.spinlock("lock"))  # type: ignore[arg-type]  # that is the point


async def vfree_of_an_object(k: Kernel) -> None:
    first, p = await k.kmalloc(64), await k.kmalloc(64)
    await k.vfree(p)
    await k.kfree(p)
    await k.kfree(first)


async def vfree_of_an_object_at_a_page(k: Kernel) -> None:
    p = await k.kmalloc(4096)
    await k.vfree(p)
    await k.kfree(p)


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (kfree_of_an_area, "BUG: unable to handle page fault for address: "),
        (kfree_bulk_of_an_area, "BUG: unable to handle page fault for address: "),
        (kfree_of_a_text, "BUG: unable to handle page fault for address: "),
        (kvfree_of_a_text, "BUG: unable to handle page fault for address: "),
        (kfree_of_a_number, "BUG: unable to handle page fault for address: "),
        (kfree_of_a_lock, "BUG: unable to handle page fault for address: "),
        (vfree_of_an_object, "WARNING: Trying to vfree() bad address ("),
        (vfree_of_an_object_at_a_page, "WARNING: Trying to vfree() nonexistent vm area ("),
    ],
)
def test_a_free_of_the_wrong_kind_is_told_as_the_kernel_does_and_frees_nothing(
    body: Callable[[Kernel], Awaitable[None]], said: str, kernel: str
) -> None:
    found, *more = violations(body, kernel)
    assert (found.kind.value, found.by) == ("wrong-free", "kernel")
    assert found.title.startswith(said)
    # Commit 79311c1fe017: vfree() says once more that remove_vm_area() has found none.
    twice = body is vfree_of_an_object and ERAS[kernel].rules.mm.vfree_removes_area
    assert [other.title.partition(" (")[0] for other in more] == (
        ["WARNING: Trying to vfree() nonexistent vm area"] if twice else []
    )
    assert found.line.startswith("test_wrong_free.py:")


@pytest.mark.parametrize("kernel", list(ERAS))
def test_vfree_of_an_area_that_is_free(kernel: str) -> None:
    async def body(k: Kernel) -> None:
        p = await k.vmalloc(8192)
        await k.vfree(p)
        await k.vfree(p)

    (found,) = violations(body, kernel)
    assert (found.kind.value, found.by) == ("double-free", "kernel")
    assert found.title == "WARNING: Trying to vfree() nonexistent vm area (ffffc90000000000)"
    assert "freed by vfree() at body (test_wrong_free.py:" in found.text


@pytest.mark.parametrize(
    ("kernel", "said"),
    [("v5.9", "double-free or invalid-free"), ("v5.11", "double-free or invalid-free"), ("v6.1-stable", "double-free")],
)
def test_kasan_sees_a_second_kfree(kernel: str, said: str) -> None:
    async def body(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)

    (found,) = violations(body, kernel, KASAN="y")
    assert (found.title, found.by) == (f"BUG: KASAN: {said} in kfree", "kernel")
    assert "Freed by task script/" in found.text
    (found,) = violations(body, kernel)
    assert (found.kind.value, found.by) == ("double-free", "oracle")
    assert "freed by kfree() at body (test_wrong_free.py:" in found.text


def test_a_page_that_is_never_freed_is_a_leak() -> None:
    async def body(k: Kernel) -> None:
        kept = await k.get_free_page()
        given_back = await k.get_free_page()
        await k.free_page(given_back)
        assert kept is not None
        await k.read_file(3)
        await k.user_process("user", 3)

    (found,) = violations(body)
    assert (found.kind.value, found.title) == ("leak", "BUG: leak: 1 page allocated and never freed")
    assert "1 allocated at body (test_wrong_free.py:" in found.text


@pytest.mark.parametrize(
    ("kernel", "settings", "told"),
    [
        ("v5.11", {"KASAN": "y"}, ["BUG: KASAN: double-free or invalid-free in kfree"]),
        ("v6.12", {"KASAN": "y"}, ["BUG: KASAN: invalid-free in kfree"]),
        ("v6.1-stable", {"slub_debug": "y"}, ["BUG kmalloc-64 (Not tainted): Invalid object pointer 0x{:016x}"]),
        (
            "v6.12",
            {"slub_debug": "y"},
            ["BUG kmalloc-64 (Not tainted): Invalid object pointer 0x{:016x}", "WARNING: WARN_ON(1) at __slab_err"],
        ),
        ("v6.12", {}, []),
    ],
)
def test_kfree_in_the_middle_of_an_object(kernel: str, settings: dict[str, str], told: list[str]) -> None:
    """A kernel that does not look takes it for an object of its own; the model's oracle always tells."""
    places: list[int] = []

    async def body(k: Kernel) -> None:
        p = await k.kmalloc(64)
        assert p is not None
        places.append(p.address + 16)
        await k.kfree(places[0])
        await k.kfree(p)

    found = violations(body, kernel, **settings)
    assert [one.title for one in found if one.by == "kernel"] == [title.format(*places) for title in told]
    if not told:
        assert [one.title[:17] for one in found] == ["BUG: invalid free"]


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable", "v6.12"])
def test_vfree_in_the_middle_of_an_area_frees_it(kernel: str) -> None:
    """__find_vmap_area() finds it by any address in it."""

    async def body(k: Kernel) -> None:
        p = await k.vmalloc(8192)
        assert p is not None
        await k.vfree(p.address + 4096)

    assert not violations(body, kernel)


def test_vfree_in_the_middle_of_a_page() -> None:
    async def body(k: Kernel) -> None:
        p = await k.vmalloc(8192)
        assert p is not None
        await k.vfree(p.address + 100)
        await k.vfree(p)

    (found,) = violations(body)
    assert found.title.startswith("WARNING: Trying to vfree() bad address")


def test_what_is_no_memory_is_named_without_what_differs_between_processes() -> None:
    found, *_ = violations(kfree_of_a_lock, "v6.12")
    assert found.text.splitlines()[-1] == "Lock 'lock' was to be freed"
