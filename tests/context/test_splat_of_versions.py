"""How each version words what all reports share (context/splat_rules.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.eras import ERAS

TOLD_TWICE = {"nr_cpus": "1", "PROVE_LOCKING": "n", "DEBUG_OBJECTS_TIMERS": "y", "DEBUG_OBJECTS_FREE": "y"}


@scenario()
async def two_warnings(k: Kernel) -> None:
    """Two WARN()s, one after the other."""
    first, second = await k.kmalloc(64), await k.kmalloc(64)
    await k.vfree(second)
    await k.vfree(second)
    await k.kfree(first)
    await k.kfree(second)


HEADS = {
    "v5.9": "CPU: 0 PID: {pid} Comm: {comm} Not tainted 5.9.0 #1",
    "v6.1-stable": "CPU: 0 PID: {pid} Comm: {comm} Not tainted 6.1.192 #1",
    "v6.6": "CPU: 0 PID: {pid} Comm: {comm} Not tainted 6.6.0 #1",
    # As 6.12.117 prints it, but for the O of the module that asked it.
    "v6.12": "CPU: 0 UID: 0 PID: {pid} Comm: {comm} Tainted: G        W          6.12.117 #1",
    "v6.18": "CPU: 0 UID: 0 PID: {pid} Comm: {comm} Tainted: G        W           6.18.0 #1 PREEMPT(full)",
}


@pytest.mark.parametrize("kernel", list(HEADS))
def test_the_line_of_who_and_where(kernel: str) -> None:
    result = run(two_warnings, kernel=kernel, **TOLD_TWICE)
    text = result.violations[-1].text
    (head,) = (line for line in text.splitlines() if line.startswith("CPU: "))
    who = head.partition("PID: ")[2].split()
    assert head == HEADS[kernel].format(pid=who[0], comm=who[2])
    assert ("Tainted: [W]=WARN" in text.splitlines()) is ("Tainted:" in head)


def test_the_first_warning_finds_a_kernel_that_is_not_tainted() -> None:
    first = run(two_warnings, kernel="v6.12", **TOLD_TWICE).violations[0].text
    assert "Not tainted 6.12.117 #1" in first
    assert "[W]=WARN" not in first


@pytest.mark.parametrize("kernel", list(ERAS))
def test_warn_says_where_and_on_which_cpu(kernel: str) -> None:
    said = run(two_warnings, kernel=kernel, **TOLD_TWICE).violations[0].text.splitlines()[2]
    assert said.startswith("WARNING: at remove_vm_area, CPU#0: " if kernel == "v7.3" else "WARNING: CPU: 0 PID: ")


@pytest.mark.parametrize(("kernel", "named"), [("v6.1-stable", False), ("v6.6", True), ("v6.12", True)])
def test_debug_objects_name_the_address_since_c4db2d3b70e5(kernel: str, named: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", timer=k.timer_list(nothing)))
        await k.mod_timer(p.timer, 5)
        await k.kfree(p)

    assert ("object: ffff" in run(script, kernel=kernel, **TOLD_TWICE).violations[0].title) is named


async def nothing(_timer: object) -> None:
    """A timer's function."""
