"""call_rcu() where the queue has grown long: __call_rcu_core(), and the end of rcu_do_batch()."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.rcu import seq
from rcuactors.rcu.callbacks import QHIMARK
from rcuactors.rcu.data import BLIMIT, RcuData

MANY = 10_000


def with_data(then: Callable[[Kernel, RcuData], Awaitable[None]], kernel: str = "v6.12", **settings: str) -> None:
    """Do it on a CPU, with what RCU knows of that."""

    @scenario()
    async def script(k: Kernel) -> None:
        await then(k, k.machine.gp.data[0])

    assert run(script, kernel=kernel, nr_cpus="2", **settings).clean


async def nothing() -> None:
    """A callback."""


def longest(rdp: RcuData) -> tuple[int, int, int]:
    return rdp.blimit, rdp.qlen_last_fqs_check, rdp.n_force_qs_snap


async def calls(k: Kernel, number: int) -> None:
    for _ in range(number):
        await k.call_rcu(nothing)


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12", "v7.3"])
def test_ten_thousand_more_begin_a_grace_period_at_once(kernel: str) -> None:
    """And if one goes on already, the limit of a batch is lifted, and that one is hurried."""

    async def then(k: Kernel, rdp: RcuData) -> None:
        gp = k.machine.gp
        k.preempt_disable()
        rdp.qlen_last_fqs_check = -QHIMARK + 2
        await calls(k, 2)
        assert (rdp.cblist.unassigned, gp.in_progress) == (2, False)
        await calls(k, 1)
        assert (rdp.cblist.unassigned, rdp.cblist.heads[0].seq) == (0, seq.INITIAL + 4)
        assert longest(rdp) == (BLIMIT, -QHIMARK + 2, 0)
        while not gp.in_progress:
            await k.udelay(10)
        forced = gp.n_force_qs
        await calls(k, 1)
        assert longest(rdp) == (MANY, 4, forced)
        assert rdp.cblist.unassigned == 1
        await k.preempt_enable()
        await k.rcu_barrier()
        assert longest(rdp)[:2] == (BLIMIT, 0)

    with_data(then, kernel)


def test_with_interrupts_off_nothing_is_hurried() -> None:
    async def then(k: Kernel, rdp: RcuData) -> None:
        rdp.qlen_last_fqs_check = -QHIMARK
        flags = k.local_irq_save()
        await calls(k, 2)
        assert (rdp.cblist.unassigned, rdp.blimit) == (2, BLIMIT)
        await k.local_irq_restore(flags)
        await k.rcu_barrier()

    with_data(then)


def test_a_scan_is_forced_once_for_as_many_more() -> None:
    """Only where no other has been since, and by who is not alone in the list."""
    forced: list[int] = []

    async def then(k: Kernel, rdp: RcuData) -> None:
        gp = k.machine.gp

        def force(_cpu: object) -> None:
            forced.append(len(rdp.cblist.heads))

        gp.rcu_force_quiescent_state = force  # type: ignore[method-assign]
        await k.call_rcu(nothing)
        await k.synchronize_rcu()
        await k.rcu_barrier()
        k.preempt_disable()
        gp.rcu_start_this_gp(k.machine.current.cpu, gp.gp_seq + 4)
        while not gp.in_progress:
            await k.udelay(10)
        for snap in (gp.n_force_qs, gp.n_force_qs, gp.n_force_qs + 1):
            rdp.qlen_last_fqs_check, rdp.n_force_qs_snap = -QHIMARK, snap
            await calls(k, 1)
            assert longest(rdp) == (MANY, rdp.cblist.n_cbs(), gp.n_force_qs)
        await k.preempt_enable()

    with_data(then)
    assert forced == [2]


def test_back_to_the_usual_limit() -> None:
    """With a hundred left; and to the usual patience, when there are far fewer than there were."""
    seen: list[tuple[int, int, int]] = []

    async def then(k: Kernel, rdp: RcuData) -> None:
        async def looks() -> None:
            seen.append((rdp.cblist.n_cbs(), rdp.blimit, rdp.qlen_last_fqs_check))

        for count, check in ((3, 20_000), (3, 10_000)):
            rdp.blimit, rdp.qlen_last_fqs_check = MANY, check
            await calls(k, count)
            await k.call_rcu(looks)
            await k.rcu_barrier()
            assert longest(rdp)[:2] == (BLIMIT, 0)

    with_data(then)
    assert [one[1:] for one in seen] == [(MANY, 20_000), (MANY, 10_000)]
