"""A campaign's runs: what is drawn, what is known, how it is told (rcuactors/campaign). And the campaign itself.

`python -m pytest -m campaign tests/campaign` is the long form, 40,000 runs; that of docs/campaign.md is one command.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from click.testing import Result

from rcuactors import BadInput, run
from rcuactors.builds import BUILDS
from rcuactors.campaign.judge import Judged, try_part
from rcuactors.campaign.plan import VARIATIONS, Plan, draw, loaded
from rcuactors.campaign.runner import run_campaign
from rcuactors.campaign.tally import Tally, tally_lines
from rcuactors.context.lockdep import chain_validation, wait_context
from rcuactors.eras import ERAS, find_era
from rcuactors.kvfree import drain
from rcuactors.kvfree.drain import take_batch
from rcuactors.kvfree.krc import Batch
from rcuactors.rcu.nodes import RcuTree
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import find_scenarios
from tests.cases.table import read_cases
from tests.cli.conftest import call_cli

SHORT, LONG, A_PART = 144, 40_000, 1000


def tally_of(plan: Plan, first: int, runs: int, jobs: int = 1) -> Tally:
    tally = Tally(plan, first)
    for judged in run_campaign(plan, first, runs, jobs):
        tally.take(judged)
    return tally


# -- the campaign --------------------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kernel", ERAS)
def test_the_short_form_finds_nothing_that_is_not_known(kernel: str) -> None:
    tally = tally_of(Plan(kernels=(kernel,)), 0, SHORT // len(ERAS))
    assert tally.in_order, "\n".join(tally_lines(tally))
    assert tally.runs == tally.by_kernel[kernel] == SHORT // len(ERAS)


def test_mended_the_public_reports_are_clean_on_every_version_and_build() -> None:
    """tests/cases, of which not every scenario looks at what an allocation returns."""
    mended = tuple(dict.fromkeys(str(case.path) for case in read_cases()))
    plan = Plan(scenarios=mended, settings={"fixed": "y", "fail_page_alloc": "0"})
    tally = tally_of(plan, 0, SHORT)
    assert tally.in_order, "\n".join(tally_lines(tally))


@pytest.mark.campaign
@pytest.mark.parametrize("first", range(0, LONG, A_PART))
def test_the_long_form_finds_nothing_that_is_not_known(first: int) -> None:
    tally = tally_of(Plan(), first, A_PART)
    assert tally.in_order, "\n".join(tally_lines(tally))


# -- what is drawn -------------------------------------------------------------------------------------------


def test_a_run_is_a_function_of_plan_and_number() -> None:
    drawn = [draw(Plan(), number) for number in range(50)]
    assert drawn == [draw(Plan(), number) for number in range(50)]
    assert len({part.command for part in drawn}) == 50
    assert drawn != [draw(Plan(seed=1), number) for number in range(50)]


def test_all_that_there_is_is_drawn() -> None:
    parts = [draw(Plan(), number) for number in range(2000)]
    assert {part.scenario for part in parts} == set(find_scenarios()) - {"driver_thread_sleeps"}
    assert {(part.options.kernel, part.build) for part in parts} == {(era, build) for era in ERAS for build in BUILDS}
    assert {(part.options.kernel, part.options.design) for part in parts} == {
        ("v5.9", "direct"),
        *((era, None) for era in ERAS),
    }
    for variation in VARIATIONS:
        seen = {part.options.settings.get(variation.name) for part in parts}
        assert seen >= {None, *variation.values}, variation.name


def test_a_scenario_keeps_what_it_needs_and_the_user_has_the_last_word() -> None:
    plan = Plan(scenarios=("flood", "reader_holds_object"), settings={"objects": "7", "HZ": "1000"})
    for number in range(200):
        part = draw(plan, number)
        settings = part.options.settings
        assert settings["HZ"] == "1000"
        assert settings.get("objects") == ("7" if part.scenario == "flood" else None)
        assert not set(loaded(part.scenario).settings) & set(settings)


def test_what_is_not_drawn_is_named() -> None:
    said = "  not drawn: driver_thread_sleeps, whose bug is a deadlock that nothing tells from news"
    assert said in tally_lines(Tally(Plan(), 0))
    assert "driver_thread_sleeps" not in Plan().scenarios
    for named in (("churn",), ("driver_thread_sleeps", "churn")):
        assert not any("not drawn" in line for line in tally_lines(Tally(Plan(scenarios=named), 0)))


def test_numbers_are_small_and_large() -> None:
    drawn = [int(draw(Plan(scenarios=("flood",)), number).options.settings["objects"]) for number in range(300)]
    assert min(drawn) < 5
    assert 700 < max(drawn) <= 1500
    assert sorted(drawn)[150] < 100


@pytest.mark.parametrize(
    "words", [{"scenarios": ("floot",)}, {"settings": {"objetcs": "7"}}, {"kernels": ("v5.9",), "settings": {"X": "y"}}]
)
def test_what_there_is_not_is_bad_input(words: dict) -> None:
    with pytest.raises(BadInput):
        Plan(**words)


# -- waste ---------------------------------------------------------------------------------------------------


def test_planted_waste_is_found_and_its_command_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """v6.6 without 021a5ff84743: a cache that is off is asked for pages. None of it needs a look."""
    plan = Plan(scenarios=("cold_cache_burst",), kernels=("v6.6",), settings={"rcu_min_cached_objs": "0"})
    sound = tally_of(plan, 0, 6)
    assert ("v6.6", "refills_for_nothing") not in sound.waste

    era = find_era("v6.6")
    refill = attrs.evolve(era.rules.kvfree.refill, asks_without_cache=True)
    rules = attrs.evolve(era.rules, kvfree=attrs.evolve(era.rules.kvfree, refill=refill))
    monkeypatch.setitem(ERAS, "v6.6", attrs.evolve(era, rules=rules))
    planted = tally_of(plan, 0, 6)
    assert planted.in_order
    wasted = planted.waste["v6.6", "refills_for_nothing"]
    assert wasted.runs == 6
    assert 0 < wasted.most <= wasted.times
    again = run(RunSpec.from_json(wasted.worst.spec.to_json()))
    assert again.waste["refills_for_nothing"] == wasted.most
    program, *words = shlex.split(wasted.worst.command)
    assert program == "rcuactors"
    assert json.loads(call_cli(*words, "--json").stdout)["waste"] == again.waste


def test_waste_is_told_to_who_seeks_it_and_changes_no_exit_status() -> None:
    words = ["campaign", "cold_cache_burst", "--kernel", "v6.1-stable", "--set", "rcu_min_cached_objs=0"]
    words += ["--build", "plain", "--runs", "3", "--jobs", "1"]
    plain, sought = call_cli(*words), call_cli(*words, "--seek", "waste")
    assert (plain.exit_code, sought.exit_code) == (0, 0)
    assert "waste" not in plain.stdout
    assert sought.stdout.startswith(plain.stdout)
    told = sought.stdout.partition("waste, which is no violation:\n")[2].splitlines()
    (at,) = [at for at, line in enumerate(told) if line.startswith("  v6.1-stable refills_for_nothing: ")]
    assert told[at + 1].startswith("    rcuactors run cold_cache_burst --kernel v6.1-stable ")
    document = json.loads(call_cli(*words, "--json", "--seek", "waste").stdout)
    (found,) = [row for row in document["waste"] if row["name"] == "refills_for_nothing"]
    assert found["runs"] == 3
    assert "waste" not in json.loads(call_cli(*words, "--json").stdout)


def test_nothing_else_can_be_sought() -> None:
    result = call_cli("campaign", "--runs", "1", "--seek", "wast")
    assert result.exit_code == 2
    assert "--seek wast: did you mean waste?" in result.stderr


# -- a part of it again --------------------------------------------------------------------------------------


def first_with(wanted: Callable[[Judged], bool], plan: Plan) -> Judged:
    return next(judged for judged in run_campaign(plan, 0, 400) if wanted(judged))


def test_the_command_and_the_value_of_a_run_make_it_again() -> None:
    judged = first_with(lambda judged: bool(judged.known), Plan(kernels=("v5.9",)))
    by_options = run(loaded(judged.part.scenario), judged.part.options)
    assert run(RunSpec.from_json(judged.part.spec.to_json())).digest == by_options.digest
    program, *words = shlex.split(judged.part.command)
    assert program == "rcuactors"
    shown = call_cli(*words)
    assert shown.exit_code == 1
    assert by_options.digest in shown.stdout


def test_parts_and_processes_come_to_the_same() -> None:
    plan = Plan(scenarios=("raw_lock_caller", "one_argument", "spin_under_raw"))
    whole, again = tally_of(plan, 0, 70), tally_of(plan, 0, 70, jobs=2)
    assert whole.as_json() == again.as_json()
    first, second = tally_of(plan, 0, 30), tally_of(plan, 30, 40)
    assert {key: met.runs for key, met in whole.known.items()} == {
        key: sum(part.known[key].runs for part in (first, second) if key in part.known) for key in whole.known
    }
    assert try_part(plan, 42) == try_part(plan, 42)


# -- a campaign that finds bugs is tested by planting them ---------------------------------------------------


CALLERS = ("cold_cache_burst", "hardirq_caller", "preempt_off_caller", "raw_lock_caller")
"""Scenarios that only call kvfree_rcu(): what they show is their version's doing."""


