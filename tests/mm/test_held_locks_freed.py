"""Freeing memory with a held lock in it (rcuactors/mm/objects.py, members_go())."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.eras import ERAS


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("way", ["kfree", "kfree_bulk", "vfree", "kvfree"])
@pytest.mark.parametrize("held", ["inside", "beside", "released"])
def test_only_a_lock_inside_that_this_thread_holds_is_reported(kernel: str, way: str, held: str) -> None:
    async def script(k: Kernel) -> None:
        p = await (k.vmalloc(64) if way == "vfree" else k.kmalloc(64))
        other = await k.kmalloc(64)
        lock, beside = k.mutex("in it", inside=p), k.mutex("in the other", inside=other)
        assert (len(p.members), len(other.members)) == (1, 1)
        wanted = beside if held == "beside" else lock
        await k.mutex_lock(wanted)
        if held == "released":
            await k.mutex_unlock(wanted)
        await (k.kfree_bulk([p]) if way == "kfree_bulk" else getattr(k, way)(p))
        if held != "released":
            await k.mutex_unlock(wanted)
        await k.kfree(other)

    result = run(scenario()(script), RunOptions(kernel=kernel))
    if held == "inside":
        # The lock is let go after that, which is a use of the freed object.
        assert result.outcome() == "held-lock-freed, use-after-free"
        assert [violation.by for violation in result.violations] == ["kernel", "oracle"]
        assert "with a lock still held there!" in result.violations[0].text
        assert "(in it)" in result.violations[0].text
    else:
        assert result.clean


def test_without_lockdep_nobody_looks() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        lock = k.mutex("in it", inside=p)
        await k.mutex_lock(lock)
        await k.kfree(p)
        await k.mutex_unlock(lock)

    assert run(scenario()(script), PROVE_LOCKING="n").outcome() == "use-after-free"
