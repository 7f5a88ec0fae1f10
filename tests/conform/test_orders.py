"""What is told of a disagreement: the orders of hidden steps that were tried, with their places (conform/orders.py)."""

from __future__ import annotations

from pathlib import Path

from rcuactors.conform import conform
from rcuactors.conform.orders import AT_MOST, Orders, Step

from .recorded import lines_of, written


def where(lines: list[str], words: str, after: int = -1) -> int:
    """The first line with some words, behind another."""
    return next(at for at, line in enumerate(lines) if at > after and words in line)


def test_each_order_is_told_with_its_place_and_what_it_led_to(tmp_path: Path) -> None:
    """A snapshot, printed while a worker is about to begin, says what is so neither before nor behind."""
    lines = lines_of("kvfree/d_rawspin_1100_min5")
    timer = next(at for at, line in enumerate(lines) if "[timeout=1]" in line and "kvt1" in line)
    (found,) = conform(written(tmp_path, [*lines[:timer], *lines[timer + 1 :]])).found
    call = max(at for at, line in enumerate(lines[:timer], 1) if ": kvfree_call_rcu: " in line)
    assert found.tried == (
        f"call: take krcp->lock (from line {call} to {timer + 1}): timer_start of CPU 1: monitor 1 was to come",
    )
    assert f"  order tried: {found.tried[0]}" in found.lines()


def test_orders_with_others_steps_are_told(tmp_path: Path) -> None:
    """A refill goes on from page to page, while a monitor and a call wait to come to the same lock."""
    lines = lines_of("kvfree-6.1-rt/d_softirq_600_min5")
    asks = [at for at, line in enumerate(lines) if ": get_free_pages: " in line][-2]
    (found,) = conform(written(tmp_path, [*lines[:asks], *lines[asks + 1 :]])).found
    steps = [tried.split(": get_free_pages was to come")[0].split(", then ") for tried in found.tried]
    assert max(map(len, steps)) > 2
    assert any("monitor: take krcp->lock (from line" in one for tried in steps for one in tried[1:])
    # Each is another order, and they are all told, the first few in words.
    assert len(set(found.tried)) == len(found.tried)
    printed = [line for line in found.lines() if line.startswith("  order tried: ")]
    assert len(printed) == min(len(found.tried), 8) + (len(found.tried) > 8)


def test_so_many_are_kept_in_mind() -> None:
    orders = Orders()
    for number in range(AT_MOST + 5):
        orders.refuse(Step("call: take krcp->lock", 0), f"reason {number}")
    assert len(orders.refused) == AT_MOST
    assert orders.more
    orders.clear()
    assert not orders.refused
    assert not orders.more


def test_a_count_is_told_of_versions_that_keep_one(tmp_path: Path) -> None:
    for name, kept in (("kvfree/d_rawspin_1100_min5", True), ("kvfree-6.12/d_rawspin_600_min0", False)):
        lines = lines_of(name)
        state = max(at for at, line in enumerate(lines) if ": state: KRC cpu=1" in line)
        lines[state] = lines[state].replace("backoff=0", "backoff=1")
        (found,) = conform(written(tmp_path, lines)).found
        assert any(one.startswith("CPU 1: count=") for one in found.states) == kept
        assert all("cache=" in one for one in found.states)
