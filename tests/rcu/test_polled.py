"""Polled grace periods: cookies and their counters (rcuactors/rcu/polled.py, sequences.py, kapi/polled.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput
from rcuactors.rcu import seq
from rcuactors.rcu.sequences import PolledSequences

POLLING = [name for name, era in ERAS.items() if era.rules.rcu.polled_functions]
boot = scenario(early_boot=True)


def test_which_versions_can_poll() -> None:
    assert POLLING == ["v6.1.0", "v6.1-stable", "v6.6", "v6.12.0", "v6.12", "v6.18", "v7.3"]


# -- the functions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", POLLING)
def test_a_cookie_is_done_when_a_full_grace_period_has_passed(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        await k.msleep(200)
        assert not k.poll_state_synchronize_rcu(one)
        assert not k.poll_state_synchronize_rcu_full(full)
        await k.synchronize_rcu()
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)

    assert run(script, RunOptions(kernel=kernel)).clean


def test_a_grace_period_that_was_in_progress_does_not_do() -> None:
    async def script(k: Kernel) -> None:
        gp = k.machine.gp
        k.start_poll_synchronize_rcu()
        while not gp.in_progress:
            await k.udelay(1)
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        began = gp.completed
        while gp.completed == began:
            await k.msleep(1)
        assert not k.poll_state_synchronize_rcu(one)
        assert not k.poll_state_synchronize_rcu_full(full)
        await k.synchronize_rcu()
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)

    assert run(script, RunOptions(kernel="v6.12")).clean


@pytest.mark.parametrize("full", [False, True])
def test_only_start_poll_asks_for_the_grace_period(full: bool) -> None:
    async def script(k: Kernel) -> None:
        gp = k.machine.gp
        (k.get_state_synchronize_rcu_full if full else k.get_state_synchronize_rcu)()
        await k.msleep(500)
        assert not gp.completed
        if full:
            rgos = k.start_poll_synchronize_rcu_full()
        else:
            cookie = k.start_poll_synchronize_rcu()
        await k.msleep(500)
        assert gp.completed == 1
        assert k.poll_state_synchronize_rcu_full(rgos) if full else k.poll_state_synchronize_rcu(cookie)

    assert run(script, RunOptions(kernel="v6.12")).clean


def test_cookies_are_unsigned_longs_and_the_counter_wraps_behind_300_grace_periods() -> None:
    async def script(k: Kernel) -> None:
        full = k.get_state_synchronize_rcu_full()
        assert (full.rgos_norm, full.rgos_exp) == ((1 << 64) - 1196, 4)
        assert k.get_state_synchronize_rcu() == 4
        for _ in range(301):
            await k.synchronize_rcu()
        assert k.machine.gp.gp_seq == 4
        assert k.get_state_synchronize_rcu_full().rgos_norm == 8
        assert k.poll_state_synchronize_rcu_full(full)

    assert run(script, RunOptions(kernel="v6.12")).clean


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_before_there_was_polling_the_one_word_cookie_is_of_gp_seq(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        gp = k.machine.gp
        cookie = k.get_state_synchronize_rcu()
        assert cookie == (1 << 64) - 1196
        await k.cond_synchronize_rcu(cookie)
        assert gp.completed == 1
        await k.cond_synchronize_rcu(cookie)
        assert gp.completed == 1
        with pytest.raises(
            BadInput, match=rf"^poll_state_synchronize_rcu\(\): {kernel} has no such function; it came with v6.1$"
        ):
            k.poll_state_synchronize_rcu(cookie)

    assert run(script, RunOptions(kernel=kernel)).clean


def test_cond_waits_only_if_no_grace_period_has_passed_and_asks_about_sleep_only_then() -> None:
    async def script(k: Kernel) -> None:
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        await k.cond_synchronize_rcu(one)
        assert k.machine.gp.completed == 1
        k.preempt_disable()
        await k.cond_synchronize_rcu(one)
        await k.cond_synchronize_rcu_full(full)
        await k.preempt_enable()
        assert k.machine.gp.completed == 1
        await k.cond_synchronize_rcu_full(k.get_state_synchronize_rcu_full())
        assert k.machine.gp.completed == 2

    assert run(script, RunOptions(kernel="v6.12", settings={"DEBUG_ATOMIC_SLEEP": "y"})).clean


def test_completed_cookies_are_done_at_once_and_for_ever() -> None:
    async def script(k: Kernel) -> None:
        one, full = k.get_completed_synchronize_rcu(), k.get_completed_synchronize_rcu_full()
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)
        assert k.same_state_synchronize_rcu(one, k.get_completed_synchronize_rcu())
        assert not k.same_state_synchronize_rcu(one, k.get_state_synchronize_rcu())
        assert k.same_state_synchronize_rcu_full(k.get_state_synchronize_rcu_full(), k.get_state_synchronize_rcu_full())
        assert not k.same_state_synchronize_rcu_full(full, k.get_state_synchronize_rcu_full())

    assert run(script, RunOptions(kernel="v6.12")).clean


def test_a_cookie_of_the_other_form_is_refused_in_one_line() -> None:
    async def script(k: Kernel) -> None:
        with pytest.raises(
            BadInput, match=r"^poll_state_synchronize_rcu\(oldstate=RcuGpOldstate\): needs a whole number"
        ):
            k.poll_state_synchronize_rcu(k.get_state_synchronize_rcu_full())  # type: ignore[arg-type]
        with pytest.raises(BadInput, match=r"^poll_state_synchronize_rcu_full\(rgosp=4\): needs what"):
            k.poll_state_synchronize_rcu_full(4)  # type: ignore[arg-type]

    assert run(script, RunOptions(kernel="v6.12")).clean


@pytest.mark.parametrize(("kernel", "told"), [("v6.1-stable", 1), ("v6.12", 1), ("v6.18", 0)])
def test_until_v6_18_start_poll_wants_interrupts_on(kernel: str, told: int) -> None:
    async def script(k: Kernel) -> None:
        flags = k.local_irq_save()
        k.get_state_synchronize_rcu()
        k.start_poll_synchronize_rcu()
        await k.local_irq_restore(flags)

    result = run(script, RunOptions(kernel=kernel))
    assert len(result.violations) == told
    assert all("start_poll_synchronize_rcu_common" in violation.text for violation in result.violations)


# -- early boot --------------------------------------------------------------------------------------------------------


def test_in_early_boot_the_caller_is_the_grace_period_and_the_counters_know() -> None:
    async def script(k: Kernel) -> None:
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        assert not k.poll_state_synchronize_rcu(one)
        await k.cond_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)
        assert k.machine.gp.gp_seq == seq.INITIAL + 4
        await k.rcu_scheduler_running()
        cookie = k.get_state_synchronize_rcu()
        await k.synchronize_rcu()
        assert k.poll_state_synchronize_rcu(cookie)

    assert run(boot(script), RunOptions(kernel="v6.12")).clean


def test_before_v6_1_early_boot_left_no_trace() -> None:
    async def script(k: Kernel) -> None:
        cookie = k.get_state_synchronize_rcu()
        await k.synchronize_rcu()
        assert k.get_state_synchronize_rcu() == cookie
        await k.rcu_scheduler_running()

    assert run(boot(script), RunOptions(kernel="v5.11")).clean


def test_an_expedited_one_of_early_boot_is_counted_too() -> None:
    async def script(k: Kernel) -> None:
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        await k.synchronize_rcu_expedited()
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)
        assert k.machine.gp.gp_seq == seq.INITIAL
        await k.rcu_scheduler_running()

    assert run(boot(script), RunOptions(kernel="v6.12")).clean


def test_a_grace_period_that_is_asked_for_in_early_boot_begins_when_its_kthread_is_there() -> None:
    async def script(k: Kernel) -> None:
        cookie = k.start_poll_synchronize_rcu()
        await k.udelay(20_000)
        assert not k.machine.gp.in_progress
        assert not k.poll_state_synchronize_rcu(cookie)
        await k.rcu_scheduler_running()
        await k.msleep(100)
        assert k.poll_state_synchronize_rcu(cookie)

    assert run(boot(script), RunOptions(kernel="v6.12")).clean


# -- expedited ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v6.1-stable", "v6.12"])
def test_an_expedited_grace_period_satisfies_both_forms(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        gp = k.machine.gp
        one, full = k.get_state_synchronize_rcu(), k.get_state_synchronize_rcu_full()
        await k.cond_synchronize_rcu_expedited(one)
        assert (gp.completed, gp.expedited_sequence) == (0, 4)
        assert k.poll_state_synchronize_rcu(one)
        assert k.poll_state_synchronize_rcu_full(full)
        await k.cond_synchronize_rcu_expedited_full(full)
        assert gp.expedited_sequence == 4
        await k.cond_synchronize_rcu_expedited_full(k.get_state_synchronize_rcu_full())
        assert (gp.completed, gp.expedited_sequence) == (0, 8)

    assert run(script, RunOptions(kernel=kernel)).clean


# -- gp_seq_polled -----------------------------------------------------------------------------------------------------


def test_of_two_that_overlap_the_first_begins_it_and_the_first_that_ends_ends_it() -> None:
    """A normal one, and an expedited one that begins and ends within it: the cookie of before is satisfied by that."""
    polled = PolledSequences()
    cookie = seq.snap(polled.gp_seq_polled)
    polled.normal_begins()
    polled.expedited_begins()
    assert polled.gp_seq_polled == 1
    polled.expedited_ends()
    assert seq.done(polled.gp_seq_polled, cookie)
    later = seq.snap(polled.gp_seq_polled)
    polled.normal_ends()
    assert not seq.done(polled.gp_seq_polled, later)


def test_one_that_begins_while_another_is_counted_and_outlives_it_does_not_count_twice() -> None:
    polled = PolledSequences()
    polled.expedited_begins()
    polled.expedited_ends()
    assert (polled.gp_seq_polled, polled.expedited_sequence) == (4, 4)
    polled.normal_begins()
    polled.expedited_begins()
    polled.normal_ends()
    assert polled.gp_seq_polled == 8
    within = seq.snap(polled.gp_seq_polled)
    polled.expedited_ends()
    assert not seq.done(polled.gp_seq_polled, within)
    assert polled.expedited_sequence == 8


# -- polled expedited ones ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [{}, {"rcu_fanout": "2", "rcu_fanout_leaf": "2"}])
@pytest.mark.parametrize("kernel", POLLING)
def test_an_expedited_one_that_is_asked_for_comes_by_itself_and_soon(kernel: str, shape: dict[str, str]) -> None:
    """start_poll_synchronize_rcu_expedited(): the leaf's work on rcu_gp_wq waits for it (sync_rcu_do_polled_gp())."""

    async def script(k: Kernel) -> None:
        async def asks() -> None:
            began = k.now
            one = await k.start_poll_synchronize_rcu_expedited()
            full = await k.start_poll_synchronize_rcu_expedited_full()
            while not (k.poll_state_synchronize_rcu(one) and k.poll_state_synchronize_rcu_full(full)):
                await k.usleep_range(50, 51)
            assert k.now - began < 1_000_000
            await k.cond_synchronize_rcu_expedited(one)
            await k.cond_synchronize_rcu_expedited_full(full)

        for task in [await k.kthread_run(asks, cpu=cpu) for cpu in range(4)]:
            await k.kthread_join(task)
        assert k.machine.gp.completed == 0
        assert 0 < k.machine.callbacks.expedited.completed <= 8

    assert run(script, RunOptions(kernel=kernel, settings={"nr_cpus": "4", **shape})).clean


def test_a_polled_expedited_one_waits_for_readers_and_is_asked_for_with_anything_off() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def reader() -> None:
            with k.rcu_reader():
                q = k.rcu_dereference(p)
                await k.udelay(3000)
                k.deref(q)

        task = await k.kthread_run(reader, cpu=1)
        await k.udelay(100)
        flags = k.local_irq_save()
        one = await k.start_poll_synchronize_rcu_expedited()
        await k.local_irq_restore(flags)
        while not k.poll_state_synchronize_rcu(one):
            await k.usleep_range(50, 51)
        assert k.now > 3_000_000
        await k.kfree(p)
        await k.kthread_join(task)

    settings = {"nr_cpus": "2", "PROVE_RAW_LOCK_NESTING": "y"}
    assert run(script, RunOptions(kernel="v6.12", settings=settings)).clean


def test_before_v6_1_there_were_none() -> None:
    async def script(k: Kernel) -> None:
        with pytest.raises(BadInput, match=r"start_poll_synchronize_rcu_expedited.*v6\.1"):
            await k.start_poll_synchronize_rcu_expedited()

    run(script, RunOptions(kernel="v5.11"))
