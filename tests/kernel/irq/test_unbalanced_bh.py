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


@pytest.mark.parametrize("version", ["v6.18", "v7.3"])
def test_rt_without_the_lock_counts_by_thread(version: str) -> None:
    """__local_bh_enable_ip() of a kernel whose bottom halves have no lock (commit 3253cb49cbad): one too many."""
    counts: list[tuple[int, int]] = []

    @scenario()
    async def script(k: Kernel) -> None:
        def count() -> None:
            cpu = k.machine.current.cpu
            counts.append((cpu.ctx.softirq_disable_cnt, cpu.softirq_ctrl))

        await k.local_bh_disable()
        count()
        for _ in range(3):
            await k.local_bh_enable()
            count()
        for _ in range(3):
            await k.local_bh_disable()
            count()
        await k.local_bh_enable()

    result = run(script, RunOptions(kernel=version, settings={"PREEMPT_RT": "y", "PREEMPT_RT_NEEDS_BH_LOCK": "n"}))
    assert counts == [(one, one) for one in (1, 0, -1, -2, -1, 0, 1)]
    assert [found.title for found in result.violations] == [
        "WARNING: bad unlock balance detected: local_bh",
        "WARNING: WARN_ON(current->softirq_disable_cnt < 0) at __local_bh_enable",
        "WARNING: WARN_ON(current->softirq_disable_cnt < 0) at __local_bh_disable_ip",
    ]
