"""Bottom halves off and on, on PREEMPT_RT (rcuactors/kernel/irq/bottom_halves.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario

RT = {"PREEMPT_RT": "y"}

LOCKED = ["first off", "first on", "second off", "second on"]
UNLOCKED = ["first off", "second off", "second on", "first on"]


@pytest.mark.parametrize(
    ("kernel", "needs_lock", "expected"),
    [
        ("v6.12", "n", LOCKED),
        ("v6.18", "n", UNLOCKED),
        ("v6.18", "y", LOCKED),
        ("v7.3", "n", UNLOCKED),
        ("v7.3", "y", LOCKED),
    ],
)
def test_on_rt_bottom_halves_off_is_a_lock_of_the_cpu_or_none(
    kernel: str, needs_lock: str, expected: list[str]
) -> None:
    """PREEMPT_RT_NEEDS_BH_LOCK (commit 3253cb49cbad)."""
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def section(name: str, busy_us: int) -> None:
            await k.local_bh_disable()
            order.append(f"{name} off")
            assert k.machine.current.ctx.rcu_nesting
            await k.udelay(busy_us)
            order.append(f"{name} on")
            await k.local_bh_enable()

        async def urgent() -> None:
            await k.usleep_range(2_000, 2_000)
            await section("second", 10)

        other = await k.kthread_run(urgent, cpu=0, urgent=True)
        await section("first", 20_000)
        await k.kthread_join(other)

    options = RunOptions(kernel=kernel, settings={**RT, "PREEMPT_RT_NEEDS_BH_LOCK": needs_lock})
    assert run(scenario()(script), options).clean
    assert order == expected
