"""One step of an SRCU grace period after the other (rcuactors/rcu/srcu_gp.py): process_srcu(), called by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.rcu.srcu_struct import IDLE, SCAN1, SCAN2, SrcuStruct

JIFFY = 4_000_000


def with_srcu(then: Callable[[Kernel, SrcuStruct], Awaitable[None]], kernel: str = "v6.12") -> None:
    """Do it with an srcu_struct that nobody uses."""

    @scenario()
    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("srcu")
        await then(k, ssp)
        await k.cleanup_srcu_struct(ssp)

    assert run(script, kernel=kernel, nr_cpus="2", HZ="250").clean


def state(ssp: SrcuStruct) -> tuple[int, int, int]:
    """How many grace periods have ended, the phase of the one that goes on, and how often the index was flipped."""
    return ssp.gp_seq >> 2, ssp.state, ssp.idx


async def step(k: Kernel, ssp: SrcuStruct) -> bool:
    """process_srcu(); whether it is to be called again, by the work, which is taken back."""
    await k.machine.srcu.gp.process_srcu(k.machine.current, ssp)
    return await k.cancel_delayed_work(ssp.work)


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12", "v7.3"])
def test_with_no_reader_it_is_over_in_one_step(kernel: str) -> None:
    async def then(k: Kernel, ssp: SrcuStruct) -> None:
        assert not await step(k, ssp)
        assert state(ssp) == (0, IDLE, 0), "nobody has asked"
        ssp.gp_seq_needed = 4
        assert not await step(k, ssp)
        assert state(ssp) == (1, IDLE, 1)
        assert (ssp.last_gp_end_ns > 0, ssp.gp_seq_needed_exp) == (True, 4)
        ssp.gp_seq_needed = 12
        assert await step(k, ssp)
        assert state(ssp) == (2, SCAN1, 2), "and the next one has begun"
        assert ssp.gp_start == k.now // JIFFY
        assert not await step(k, ssp)
        assert state(ssp) == (3, IDLE, 3)

    with_srcu(then, kernel)


def test_it_waits_for_the_other_index_first_then_for_the_one_that_was_in_use() -> None:
    async def then(k: Kernel, ssp: SrcuStruct) -> None:
        old = k.srcu_read_lock(ssp)
        ssp.gp_seq_needed = 4
        assert await step(k, ssp)
        assert state(ssp) == (0, SCAN2, 1), "who reads under index 0 is not in the way of the first look"
        new = k.srcu_read_lock(ssp)
        assert (old, new) == (0, 1)
        assert await step(k, ssp)
        assert state(ssp) == (0, SCAN2, 1)
        k.srcu_read_unlock(ssp, old)
        assert not await step(k, ssp)
        assert state(ssp) == (1, IDLE, 1)
        ssp.gp_seq_needed = 8
        late = k.srcu_read_lock(ssp)
        assert late == 1
        assert await step(k, ssp)
        assert state(ssp) == (1, SCAN2, 2)
        k.srcu_read_unlock(ssp, new)
        assert await step(k, ssp)
        k.srcu_read_unlock(ssp, late)
        assert not await step(k, ssp)
        assert state(ssp) == (2, IDLE, 2)

    with_srcu(then)


def test_it_stays_in_its_first_look_while_somebody_is_in_under_the_old_index() -> None:
    async def then(k: Kernel, ssp: SrcuStruct) -> None:
        idx = k.srcu_read_lock(ssp)
        ssp.idx = 1
        ssp.gp_seq_needed = 4
        for _ in range(2):
            assert await step(k, ssp)
            assert state(ssp) == (0, SCAN1, 1)
        k.srcu_read_unlock(ssp, idx)
        assert not await step(k, ssp)
        assert state(ssp) == (1, IDLE, 2)

    with_srcu(then)


@pytest.mark.parametrize(("expedited", "looks"), [(False, (1, 2)), (True, (2, 3))])
def test_an_expedited_one_looks_once_more(expedited: bool, looks: tuple[int, int]) -> None:
    """Five microseconds later each time; the second look of any has one more."""

    async def then(k: Kernel, ssp: SrcuStruct) -> None:
        idx = k.srcu_read_lock(ssp)
        ssp.gp_seq_needed = 4
        ssp.gp_seq_needed_exp = 4 if expedited else 0
        ssp.gp_seq = SCAN1
        ssp.gp_start = k.now // JIFFY
        for state_, index, count in ((SCAN1, 1, looks[0]), (SCAN2, 1, looks[1])):
            ssp.set_state(state_)
            ssp.idx = index
            before = k.now
            assert await step(k, ssp)
            assert (k.now - before) // 5000 == count - 1
        k.srcu_read_unlock(ssp, idx)
        assert not await step(k, ssp)

    with_srcu(then)


@pytest.mark.parametrize(
    ("kernel", "waits"), [("v5.9", [1, 1, 1, 1, 1]), ("v6.12", [1, 1, 2, 4, 10]), ("v7.3", [1, 1, 2, 4, 10])]
)
def test_it_looks_less_often_the_longer_it_takes(kernel: str, waits: list[int]) -> None:
    """srcu_get_delay(): in jiffies, ten at most; an expedited one a jiffy less."""

    async def then(k: Kernel, ssp: SrcuStruct) -> None:
        delay = k.machine.srcu.gp.delay
        ssp.gp_start, ssp.gp_seq = 100, SCAN1
        clocks = [jiffies * JIFFY for jiffies in (100, 101, 102, 104, 200)]
        assert [delay(ssp, clock) for clock in clocks] == waits
        ssp.gp_seq_needed_exp = 4
        assert [delay(ssp, clock) for clock in clocks] == [wait - (wait < 10) for wait in waits]
        ssp.gp_seq = IDLE
        assert delay(ssp, clocks[-1]) == 0
        ssp.gp_seq_needed_exp = 0
        assert delay(ssp, clocks[-1]) == 1

    with_srcu(then, kernel)
