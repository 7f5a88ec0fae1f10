"""WARN_ON() and BUG_ON() (kapi/bug.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, KernelBug, ViolationKind, run, scenario


def test_a_warning_names_the_place_and_returns_the_condition() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        assert k.WARN_ON([]) is False
        assert k.WARN_ON("x") is True
        assert k.WARN(1, "three is more than two") is True

    result = run(script)
    assert result.outcome() == "warning"
    first, second = result.violations
    assert first.title.startswith("WARNING: at script (test_bug.py:")
    assert first.trace[0].startswith("script (test_bug.py:")
    assert second.title == "WARNING: three is more than two"
    assert second.text.splitlines()[1] == "three is more than two"


def test_once_is_once_for_each_place() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        for number in range(4):
            k.WARN_ON_ONCE(number)
            k.WARN_ONCE(number > 1, f"number {number}")
        k.WARN_ON_ONCE(True)

    titles = [found.title for found in run(script).violations]
    assert len(titles) == 3
    assert titles[1] == "WARNING: number 2"


def test_a_bug_ends_whoever_runs() -> None:
    went_on = []

    @scenario()
    async def script(k: Kernel) -> None:
        k.BUG_ON(0)
        went_on.append(1)
        k.BUG_ON(1)
        went_on.append(2)

    with pytest.raises(KernelBug, match="kernel BUG at script") as raised:
        run(script)
    assert raised.value.violation.kind is ViolationKind.KERNEL_BUG
    assert went_on == [1]
