"""What a CPU answers at once that an expedited grace period asks (rcuactors/rcu/exp_select.py, rcu_exp_handler())."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.eras import ERAS

MS = 1_000_000
BUSY_MS = 3


def waited_ms(kernel: str, section: str, **settings: str) -> float:
    """How long one takes whose other CPU is busy for 3 ms, in a section or in none, and gives way then."""
    took: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def busy() -> None:
            if section == "reader":
                k.rcu_read_lock()
            elif section == "preempt_off":
                k.preempt_disable()
            await k.udelay(BUSY_MS * 1000)
            if section == "reader":
                k.rcu_read_unlock()
            elif section == "preempt_off":
                await k.preempt_enable()
            await k.cond_resched()
            await k.udelay(100)

        other = await k.kthread_run(busy, cpu=1)
        await k.udelay(200)
        began = k.now
        await k.synchronize_rcu_expedited()
        took.append(k.now - began)
        await k.kthread_join(other)

    assert run(script, kernel=kernel, nr_cpus="2", HZ="100", **settings).clean
    return took[0] / MS


@pytest.mark.parametrize("kernel", list(ERAS))
def test_where_preemption_counts_readers_who_is_in_no_section_answers_at_once(kernel: str) -> None:
    assert waited_ms(kernel, "none") < 0.1
    assert BUSY_MS - 0.3 < waited_ms(kernel, "reader") < BUSY_MS
    assert BUSY_MS - 0.3 < waited_ms(kernel, "preempt_off") < BUSY_MS


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("counted", ["n", "y"])
def test_without_preemptible_rcu_every_switch_is_an_answer(kernel: str, counted: str) -> None:
    """One that is not in atomic context is seen at once where the kernel counts that (CONFIG_PREEMPT_COUNT)."""
    settings = {"PREEMPT": "n", "PROVE_LOCKING": counted, "DEBUG_ATOMIC_SLEEP": "n"}
    at_once = counted == "y" and ERAS[kernel].rules.rcu.exp_handler_sees_preempt_count
    none = waited_ms(kernel, "none", **settings)
    assert none < 0.1 if at_once else BUSY_MS - 0.3 < none < BUSY_MS
    for section in ("reader", "preempt_off"):
        assert BUSY_MS - 0.3 < waited_ms(kernel, section, **settings) < BUSY_MS
