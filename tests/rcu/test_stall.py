"""Grace periods that do not end, in the kernel's words (rcuactors/rcu/stall.py)."""

from __future__ import annotations

import re

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario

from .regions import region

MS = 1_000_000
SECONDS = 10


def stalled(how: str, kernel: str = "v6.1-stable", **settings: str) -> list[str]:
    """The text of each report of a reader of CPU 1 that takes ten seconds, as F8 of the recordings has it."""

    async def script(k: Kernel) -> None:
        entered: list[bool] = []

        async def long_time() -> None:
            for _ in range(SECONDS * 1000):
                await k.udelay(1000)

        async def reader() -> None:
            k.rcu_read_lock()
            entered.append(True)
            if how == "pre":
                await k.udelay(50_000)
            elif how == "sleep":
                await k.msleep(SECONDS * 1000)
            else:
                within = region(k, how)
                await within(k, True)
                await long_time()
                await within(k, False)
            k.rcu_read_unlock()

        await k.kthread_run(reader, cpu=1, name="q_reader")
        while not entered:
            await k.udelay(10)
        if how == "pre":
            await k.kthread_run(long_time, cpu=1, urgent=True, name="q_hog")
        began = k.now
        await k.synchronize_rcu()
        assert 9900 < (k.now - began) / MS < 10_400

    options = RunOptions(kernel=kernel, max_steps=30_000_000, settings={"rcu_cpu_stall_timeout": "3", **settings})
    return [each.text for each in run(scenario()(script), options).violations if each.kind is ViolationKind.RCU_STALL]


def test_of_a_reader_that_was_preempted() -> None:
    (text,) = stalled("pre")
    lines = text.split("\n")
    assert lines[:4] == [
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-1): P21/1:b..l",
        "\t(detected by 0, t=2002 jiffies, g=-1199, q=1 ncpus=2)",
        "task:q_reader        state:R  running task     stack:0     pid:21    ppid:2      flags:0x00004000",
    ]
    assert "reader (test_stall.py:" in text


def test_of_one_that_was_preempted_and_runs_only_its_number_is_told() -> None:
    (text,) = stalled("nothing", PREEMPT_RT="y")
    assert "(CPUs 0-1): P21\n" in text


def test_a_cpu_that_is_waited_for_tells_on_itself() -> None:
    (text,) = stalled("preempt_disable")
    lines = text.split("\n")
    assert lines[0] == "rcu: INFO: rcu_preempt self-detected stall on CPU"
    found = re.fullmatch(
        r"rcu: \t1-\.\.\.\.: \((\d+) ticks this GP\) idle=[0-9a-f]{4}/1/0x4000000000000000 "
        r"softirq=(\d+)/(\d+) fqs=(\d+)",
        lines[1],
    )
    assert found is not None
    # Recorded: 1978 ticks, 994 scans.
    assert 1950 < int(found[1]) <= 2000
    assert 980 < int(found[4]) <= 1000
    assert lines[2] == "\t(t=2000 jiffies g=-1199 q=1 ncpus=2)"
    assert lines[3].startswith("CPU: 1 PID: 21 Comm: q_reader")


def test_a_cpu_without_ticks_is_told_of_by_another_one_two_jiffies_later() -> None:
    (text,) = stalled("local_irq_disable")
    lines = text.split("\n")
    assert lines[0] == "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"
    assert re.match(r"rcu: \t1-\.\.\.\.: \(\d+ ticks this GP\)", lines[1])
    assert lines[2] == "\t(detected by 0, t=2002 jiffies, g=-1199, q=1 ncpus=2)"
    assert lines[3] == "NMI backtrace for cpu 1"


@pytest.mark.parametrize("how", ["preempt_disable", "local_irq_disable"])
def test_on_rt_a_grace_period_that_cannot_begin_is_no_stall(how: str) -> None:
    """Recorded of f8 v=preempt: the kthread was put behind a reader whom it cannot preempt."""
    assert stalled(how, PREEMPT_RT="y") == []
    assert len(stalled("spin", PREEMPT_RT="y")) == 1


def test_a_sleeping_reader_is_in_the_list_as_well() -> None:
    (text,) = stalled("sleep")
    assert "(CPUs 0-1): P21/1:b..l\n" in text


@pytest.mark.parametrize(("kernel", "last"), [("v5.9", "q=1)"), ("v5.11", "q=1)"), ("v6.1-stable", "q=1 ncpus=2)")])
def test_how_many_cpus_are_online_is_told_by_later_kernels(kernel: str, last: str) -> None:
    (text,) = stalled("sleep", kernel)
    assert f"(detected by 0, t=2002 jiffies, g=-1199, {last}\n" in text


def test_five_seconds_more_under_prove_rcu() -> None:
    (text,) = stalled("sleep", PROVE_LOCKING="n")
    assert "(detected by 0, t=752 jiffies," in text


def test_without_preemption_the_flavour_has_another_name() -> None:
    (text,) = stalled("nothing", PREEMPT="n")
    assert text.startswith("rcu: INFO: rcu_sched self-detected stall on CPU\n")


@pytest.mark.parametrize("settings", [{}, {"PROVE_LOCKING": "n"}])
def test_one_that_is_told_a_second_time_is_taken_for_endless(settings: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        never = k.completion("never")

        async def reader() -> None:
            with k.rcu_reader():
                await k.wait_for_completion(never)

        await k.kthread_run(reader, cpu=1)
        await k.synchronize_rcu()

    result = run(scenario()(script), **settings)
    assert [each.kind for each in result.violations][-3:] == [
        ViolationKind.RCU_STALL,
        ViolationKind.RCU_STALL,
        ViolationKind.DEADLOCK,
    ]
    first, second = (each.time_ns / 1e9 for each in result.violations[-3:-1])
    timeout = 21 if settings else 26
    assert first == pytest.approx(timeout, abs=0.1)
    assert second - first == pytest.approx(3 * timeout, abs=0.1)
