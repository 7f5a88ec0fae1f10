"""rcu_dereference() in all its forms, and what lockdep has to say of each (rcuactors/kapi/rcu.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario

from .regions import region

OFF = {"PROVE_LOCKING": "n"}
HELD_IN: dict[str, set[str]] = {
    "nothing": set(),
    "rcu_read_lock": {""},
    "rcu_read_lock_bh": {"_bh", "_sched"},
    "rcu_read_lock_sched": {"_sched"},
    "preempt_disable": {"_sched"},
    "local_bh_disable": {"_bh", "_sched"},
    "local_irq_disable": {"_bh", "_sched"},
    "spin": {"_sched"},
    "raw": {"_sched"},
    "hardirq": {"_bh", "_sched"},
    "softirq": {"_bh", "_sched"},
}
"""Which forms lockdep accepts where, by their kernel-doc; rcu_dereference_raw() everywhere."""


@pytest.mark.parametrize("form", ["", "_bh", "_sched", "_raw"])
@pytest.mark.parametrize("where", HELD_IN)
def test_each_form_of_rcu_dereference_wants_its_own_kind_of_reader(where: str, form: str) -> None:
    """rcu_dereference() under preempt_disable(), or with bottom halves off, is suspicious, though that is a reader.

    All forms are __rcu_dereference_check(), whose words they share (include/linux/rcupdate.h).
    Recorded so on 6.1 (M deref, M derefpre, M derefbh).
    """

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def look() -> None:
            assert getattr(k, f"rcu_dereference{form}")(p) is p

        if where == "hardirq":
            await k.raise_irq(look)
        elif where == "softirq":
            await k.tasklet_schedule(look)
        else:
            within = region(k, where)
            await within(k, True)
            await look()
            await within(k, False)
        await k.msleep(1)
        await k.kfree(p)

    result = run(scenario()(script))
    if form == "_raw" or form in HELD_IN[where]:
        assert result.clean
    else:
        assert [each.title for each in result.violations] == [
            "WARNING: suspicious RCU usage: suspicious rcu_dereference_check() usage"
        ]
    assert run(scenario()(script), **OFF).clean


@pytest.mark.parametrize("form", ["_check", "_bh_check", "_sched_check", "_protected"])
def test_a_condition_stands_for_the_reader(form: str) -> None:
    async def script(k: Kernel, c: bool = True) -> None:
        p = await k.kmalloc(64)
        assert getattr(k, f"rcu_dereference{form}")(p, c) is p
        await k.kfree(p)

    assert run(scenario()(script)).clean
    (found,) = run(scenario()(script), c="n").violations
    said = "_protected" if form == "_protected" else "_check"
    assert found.title.endswith(f"suspicious rcu_dereference{said}() usage")


def test_null_comes_back_from_every_form() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_lock()
        await k.local_bh_disable()
        for form in ("", "_bh", "_sched", "_raw"):
            assert getattr(k, f"rcu_dereference{form}")(None) is None
        for form in ("_check", "_bh_check", "_sched_check", "_protected"):
            assert getattr(k, f"rcu_dereference{form}")(None, True) is None
        assert k.rcu_access_pointer(None) is None
        await k.local_bh_enable()
        k.rcu_read_unlock()

    assert run(scenario()(script)).clean


def test_what_lockdep_knows_of_readers_can_be_asked() -> None:
    async def script(k: Kernel, lockdep: bool = True) -> None:
        def held() -> tuple[bool, bool, bool, bool]:
            return (
                k.rcu_read_lock_held(),
                k.rcu_read_lock_bh_held(),
                k.rcu_read_lock_sched_held(),
                k.rcu_read_lock_any_held(),
            )

        if not lockdep:
            assert held() == (True,) * 4
            return
        assert held() == (False,) * 4
        k.rcu_read_lock()
        assert held() == (True, False, False, True)
        k.rcu_read_unlock()
        await k.local_bh_disable()
        assert held() == (False, True, True, True)
        await k.local_bh_enable()
        k.preempt_disable()
        assert held() == (False, False, True, True)
        await k.preempt_enable()

    assert run(scenario()(script)).clean
    assert run(scenario()(script), lockdep="n", PROVE_LOCKING="n").clean
