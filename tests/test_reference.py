"""The API as text is the API: all of it, as it is called (rcuactors/reference.py)."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import rcuactors
from rcuactors import BadInput, Kernel
from rcuactors.reference import Entry, as_markdown, entries, find_entries


def entry(name: str) -> Entry:
    (found,) = find_entries(name)
    return found


def test_every_function_of_the_kernel_is_there_once() -> None:
    of_kernel = [one.name for one in entries() if one.module.startswith("rcuactors.kapi.")]
    assert sorted(of_kernel) == sorted(name for name in dir(Kernel) if not name.startswith("_"))


def test_everything_says_what_it_is() -> None:
    assert [one.name for one in entries() if not one.doc] == []


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("kmalloc", "await k.kmalloc(what: int | StructType, gfp: Gfp = GFP_KERNEL) -> Any"),
        ("mutex_lock", "await k.mutex_lock(lock: Lock)"),
        ("preempt_disable", "k.preempt_disable()"),
        ("in_nmi", "k.in_nmi() -> bool"),
        ("jiffies", "k.jiffies"),
        ("rcu_reader", "with k.rcu_reader()"),
        ("cpus_read_locked", "async with k.cpus_read_locked()"),
        ("open_nursery", "async with k.open_nursery()"),
        ("usleep_range", "await k.usleep_range(low_us: int, high_us: int)"),
        ("KernelBug", "KernelBug"),
        ("ViolationKind", "ViolationKind"),
        ("Config", "Config(...)"),
    ],
)
def test_how_it_is_called(name: str, called: str) -> None:
    assert entry(name).called == called


def test_await_stands_where_it_is_needed(package: Path) -> None:
    """By the sources: `async def` that is no generator needs one."""
    wanted: dict[str, bool] = {}
    for path in (package / "kapi").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list:
                wanted[node.name] = not any(isinstance(inner, ast.Yield) for inner in ast.walk(node))
    for one in entries():
        if one.called.startswith("k.") and one.name in wanted:
            assert not wanted[one.name], one.called


def test_defaults_are_constants_by_their_name() -> None:
    assert "flags: WqFlags | int = 0" not in entry("alloc_workqueue").called
    assert "gfp: Gfp = GFP_KERNEL" in entry("vmalloc").called


@pytest.mark.parametrize("word", ["kmalloc", "KMALLOC", "k.kmalloc", "kmalloc()"])
def test_a_name_finds_itself_alone(word: str) -> None:
    assert [one.name for one in find_entries(word)] == ["kmalloc"]


def test_a_word_finds_names_and_else_what_is_said() -> None:
    assert {one.name for one in find_entries("spin_trylock_")} == {
        "raw_spin_trylock_irqsave",
        "spin_trylock_bh",
        "spin_trylock_irq",
        "spin_trylock_irqsave",
    }
    assert "udelay" in {one.name for one in find_entries("Burn time")}


@pytest.mark.parametrize("word", ["kmalok", "", "()", "\x00"])
def test_what_there_is_not_is_bad_input(word: str) -> None:
    with pytest.raises(BadInput, match=r"`rcuactors api` lists all$"):
        find_entries(word)


def test_the_page_has_a_heading_for_each() -> None:
    text = as_markdown()
    assert len(re.findall(r"^### `", text, re.MULTILINE)) == len(entries())
    assert all(inspect.cleandoc(one.doc) in text for one in entries())
    assert {name for name in rcuactors.__all__ if name[0].islower()} <= {one.name for one in entries()}
