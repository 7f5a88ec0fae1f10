"""Verdicts that are known: what is said of each design in the debate, and what a probe without kvfree_rcu() finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.builds import USUAL_BUILDS
from rcuactors.compare import probe
from rcuactors.compare.contexts import CONTEXTS
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.kernels import ComparedKernel, find_kernels
from rcuactors.compare.probe import Finding, probe_cell
from rcuactors.compare.verdict import Verdict, verdict_of
from rcuactors.kvfree.core import KvfreeRcu

DIRECT, SKIP, WORKER = (DesignRef(name, "") for name in ("direct", "skip-on-rt", "hrtimer-work"))
ALL_BUT_NMI = [name for name in CONTEXTS if name != "NMI"]


def kernel(name: str, **settings: str) -> ComparedKernel:
    return find_kernels([name], settings)[0]


def judge(design: DesignRef, on: str, context: str, strategy: str = "timed", seed: int = 0) -> Verdict:
    return verdict_of({seed: probe_cell(design, kernel(on), context, strategy, seed)})


@pytest.mark.parametrize("on", USUAL_BUILDS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_by_itself_is_legal(monkeypatch: pytest.MonkeyPatch, on: str, context: str) -> None:
    monkeypatch.setattr(probe, "OBJECTS", 0)
    monkeypatch.setattr(probe, "INTERRUPTED", 0)
    assert judge(DIRECT, on, context).legal


@pytest.mark.parametrize("on", USUAL_BUILDS)
@pytest.mark.parametrize("context", ALL_BUT_NMI)
def test_the_worker_is_legal_everywhere_but_in_nmi(on: str, context: str) -> None:
    assert judge(WORKER, on, context).legal


@pytest.mark.parametrize(
    ("design", "on"), [("hrtimer-work", "plain"), ("hrtimer-work", "prove"), ("hrtimer-work", "rt"), ("sheaves", "rt")]
)
def test_no_design_that_takes_krcp_lock_survives_an_nmi_under_it(design: str, on: str) -> None:
    """On PREEMPT_RT sheaves cannot even try their locks in an NMI, and go on to krcp->lock."""
    verdict = judge(DesignRef(design, ""), on, "NMI")
    assert (verdict.kind, verdict.fatal, verdict.dry) == ("inconsistent-lock-state", "deadlock", False)
    assert "krc.lock" in verdict.title
    assert verdict.way == "nmi_in_kvfree_rcu"


@pytest.mark.parametrize(
    "context", ["process", "preempt off", "irqs off", "raw lock", "hardirq", "softirq", "rq->lock"]
)
def test_direct_is_legal_until_the_pcplist_runs_dry(context: str) -> None:
    plain = judge(DIRECT, "plain", context)
    if context == "rq->lock":
        # Waking kswapd takes the lock that the caller holds.
        assert (plain.fatal, plain.low, plain.word) == ("deadlock", True, "-deadlock")
    else:
        assert plain.legal
    verdict = judge(DIRECT, "prove", context)
    assert (verdict.kind, verdict.dry, verdict.fatal) == ("invalid-wait-context", True, "")
    assert "&zone->lock" in verdict.title
    assert verdict.word == "~wait-ctx"


@pytest.mark.parametrize("design", ["raw-zone-lock", "pcp-peek"])
@pytest.mark.parametrize("context", ["process", "raw lock", "hardirq", "softirq"])
def test_neither_a_raw_zone_lock_nor_a_look_at_the_list_helps_once_memory_is_short(design: str, context: str) -> None:
    """GFP_NOWAIT wakes kswapd under krcp->lock, which is raw: its wait queue's lock is a spinlock_t."""
    verdict = judge(DesignRef(design, ""), "prove", context)
    assert (verdict.kind, verdict.low, verdict.dry, verdict.word) == ("invalid-wait-context", True, False, "-wait-ctx")
    assert "&pgdat->kswapd_wait" in verdict.title


@pytest.mark.parametrize(
    "design", ["no-locks-flag", "no-locks-flag-late", "gfp-zero", "lockless", "alloc-pages-nolock"]
)
def test_who_must_not_take_locks_wakes_nobody_either(design: str) -> None:
    assert judge(DesignRef(design, ""), "prove", "raw lock").legal


@pytest.mark.parametrize(("on", "kind"), [("plain", "recursive-locking"), ("prove", "invalid-wait-context")])
def test_direct_under_zone_lock_deadlocks(on: str, kind: str) -> None:
    verdict = judge(DIRECT, on, "zone->lock")
    assert (verdict.kind, verdict.fatal, verdict.dry) == (kind, "deadlock", True)


