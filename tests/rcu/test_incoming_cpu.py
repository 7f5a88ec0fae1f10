"""A grace period that waits for a CPU which only now comes (rcuactors/rcu/hotplug.py, rcu_cpu_starting()).

The masks of the tree keep that from happening; here it is put in.
"""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.eras import ERAS

WARNING = "WARNING: WARN_ON(rnp->qsmask & mask) at {}"


@pytest.mark.parametrize("kernel", list(ERAS))
def test_it_is_told_and_its_quiescent_state_reported(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        gp = k.machine.gp
        await k.cpu_down(1)
        leaf = gp.tree.mynode(1)

        async def reader() -> None:
            k.rcu_read_lock()
            while not (gp.in_progress and leaf.qsmask):
                await k.udelay(10)
            await k.usleep_range(1000, 1000)
            leaf.qsmask[1] = k.machine.system.cpu(1)
            gp.data[1].rcu_urgent_qs = True
            await k.usleep_range(9000, 9000)
            assert 1 not in leaf.qsmask
            assert not gp.data[1].rcu_urgent_qs
            assert gp.in_progress
            k.rcu_read_unlock()

        async def waits() -> None:
            await k.synchronize_rcu()

        async with k.open_nursery() as nursery:
            await nursery.start_soon(waits, cpu=0)
            await nursery.start_soon(reader, cpu=0)
            while 1 not in leaf.qsmask:
                await k.usleep_range(50, 50)
            await k.cpu_up(1)

    result = run(script, kernel=kernel, nr_cpus="2")
    rules = ERAS[kernel].rules.rcu
    told = [found.title for found in result.violations if "qsmask" in found.title]
    assert told == ([WARNING.format(rules.cpu_starting)] if rules.incoming_cpu_warns else [])
