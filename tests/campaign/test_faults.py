"""Faults in a campaign's runs: drawn for some of them, told with what is found, and found with by nothing else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import attrs
import pytest

from rcuactors.campaign.plan import Plan, draw, loaded
from rcuactors.campaign.runner import run_campaign
from rcuactors.campaign.tally import Tally, tally_lines
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.messages import Nmi
from rcuactors.lab.faults import FAULTS
from tests.campaign.test_campaign import CALLERS, tally_of
from tests.cli.conftest import call_cli

CACHE = """
from rcuactors import GFP_KERNEL, Kernel, scenario


@scenario()
async def asks_in_its_shrinkers_lock(k: Kernel) -> None:
    lock = k.mutex("cache")

    async def count() -> int:
        await k.mutex_lock(lock)
        await k.mutex_unlock(lock)
        return 0

    async def scan(_number: int) -> int:
        return 0

    await k.register_shrinker("cache", count, scan)
    for _ in range(20):
        await k.mutex_lock(lock)
        page = await k.get_free_page(GFP_KERNEL)
        await k.mutex_unlock(lock)
        await k.free_page(page)
"""


def test_each_is_drawn_for_some_runs_and_what_scenario_or_plan_says_stays() -> None:
    parts = [draw(Plan(), number) for number in range(1200)]
    for fault in FAULTS.values():
        having = [part for part in parts if fault.name in part.faults]
        assert 0 < len(having) < len(parts) // 2, fault.name
        assert not any(fault.setting in loaded(part.scenario).settings for part in having), fault.name
    assert any(not part.faults for part in parts)
    takes_cpus_down = [part for part in parts if part.scenario in ("churn", "cpu_goes_offline")]
    assert takes_cpus_down
    assert not any("hotplug" in part.faults for part in takes_cpus_down)
    plan = Plan(settings={"spurious_nmis": "n"})
    assert {draw(plan, number).options.settings["spurious_nmis"] for number in range(200)} == {"n"}


def test_a_planted_bug_that_needs_one_is_found_with_it_only_and_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An NMI leaves preemption off for good. These scenarios send none."""
    plan, runs = Plan(kernels=("v6.12",), scenarios=CALLERS), 60
    assert tally_of(plan, 0, runs).in_order

    usual = Cpu.post_nmi

    def planted(cpu: Cpu, message: Nmi) -> None:
        async def handler(on: Cpu) -> None:
            await message.handler(on)
            on.ctx.preempt_count += 1

        usual(cpu, attrs.evolve(message, handler=handler))

    monkeypatch.setattr(Cpu, "post_nmi", planted)
    judged = list(run_campaign(plan, 0, runs))
    found = [one for one in judged if not one.in_order]
    assert found
    assert all("nmi" in one.part.faults for one in found)
    tally = Tally(plan, 0)
    for one in judged:
        tally.take(one)
    told = [line for line in tally_lines(tally) if "scheduling-while-atomic" in line]
    assert told
    assert all(", with " in line and "nmi" in line.rpartition(", with ")[2] for line in told)


def test_what_a_file_has_wrong_is_found_with_its_fault_and_shown_by_the_command(tmp_path: Path) -> None:
    """It is right as long as nobody reclaims."""
    path = tmp_path / "cache.py"
    path.write_text(CACHE)
    words = ["campaign", str(path), "--kernel", "v6.12", "--build", "prove", "--runs", "60", "--jobs", "1"]
    found = json.loads(call_cli(*words, "--json").stdout)
    assert sum(found["by_fault"].values()) >= found["runs"] == 60
    assert all("reclaim" in news["faults"] for news in found["news"])
    news = next(news for news in found["news"] if news["kind"] == "recursive-locking")
    assert news["runs"] <= found["by_fault"]["reclaim"]
    program, *again = shlex.split(news["command"])
    assert program == "rcuactors"
    shown = call_cli(*again)
    assert shown.exit_code == 1
    assert "possible recursive locking" in shown.stdout
    without = [word.replace("reclaim_now=y", "reclaim_now=n") for word in again]
    assert without != again
    assert call_cli(*without).exit_code == 0
    assert call_cli(*words, "--set", "reclaim_now=n").exit_code == 0
