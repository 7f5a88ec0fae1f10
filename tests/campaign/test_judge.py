"""What is known, and what is news: what a campaign makes of a run's reports (rcuactors/campaign/judge.py)."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from rcuactors import Kernel, KernelBug, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.builds import BUILDS
from rcuactors.campaign.judge import judge, shown_everywhere
from rcuactors.campaign.plan import Part, loaded
from rcuactors.eras import ERAS, KnownBug, find_era
from tests.kvfree.test_upstream_bugs import new_memory_after_an_old_grace_period


@pytest.mark.parametrize(
    ("kernel", "bug"),
    [(era.name, bug) for era in ERAS.values() for bug in era.known_bugs],
    ids=lambda value: str(value)[:60],
)
def test_a_known_bug_is_one_of_the_model(kernel: str, bug: KnownBug, package: Path) -> None:
    assert re.fullmatch("[0-9a-f]{12}", bug.commit)
    assert bug.what
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert f"def {bug.function}(" in source or f'@stands_for("{bug.function}")' in source
    assert kernel in ERAS


def part_of(kernel: str, design: str | None = None, build: str = "plain") -> Part:
    return Part(number=0, scenario="raw_lock_caller", build=build, options=RunOptions(kernel=kernel, design=design))


@scenario()
async def twice(k: Kernel) -> None:
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)


def test_what_nobody_has_written_down_is_news() -> None:
    judged = judge(part_of("v5.9"), twice, run(twice, kernel="v5.9"))
    assert [item.kind for item in judged.news] == ["double-free"]
    assert not judged.in_order


@pytest.mark.parametrize(
    ("kernel", "design", "build", "known"),
    [
        ("v5.9", None, "prove", {"invalid-wait-context"}),
        ("v5.9", "direct", "rt", {"sleeping-function", "scheduling-while-atomic"}),
        ("v5.11", "direct", "prove", set()),
    ],
)
def test_kind_function_and_design_make_it_known(kernel: str, design: str | None, build: str, known: set[str]) -> None:
    chosen = loaded("raw_lock_caller")
    result = run(chosen, RunOptions(kernel=kernel, design=design), **BUILDS[build].settings)
    judged = judge(part_of(kernel, design, build), chosen, result)
    assert {bug.kind.value for bug in judged.known} == known
    assert {item.kind for item in judged.news} == {kind.value for kind in result.kinds} - known


def test_5da7cb193db3_is_known_by_who_freed_it_also_where_it_is_used() -> None:
    chosen = scenario()(new_memory_after_an_old_grace_period)
    for settings in ({}, {"KASAN": "y"}):
        result = run(chosen, kernel="v5.11", nr_cpus="3", **settings)
        (bug,) = judge(part_of("v5.11"), chosen, result).known
        assert bug.commit == "5da7cb193db3"
        assert judge(part_of("v5.11"), chosen, result).in_order
        mended = attrs.evolve(result, kernel="v6.1-stable")
        assert len(judge(part_of("v6.1-stable"), chosen, mended).news) == len(result.violations)


def test_what_a_scenario_shows_on_every_kernel_is_its_own_doing_and_what_on_some_is_theirs() -> None:
    assert shown_everywhere(loaded("spin_under_raw"), "all") == {"invalid-wait-context"}
    assert shown_everywhere(loaded("spin_under_raw"), "rt") == {"sleeping-function"}
    assert not shown_everywhere(loaded("spin_under_raw"), "plain")
    assert not shown_everywhere(loaded("raw_lock_caller"), "prove")


def test_a_scenario_that_asks_for_memory_may_be_told_that_there_is_none_and_kvfree_rcu_may_not() -> None:
    @scenario(settings={"mem": "16M"})
    async def asks(k: Kernel) -> None:
        areas = [await k.vmalloc(1 << 20) for _ in range(20)]
        for p in areas:
            if p is not None:
                await k.vfree(p)

    judged = judge(part_of("v5.11"), asks, run(asks))
    assert judged.in_order
    assert set(judged.own) <= {"page-allocation-failure", "out-of-memory"}
    assert judged.own

    asked = run(asks)
    trace = ("out_of_memory", "get_free_page", "kvfree_call_rcu", *asked.violations[0].trace[-2:])
    by_kvfree = attrs.evolve(asked, violations=(attrs.evolve(asked.violations[0], trace=trace),), violation_count=1)
    assert not judge(part_of("v5.11"), asks, by_kvfree).in_order


def test_an_exception_is_news_and_an_oops_only_once() -> None:
    async def fails(k: Kernel) -> None:
        await k.udelay(1)

    chosen = scenario()(fails)
    clean = run(chosen)
    (item,) = judge(part_of("v5.11"), chosen, clean, ZeroDivisionError("division")).news
    assert (item.kind, item.function) == ("error", "ZeroDivisionError")

    @scenario()
    async def oops(k: Kernel) -> None:
        k.deref(None)

    one = Run(oops)
    with pytest.raises(KernelBug) as caught:
        one.run()
    judged = judge(part_of("v5.11"), oops, one.result(), caught.value)
    assert [item.kind for item in judged.news] == ["null-dereference"]


def test_what_comes_behind_a_bug_that_spoils_the_machine_is_no_news() -> None:
    chosen = loaded("raw_lock_caller")
    result = run(chosen, RunOptions(kernel="v5.9", design="direct"), **BUILDS["rt"].settings)
    one = result.violations[-1]
    for last in (
        attrs.evolve(one, kind=ViolationKind.DEADLOCK, title="DEADLOCK", trace=(), text=""),
        attrs.evolve(
            one, kind=ViolationKind.BAD_CONTEXT, title="WARNING: DEBUG_LOCKS_WARN_ON(x)", trace=("a",), text=""
        ),
        attrs.evolve(one, kind=ViolationKind.RCU_STALL, title="rcu: INFO: stalls", trace=("a",), text=""),
    ):
        for found, in_order in (((*result.violations, last), True), ((result.violations[0], last), False)):
            changed = attrs.evolve(result, violations=found, violation_count=len(found))
            judged = judge(part_of("v5.9", "direct", "rt"), chosen, changed)
            assert judged.in_order is in_order
            assert judged.behind == ({last.kind.value: 1} if in_order else {})


def test_what_is_told_before_the_machine_is_spoilt_is_news() -> None:
    """What all end in at one moment may be told in any order; what was there before is nobody's consequence."""
    chosen = loaded("raw_lock_caller")
    result = run(chosen, RunOptions(kernel="v5.9", design="direct"), **BUILDS["rt"].settings)
    spoils = [bug for bug in find_era("v5.9").known_bugs if bug.spoils]
    since = min(one.time_ns for one in result.violations if any(bug.explains(one, "direct") for bug in spoils))
    deadlock = attrs.evolve(result.violations[0], kind=ViolationKind.DEADLOCK, title="DEADLOCK", trace=(), text="")
    for earlier_ns, is_news in ((0, False), (1, True)):
        first = attrs.evolve(deadlock, time_ns=since - earlier_ns)
        changed = attrs.evolve(result, violations=(first, *result.violations))
        judged = judge(part_of("v5.9", "direct", "rt"), chosen, changed)
        assert judged.spoilt
        assert [item.kind for item in judged.news] == (["deadlock"] if is_news else [])
