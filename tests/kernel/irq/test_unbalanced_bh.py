"""local_bh_enable() too many, and the local_bh_disable() that makes up for it (__preempt_count_add() carries)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario


@pytest.mark.parametrize("version", ["v5.11", "v6.1-stable", "v6.12"])
def test_a_disable_makes_up_for_an_enable_too_many(version: str) -> None:
    counts: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        await k.local_bh_enable()
        counts.append(k.preempt_count())
        await k.local_bh_disable()
        counts.append(k.preempt_count())

    run(script, RunOptions(kernel=version, settings={"PROVE_LOCKING": "y", "PREEMPT": "y"}))
    assert counts == [0x7FFFFE00, 0]
