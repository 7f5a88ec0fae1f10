"""may/recorded.py, and the answers held against every cell that was recorded of a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import attrs
import pytest

from rcuactors.lock_matrix.presets import PRESETS
from rcuactors.may.answer import Case, Cell, Verdict
from rcuactors.may.asking import ask
from rcuactors.may.calls import Asked, find_call
from rcuactors.may.kernels import find_kernels
from rcuactors.may.places import find_place
from rcuactors.may.recorded import (
    KERNELS,
    Evidence,
    RecordedKernel,
    all_recorded,
    evidence_for,
    recorded_for,
    recorded_ops,
)
from tests.may.recorded_table import table

FLAGS = {"nowait": "GFP_NOWAIT", "atomic": "GFP_ATOMIC", "kernel": "GFP_KERNEL", "gfp0": "0"}
CALLS = {
    "kfree_rcu2": "kfree_rcu(p, rcu)",
    "kvfree_rcu2_vmalloc": "kvfree_rcu(p, rcu)",
    "kvfree_rcu1": "kvfree_rcu(p)",
    "hrtimer_start": "hrtimer_start(&t, ns, HRTIMER_MODE_REL)",
    "hrtimer_start_hard": "hrtimer_start(&t, ns, HRTIMER_MODE_REL_HARD)",
    "call_rcu": "call_rcu(head, func)",
    "queue_work": "queue_work(system_wq, &w)",
    "queue_delayed_work": "queue_delayed_work(system_wq, &w, 2500)",
    "mod_timer": "mod_timer(&t, jiffies + 2500)",
    "msleep": "msleep(20)",
    "cond_resched": "cond_resched()",
    "synchronize_rcu": "synchronize_rcu()",
    "might_sleep": "might_sleep()",
    "local_bh_disable": "local_bh_disable()",
    **{f"get_page_{word}": f"__get_free_page({flags})" for word, flags in FLAGS.items()},
    **{f"kmalloc_{word}": f"kmalloc(1024, {flags})" for word, flags in FLAGS.items()},
}
NAMES = {
    "first": ("first",),
    "warm": ("warm",),
    "refill": ("empty", "full"),
    "many": ("many", "later"),
    "warm_many": ("many",),
    "contend": ("contended",),
    "first_contend": ("first", "contended"),
    "refill_contend": ("contended",),
    "many_contend": ("contended",),
    "warm_many_contend": ("contended",),
}
"""A variant of the recordings, and the conditions that it is among those of `may`."""


@attrs.frozen
class Group:
    """All that one kernel said of one operation in one context, by variant: whether it reported something."""

    kernel: str
    op: str
    context: str
    reported: tuple[tuple[str, bool], ...]

    @property
    def by(self) -> RecordedKernel:
        return KERNELS[self.kernel]

    @property
    def call(self) -> Asked:
        return find_call(CALLS.get(self.op, f"{self.op}(x)"))

    def __str__(self) -> str:
        return f"{self.kernel} {self.context} {self.op}"


@cache
def groups() -> tuple[Group, ...]:
    found: dict[tuple[str, str, str], dict[str, bool]] = {}
    for cell in all_recorded():
        for context in cell.contexts:
            said = found.setdefault((cell.kernel, cell.op, context), {})
            said[cell.variant] = said.get(cell.variant, False) or bool(cell.said)
    return tuple(
        Group(kernel, op, context, tuple(said.items())) for (kernel, op, context), said in found.items() if op != "none"
    )


@cache
def answer_to(group: Group) -> Cell:
    asked = KERNELS[group.kernel]
    (kernel,) = find_kernels(
        [group.kernel if group.kernel in PRESETS else f"{asked.version}:{'rt' if asked.rt else 'all'}"]
    )
    if asked.checks:
        kernel = kernel.checked()
    (cell,) = ask(group.call, [find_place([group.context])], [kernel]).cells
    return cell


def variants_of(cell: Cell, variant: str) -> Iterator[Case]:
    return (case for case in cell.cases if case.condition.name in NAMES[variant])


def wrong_of(group: Group) -> list[str]:
    """What of the answer is not so. What lockdep ignores is decided by other rules (unreported.py)."""
    cell = answer_to(group)
    place, call = find_place([group.context]), group.call
    reported = [said for _, said in group.reported]
    ignored = bool(place.unseen or call.form.tries)
    found = []
    if any(reported) and cell.verdict is Verdict.YES:
        found.append("yes, though its kernel reported")
    if not any(reported) and not group.by.checks and cell.wrong and cell.silence.value == "told":
        found.append("told, though its kernel was silent")
    for variant, said in group.reported:
        cases = list(variants_of(cell, variant))
        if said and not any(case.wrong for case in cases):
            found.append(f"{variant} was reported, and is no {[case.condition.name for case in cases]} here")
        if said and not any(case.told for case in cases):
            found.append(f"{variant} was reported, and is silent here")
        if group.by.checks and not said and not ignored and all(case.wrong for case in cases):
            found.append(f"{variant} was silent with every check on, and is wrong here")
    return found


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_recorded_cell_has_its_answer(kernel: str) -> None:
    wrong = {str(group): wrong_of(group) for group in groups() if group.kernel == kernel}
    assert len(wrong) > (250 if kernel in PRESETS else 15)
    assert {name: said for name, said in wrong.items() if said} == {}


def test_no_where_it_was_reported_in_each_variant_and_yes_where_it_was_silent_in_each() -> None:
    """Where every variant of an operation was recorded; of most operations only the first one could be."""
    seen = {Verdict.YES: 0, Verdict.NO: 0, Verdict.DEPENDS: 0}
    for group in groups():
        if group.kernel != "prove_raw":
            continue
        cell, reported = answer_to(group), [said for _, said in group.reported]
        recorded = {name for variant, _ in group.reported for name in NAMES[variant]}
        whole = {case.condition.name for case in cell.cases if case.condition.name in KNOWN} <= recorded
        if not whole or find_place([group.context]).unseen or group.call.form.tries:
            continue
        expected = Verdict.NO if all(reported) else Verdict.DEPENDS if any(reported) else Verdict.YES
        assert cell.verdict is expected, str(group)
        seen[expected] += 1
    assert all(seen.values()), seen


KNOWN = {"first", "empty", "full"}
"""Of the conditions those that were recorded with every check on, and are not the same as one of these there."""


def test_the_condition_is_told_where_variants_differ() -> None:
    (group,) = (one for one in groups() if str(one) == "prove_raw raw_spin_irqsave get_page_nowait")
    assert dict(group.reported) == {"first": False, "refill": True}
    cell = answer_to(group)
    assert cell.verdict is Verdict.DEPENDS
    assert cell.wrong[0].condition.when == "once the CPU's page list is empty"


def test_silence_for_lack_of_checks_is_named() -> None:
    (group,) = (one for one in groups() if str(one) == "stock raw_spin spin_lock")
    cell = answer_to(group)
    assert (cell.verdict, cell.word, cell.lacking) == (Verdict.NO, "no, silent", "PROVE_RAW_LOCK_NESTING")


def test_the_package_has_the_recordings_in_short() -> None:
    from rcuactors.may import recorded

    with open(recorded.__file__.replace("recorded.py", recorded.FILE), encoding="utf-8") as stream:  # noqa: PTH123
        assert stream.read() == table()


def test_each_operation_of_the_recordings_is_a_call() -> None:
    for group in groups():
        assert group.op in recorded_ops(group.call), str(group)


def test_what_was_recorded_elsewhere_is_told_with_the_context() -> None:
    asked = find_call("kmalloc(64, GFP_NOWAIT)")
    cells, context = recorded_for(asked, find_place(["hardirq"]))
    assert context == "hardirq_irqwork"
    assert {cell.op for cell in cells} == {"kmalloc_nowait"}
    assert recorded_for(asked, find_place(["spin_lock", "rcu_read_lock"])) == ((), "")
    assert recorded_for(find_call("rcu_barrier()"), find_place(["process"])) == ((), "")


@pytest.mark.parametrize(
    ("call", "context", "kernel", "evidence"),
    [
        ("spin_lock(&l)", "raw_spin_lock", "v6.12:all", Evidence.CELL),
        ("spin_lock(&l)", "raw_spin_lock", "v6.12:rt", Evidence.CELL),
        ("kfree(p)", "raw_spin_lock", "v6.1-stable:all", Evidence.CELL),
        ("kfree(p)", "raw_spin_lock", "v6.12:all", Evidence.RECORDINGS),
        ("spin_lock(&l)", "hardirq", "v6.12:all", Evidence.RECORDINGS),
        ("spin_lock(&l)", "raw_spin_lock", "v6.6:all", Evidence.SOURCE),
    ],
)
def test_what_stands_behind_an_answer(call: str, context: str, kernel: str, evidence: Evidence) -> None:
    (asked,) = find_kernels([kernel])
    assert evidence_for(find_call(call), find_place([context]), asked) is evidence
