"""Modules that come and go (rcuactors/kapi/modules.py), and what module_unload promises of its settings."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.eras import ERAS
from rcuactors.userfiles import load_scenario

HAVE_THE_BARRIER = ("v6.12.0", "v6.12", "v6.18", "v7.3")


@pytest.mark.parametrize("kernel", ERAS)
@pytest.mark.parametrize("exit_waits", ["rcu_barrier", "kvfree_rcu_barrier", "none"])
def test_what_the_exit_function_forgets_is_found(kernel: str, exit_waits: str) -> None:
    """B16: rcu_barrier() does not wait for kvfree_rcu(); mended by 6c6c47b063b5 and kvfree_rcu_barrier()."""
    result = run(load_scenario("module_unload"), RunOptions(kernel=kernel), exit=exit_waits)
    objects_left = exit_waits in ("rcu_barrier", "none") and kernel not in HAVE_THE_BARRIER
    callback_left = exit_waits != "rcu_barrier"
    wanted = [ViolationKind.LEAK] * objects_left + [ViolationKind.USE_AFTER_FREE] * callback_left
    assert [found.kind for found in result.violations] == wanted
    for found in result.violations:
        if found.kind is ViolationKind.USE_AFTER_FREE:
            assert found.title == "BUG: unable to handle page fault for address: ffffffffc0000000"
            assert "drv_release() of the module drv was called after that was unloaded" in found.text


def test_the_data_of_a_module_is_gone_with_it() -> None:
    async def script(k: Kernel) -> None:
        module = await k.load_module("drv", data=128)
        k.deref(module.data)
        await k.delete_module(module)
        assert module.gone
        k.deref(module.data)

    result = run(scenario()(script))
    assert result.kinds == {ViolationKind.USE_AFTER_FREE}


def test_who_comes_while_it_is_there_runs_its_code() -> None:
    async def script(k: Kernel) -> None:
        module = await k.load_module("drv")

        async def callback() -> None:
            called.append(k.now)

        async def drv_exit() -> None:
            await k.rcu_barrier()

        await k.call_rcu(k.module_text(module, callback))
        await k.delete_module(module, drv_exit)

    called: list[int] = []
    assert run(scenario()(script)).clean
    assert len(called) == 1