def found_with(plan: Plan, runs: int = 120) -> set[str]:
    return {item.kind for (_, _, item) in tally_of(plan, 0, runs).news}


def test_planted_grace_periods_that_wait_for_nobody_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the version that drains at once when a block's worth waits; an early free on the others is 5da7cb193db3's."""
    settings = {"objects": "1500", "reader_us": "9000"}
    plan = Plan(kernels=("v6.1-stable",), scenarios=("flood",), settings=settings, seed=5)
    assert not found_with(plan, 12)
    monkeypatch.setattr(RcuTree, "all_quiescent", lambda _self: True)
    assert "use-after-free" in found_with(plan, 12)


def test_planted_a_list_of_which_one_object_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:

    def all_but_one(batch: Batch) -> tuple[list, list]:
        blocks, head = take_batch(batch)
        return blocks, head[1:]

    monkeypatch.setattr(drain, "take_batch", all_but_one)
    assert "never-freed" in found_with(Plan(kernels=("v5.11",), scenarios=CALLERS))


def test_planted_in_a_version_by_its_rules_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """v6.1-stable that takes its pages as v5.9 does."""
    era = find_era("v6.1-stable")
    monkeypatch.setitem(ERAS, era.name, attrs.evolve(era, design="skip-on-rt"))
    assert found_with(Plan(kernels=(era.name,), scenarios=CALLERS)) == {"invalid-wait-context"}


def test_planted_in_lockdep_a_rule_that_is_inverted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_validation, "allowed", lambda *how: -wait_context.allowed(*how))
    assert "invalid-wait-context" in found_with(Plan(kernels=("v5.11",), scenarios=CALLERS))


def test_what_is_taken_out_of_the_list_is_news_again(monkeypatch: pytest.MonkeyPatch) -> None:
    era = find_era("v5.9")
    plan = Plan(kernels=("v5.9",), builds=("prove",), scenarios=CALLERS)
    assert not found_with(plan, 40)
    monkeypatch.setitem(ERAS, era.name, attrs.evolve(era, known_bugs=()))
    assert found_with(plan, 40) == {"invalid-wait-context"}


# -- the command ---------------------------------------------------------------------------------------------


def command(*words: str) -> Result:
    return call_cli("campaign", "--jobs", "1", *words)


def test_the_command_says_what_was_met_and_ends_with_0() -> None:
    result = command("raw_lock_caller", "spin_under_raw", "--kernel", "v5.9", "--runs", "40", "--seed", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "campaign with seed 3: 40 runs, number 0 to 39"
    assert "  versions: v5.9 40" in lines
    assert any(
        re.match(r"  v5.9 56292e8609e3 invalid-wait-context in \w+: \d+ runs, \d+ reports$", line) for line in lines
    )
    assert any(line.startswith("  spin_under_raw invalid-wait-context: ") for line in lines)
    assert lines[-1] == "not known: nothing"


def test_news_ends_it_with_1_and_comes_with_the_command_that_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text(
        "from rcuactors import Kernel, scenario\n"
        "@scenario()\n"
        "async def twice(k: Kernel) -> None:\n"
        "    p = await k.kmalloc(64)\n"
        "    await k.kfree(p)\n"
        "    await k.kfree(p)\n"
    )
    result = command(str(path), "--runs", "6", "-v")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "number 0: double-free: BUG: double free: 64-byte object ffff888000001000 by kfree" in result.stderr
    at = next(at for at, line in enumerate(lines) if line.startswith("not known: "))
    assert lines[at + 1].lstrip().startswith("v")
    assert "double-free" in lines[at + 1]
    shown = call_cli(*shlex.split(lines[at + 2])[1:])
    assert shown.exit_code == 1
    assert "BUG: double free" in shown.stdout


def test_a_run_that_the_bound_ends_is_named_and_is_not_in_order() -> None:
    result = command("raw_lock_caller", "--kernel", "v5.11", "--runs", "3", "--max-steps", "20")
    assert result.exit_code == 1
    assert "ended by the bound of 20 steps: 3 runs" in result.stdout
    assert "  number 0, for no known reason" in result.stdout
    assert "--max-steps 20" in result.stdout


def test_json_has_all_of_it_and_the_runs_as_values() -> None:
    result = command(
        "raw_lock_caller", "--design", "direct", "--kernel", "v5.11", "--build", "prove", "--runs", "20", "--json"
    )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["runs"], document["first"], document["seed"]) == (20, 0, 0)
    (item,) = document["news"]
    assert (item["kernel"], item["design"], item["kind"]) == ("v5.11", "direct", "invalid-wait-context")
    assert run(RunSpec.from_json(item["run"])).outcome() == "invalid-wait-context"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("floood",), "scenario floood: no such name or file; did you mean flood?"),
        (("--kernel", "v5.1"), "kernel v5.1: did you mean v5.11?"),
        (("--build", "rtt"), "--build rtt: did you mean rt?"),
        (("--design", "dirct"), "design dirct: "),
        (("--set", "PREMPT=y"), "--set PREMPT: no such name; did you mean PREEMPT?"),
        (("--runs", "0"), "--runs 0: needs a whole number from 1 to 10000000"),
        (("--from", "x"), "--from x: needs a whole number from 0 to "),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str) -> None:
    result = command(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"rcuactors: {said}")
    assert result.stderr.count("\n") == 1