@pytest.mark.parametrize("context", ALL_BUT_NMI)
def test_direct_sleeps_on_rt_even_with_a_filled_list(context: str) -> None:
    """Where lockdep has something to say of the list's lock, it does so before rt_spin_lock() asks might_sleep()."""
    first = {"hardirq": "inconsistent-lock-state", "zone->lock": "circular-locking"}
    verdict = judge(DIRECT, "rt", context)
    assert (verdict.kind, verdict.dry) == (first.get(context, "sleeping-function"), False)


@pytest.mark.parametrize("context", ["raw lock", "hardirq", "zone->lock"])
def test_the_exemption_makes_it_legal_on_rt(context: str) -> None:
    assert judge(SKIP, "rt", context).legal
    assert not judge(SKIP, "prove", context).legal


def test_an_nmi_finds_each_of_the_three_places() -> None:
    found = probe_cell(DIRECT, kernel("plain"), "NMI", "timed", 0)
    assert [finding.way for finding in found] == [
        way for way in ("nmi", "nmi_in_kvfree_rcu", "nmi_in_allocator") for _ in probe.Fill
    ]
    by_way = {finding.way: finding for finding in found if finding.fill == "empty"}
    # Nobody is in the way of this one, but lockdep knows that it must not wait for a lock that others take.
    assert (by_way["nmi"].kind, by_way["nmi"].fatal) == ("inconsistent-lock-state", "")
    assert by_way["nmi_in_kvfree_rcu"].fatal == by_way["nmi_in_allocator"].fatal == "deadlock"


def test_the_same_seed_finds_the_same() -> None:
    def look(seed: int) -> list[Finding]:
        return probe_cell(DIRECT, kernel("prove"), "NMI", "random", seed)

    assert look(1) == look(1)
    assert any(look(seed) != look(0) for seed in range(1, 6))


def test_a_setting_of_the_users_counts() -> None:
    # Without PREEMPT_COUNT, and with nobody looking, the same mistake goes unseen.
    quiet = kernel("prove", PROVE_RAW_LOCK_NESTING="n", PREEMPT="n")
    assert all(finding.legal for finding in probe_cell(DIRECT, quiet, "raw lock", "timed", 0))


def test_a_design_that_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    from rcuactors.designs.direct import Direct

    async def get_page(*_args: object) -> int | None:
        raise LookupError("no such\npage")

    monkeypatch.setattr(Direct, "get_page", get_page)
    found = probe_cell(DIRECT, kernel("plain"), "process", "timed", 0)
    assert {finding.kind for finding in found} == {"raised"}
    assert found[0].title.startswith("LookupError: no such page (test_probe.py:")


def test_a_design_that_raises_after_a_report_loses_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    from rcuactors.designs.direct import Direct

    async def get_page(_self: object, kvfree: KvfreeRcu, *_args: object) -> int | None:
        kvfree.system.judge.might_sleep(kvfree.system.cpu(0))
        raise LookupError("no such page")

    monkeypatch.setattr(Direct, "get_page", get_page)
    found = probe_cell(DIRECT, kernel("prove", DEBUG_ATOMIC_SLEEP="y"), "preempt off", "timed", 0)
    assert {(finding.kind, finding.fatal) for finding in found} == {("sleeping-function", "raised")}
    assert "; then LookupError: no such page (test_probe.py:" in found[0].title


def test_a_design_that_a_machine_cannot_have_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        "from rcuactors.designs.direct import Direct\n"
        "class Picky(Direct):\n"
        "    name, about = 'picky', 'raises when its machine is made'\n"
        "    def attach(self, kvfree):\n"
        "        raise ValueError('no')\n"
    )
    found = probe_cell(DesignRef("picky", "", str(tmp_path / "picky.py")), kernel("plain"), "process", "timed", 0)
    assert {(finding.fill, finding.kind, finding.fatal) for finding in found} == {
        ("filled", "raised", "raised"),
        ("empty", "raised", "raised"),
        ("low", "raised", "raised"),
    }
    assert found[0].title == "design file picky.py raised ValueError: no (picky.py:5)"


def test_a_run_that_never_ends_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_STEPS", 20)
    found = probe_cell(WORKER, kernel("plain"), "process", "timed", 0)
    assert {(finding.kind, finding.title) for finding in found} == {("unfinished", "the run took more than 20 steps")}
