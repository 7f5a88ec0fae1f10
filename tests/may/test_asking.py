"""may/asking.py: what the answers are, where one knows it from elsewhere."""

from __future__ import annotations

import pytest

from rcuactors.eras import DEFAULT_ERA, ERAS
from rcuactors.errors import BadInput
from rcuactors.may.answer import Answer, Cell, Silence, Verdict
from rcuactors.may.asking import ask
from rcuactors.may.calls import FORMS, Form, find_call
from rcuactors.may.calls.atomics import WIDER
from rcuactors.may.conditions import conditions_of
from rcuactors.may.itself import not_its_own
from rcuactors.may.kernels import find_kernels
from rcuactors.may.places import all_places, find_place
from rcuactors.may.trial import Trial


def answer(call: str, *contexts: str, kernels: tuple[str, ...] = (f"{DEFAULT_ERA}:all", f"{DEFAULT_ERA}:rt")) -> Answer:
    return ask(find_call(call), [find_place(contexts)] if contexts else all_places(), find_kernels(kernels))


def cell(call: str, context: str, kernel: str) -> Cell:
    (only,) = answer(call, context, kernels=(kernel,)).cells
    return only


def example(form: Form) -> str:
    given = ["GFP_KERNEL" if word == "gfp" else word for word in form.words]
    return f"{form.name}({', '.join(given)})"


NEED_MORE = {
    *(
        "smp_processor_id",
        "this_cpu_ptr",
        "write_seqcount_begin",
        "list_for_each_entry_rcu",
        "hlist_for_each_entry_rcu",
    ),
    *(f"rcu_dereference{kind}" for kind in ("", "_check", "_bh", "_bh_check", "_sched", "_sched_check")),
    *(f"lockdep_assert_{what}" for what in ("irqs_disabled", "preemption_disabled", "cpus_held")),
}
"""What wants preemption or interrupts off, a lock, or a reader."""


NARROW = [form for form in FORMS if not form.name.startswith(WIDER)]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("form", NARROW, ids=lambda form: form.prototype)
def test_every_call_may_be_made_in_process_context(form: Form) -> None:
    """But for those that want preemption off, or a reader. With every check PREEMPT_RT objects to what others do."""
    expected = Verdict.NO if form.name in NEED_MORE else Verdict.YES
    found = answer(example(form), "process", kernels=("v7.3:rt",))
    assert {one.verdict for one in found.cells} == {expected}, [one.missing or one.wrong for one in found.cells]


@pytest.mark.parametrize("context", ["spin_lock", "raw_spin_lock", "hardirq", "preempt_disable", "tasklet", "rq_lock"])
def test_the_two_argument_form_is_legal_from_v5_11_on(context: str) -> None:
    found = answer("kvfree_rcu(p, rcu)", context, kernels=("v5.11", "v6.12"))
    assert found.verdict is Verdict.YES


@pytest.mark.parametrize(
    ("call", "context"),
    [
        ("rcu_dereference(p)", "rcu_read_lock"),
        ("rcu_dereference_sched(p)", "preempt_disable"),
        ("rcu_dereference_bh(p)", "tasklet"),
        ("smp_processor_id()", "preempt_disable"),
        ("refcount_dec_and_test(&r)", "nmi"),
        ("atomic_notifier_call_chain(&h, 0, NULL)", "hardirq"),
        ("bit_spin_lock(0, &word)", "raw_spin_lock"),
        ("list_for_each_entry_rcu(pos, &head, node)", "rcu_read_lock_sched"),
        ("write_seqcount_begin(&s)", "preempt_disable"),
        ("atomic_add_return(2, &v)", "nmi"),
        ("cmpxchg(&p->x, 0, 1)", "nmi"),
        ("this_cpu_ptr(&counters)", "tasklet"),
        ("lockdep_assert_irqs_disabled()", "local_irq_disable"),
    ],
)
def test_where_it_is_legal(call: str, context: str) -> None:
    assert answer(call, context).verdict is Verdict.YES


@pytest.mark.parametrize(
    ("call", "context"),
    [
        ("rcu_dereference(p)", "process"),
        ("blocking_notifier_call_chain(&h, 0, NULL)", "spin_lock"),
        ("write_seqlock(&s)", "raw_spin_lock"),
        ("krealloc(p, 64, GFP_KERNEL)", "spin_lock"),
        ("tasklet_kill(&t)", "hardirq"),
        ("down_read(&s)", "rcu_read_lock"),
        ("kref_put_mutex(&p->kref, release, &m)", "spin_lock"),
        ("refcount_dec_and_lock(&r, &l)", "raw_spin_lock"),
        ("read_seqbegin(&s)", "nmi"),
        ("bit_spin_lock(0, &word)", "nmi"),
        ("register_shrinker(&s)", "rcu_read_lock"),
        ("shrinker_free(s)", "spin_lock"),
        ("remove_cpu(2)", "spin_lock"),
        ("cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, name, up, down)", "preempt_disable"),
        ("atomic_notifier_chain_unregister(&h, &nb)", "rcu_read_lock"),
        ("disable_delayed_work_sync(&w)", "tasklet"),
        ("cleanup_srcu_struct(&s)", "spin_lock"),
    ],
)
def test_where_it_is_not(call: str, context: str) -> None:
    assert answer(call, context).verdict is Verdict.NO


def test_v5_9_asks_for_a_page_in_the_callers_context() -> None:
    one = cell("kfree_rcu(p, rcu)", "raw_spin_lock", "v5.9:prove")
    assert one.verdict is Verdict.DEPENDS
    first = one.wrong[0]
    assert first.condition.when == "once the CPU's page list is empty"
    assert first.finding.chain[:2] == ("kfree_rcu", "kvfree_call_rcu")
    assert (first.finding.chain[-1], first.finding.lock) == ("spin_lock", "&zone->lock")
    plain = cell("kfree_rcu(p, rcu)", "raw_spin_lock", "v5.9:plain")
    assert (plain.verdict, plain.silence, plain.lacking) == (Verdict.DEPENDS, Silence.SILENT, "PROVE_RAW_LOCK_NESTING")
    assert cell("kfree_rcu(p, rcu)", "raw_spin_lock", "v5.9:rt").verdict is Verdict.YES


def test_the_one_argument_form_has_whichever_name_the_version_knows() -> None:
    for call in ("kfree_rcu(p)", "kvfree_rcu_mightsleep(p)"):
        found = answer(call, "spin_lock", kernels=("v5.9:all", "v7.3:all"))
        assert [one.verdict for one in found.cells] == [Verdict.NO, Verdict.NO]


@pytest.mark.parametrize(
    "call", ["kvfree_rcu(p)", "mutex_lock(&m)", "kmalloc(64, GFP_KERNEL)", "might_sleep()", "down_read(&s)"]
)
@pytest.mark.parametrize("context", ["raw_spin_lock", "tasklet", "rcu_read_lock"])
def test_might_sleep_tells_the_same_without_the_other_checks(call: str, context: str) -> None:
    """So that a kernel which has it need not be asked again."""
    asked, place, (kernel,) = find_call(call), find_place([context]), find_kernels([f"{DEFAULT_ERA}:rt"])
    for condition in conditions_of(asked.form, place):
        checked, own = (Trial(asked, place, condition, one.options()).run() for one in (kernel.checked(), kernel))
        assert checked.kind == "sleeping-function"
        assert (own.kind, own.title, own.chain) == (checked.kind, checked.title, checked.chain)


def test_callbacks_are_offloaded_where_the_call_wants_it() -> None:
    """rcu_nocbs=all, whatever the build; before v6.12 it is another function."""
    found = answer("rcu_nocb_cpu_offload(2)", "spin_lock", kernels=("v6.12:plain", "v6.6:all")).cells
    assert [(one.verdict, one.silence) for one in found] == [
        (Verdict.NOT_MODELLED, Silence.TOLD),
        (Verdict.NO, Silence.SILENT),
    ]
    assert cell("rcu_nocb_cpu_deoffload(2)", "mutex", "v6.12:all").verdict is Verdict.YES


def test_an_nmi_that_finds_a_lock_held_makes_what_is_always_wrong_no_better() -> None:
    """The work is queued by then: that it is not queued again is no condition in which it may be."""
    one = cell("queue_work(system_wq, &w)", "nmi", f"{DEFAULT_ERA}:all")
    assert [case.wrong for case in one.cases] == [True, True, True, False]
    assert one.verdict is Verdict.NO


def test_what_is_too_large_is_so_at_the_first_call() -> None:
    assert cell("kmalloc(1 << 40, GFP_KERNEL)", "process", f"{DEFAULT_ERA}:all").verdict is Verdict.YES
    assert cell("kmalloc(999999999999, GFP_KERNEL)", "process", f"{DEFAULT_ERA}:all").verdict is Verdict.NO


@pytest.mark.parametrize(
    ("call", "context", "other"),
    [
        ("timer_delete_sync(&t)", "timer", "timer"),
        ("flush_work(&w)", "workqueue", "work"),
        ("synchronize_srcu(&s)", "srcu_read_lock", "srcu_struct"),
        ("timer_delete_sync(&t)", "workqueue", ""),
        ("mod_timer(&t, 1)", "timer", ""),
    ],
)
def test_what_the_context_belongs_to_is_another_one(call: str, context: str, other: str) -> None:
    said = not_its_own(find_call(call).form, find_place([context]))
    assert said == (f"of another {other} than the context's own, for which it would wait for ever" if other else "")


def test_silence_is_no_yes() -> None:
    first = cell("mutex_lock(&m)", "spin_lock", "stock")
    assert (first.verdict, first.silence) == (Verdict.NO, Silence.PARTLY)
    assert [case.told for case in first.cases] == [False, True]
    assert first.lacking == "DEBUG_ATOMIC_SLEEP"


@pytest.mark.parametrize("context", ["preempt_disable", "local_irq_disable"])
def test_what_lockdep_does_not_look_at_is_no_yes(context: str) -> None:
    one = cell("spin_lock(&l)", context, f"{DEFAULT_ERA}:all")
    assert (one.verdict, one.silence) == (Verdict.NO, Silence.SILENT)
    assert "sleeps on PREEMPT_RT only" in one.cases[0].unreported
    assert cell("raw_spin_lock(&l)", context, f"{DEFAULT_ERA}:all").verdict is Verdict.YES


def test_the_first_lock_of_a_handler_is_no_yes_where_lockdep_did_not_look_at_it() -> None:
    for context in ("hardirq", "irq_work_hard"):
        old, new = (cell("spin_lock(&l)", context, kernel) for kernel in ("v5.11:all", "v6.12:all"))
        assert (old.word, new.word) == ("no, silent", "no")
        assert "before v5.14" in old.cases[0].unreported
    assert cell("spin_lock(&l)", "request_irq", "v5.11:all").verdict is Verdict.YES
    assert cell("raw_spin_lock(&l)", "hardirq", "v5.11:all").verdict is Verdict.YES


def test_trylocks_in_interrupts_are_wrong_though_nothing_says_so() -> None:
    for kernel in (f"{DEFAULT_ERA}:all", f"{DEFAULT_ERA}:rt"):
        assert cell("spin_trylock(&l)", "hardirq", kernel).word == "no, silent"
        assert cell("mutex_trylock(&m)", "tasklet", kernel).word == "no, silent"
        assert cell("raw_spin_trylock(&l)", "hardirq", kernel).verdict is Verdict.YES
        assert cell("spin_trylock(&l)", "raw_spin_lock", kernel).verdict is Verdict.YES


def test_a_context_that_is_wrong_by_itself() -> None:
    found = answer("udelay(1)", "raw_spin_lock", "spin_lock", kernels=(f"{DEFAULT_ERA}:all",))
    (one,) = found.cells
    assert one.verdict is Verdict.NO
    assert one.cases[0].checked.entering


def test_an_nmi_may_find_the_lock_held() -> None:
    one = cell("raw_spin_lock(&l)", "nmi", f"{DEFAULT_ERA}:all")
    assert one.cases[-1].condition.name == "interrupts"
    assert one.cases[-1].wrong
    assert not one.cases[0].wrong


@pytest.mark.parametrize("call", ["mod_timer(&t, 10)", "complete(&c)", "wake_up(&wq)", "call_srcu(&s, h, f)"])
def test_an_nmi_may_find_the_same_call_under_way(call: str) -> None:
    """Its lock is taken then, whichever that is."""
    one = cell(call, "nmi", f"{DEFAULT_ERA}:all")
    assert [case.condition.name for case in one.cases if case.wrong] == ["interrupts"]
    assert one.cases[-1].checked.title.startswith("WARNING: inconsistent lock state")


@pytest.mark.parametrize("call", ["kvfree_rcu_barrier()", "might_sleep()", "cancel_work_sync(w)"])
def test_what_takes_no_lock_is_not_interrupted_with_it_held(call: str) -> None:
    """A condition that did not come about was counted as one in which all was well: no became depends."""
    one = cell(call, "nmi", f"{DEFAULT_ERA}:all")
    assert one.verdict is Verdict.NO
    assert "interrupts" not in [case.condition.name for case in one.cases]


@pytest.mark.parametrize("kernel", ["all", "rt"])
def test_what_an_nmi_finds_half_done_is_wrong_though_nothing_says_so(kernel: str) -> None:
    one = cell("call_rcu(h, f)", "nmi", f"{DEFAULT_ERA}:{kernel}")
    assert one.word == "no, silent"
    assert "in the midst of this call" in one.cases[0].unreported
    assert cell("call_rcu(h, f)", "hardirq", f"{DEFAULT_ERA}:{kernel}").verdict is Verdict.YES


@pytest.mark.parametrize(
    "call",
    [
        "irq_work_queue(&w)",
        "rcu_read_lock()",
        "raw_spin_trylock(&l)",
        "local_irq_save()",
        "kmalloc_nolock(64, 0, -1)",
        "alloc_pages_nolock(0, -1, 0)",
        "kfree_nolock(p)",
        "kfree_rcu_nolock(p, rcu)",
    ],
)
def test_what_is_made_for_nmis_may_be_called_there(call: str) -> None:
    assert cell(call, "nmi", "v7.3:all").verdict is Verdict.YES


def test_a_call_that_a_version_does_not_have() -> None:
    found = answer("kvfree_rcu_barrier()", "process", kernels=("v6.6:all", "v6.12:all"))
    assert [one.verdict for one in found.cells] == [Verdict.NOT_MODELLED, Verdict.YES]
    assert "no such function" in found.cells[0].missing
    assert found.verdict is Verdict.YES


def test_a_list_under_rcu_is_a_no_that_most_kernels_do_not_tell() -> None:
    one = cell("list_for_each_entry_rcu(pos, &head, node)", "process", f"{DEFAULT_ERA}:all")
    assert (one.verdict, one.silence, one.lacking) == (Verdict.NO, Silence.SILENT, "PROVE_RCU_LIST")


def test_kernels_by_name() -> None:
    assert len(find_kernels(["all"])) == 4 * len(ERAS)
    assert [(one.version, one.build) for one in find_kernels(["v6.12:rt", "v5.9"])] == [
        *(("v5.9", build) for build in ("plain", "prove", "all", "rt")),
        ("v6.12", "rt"),
    ]
    assert {one.version for one in find_kernels(["prove"])} == set(ERAS)
    assert [one.version for one in find_kernels(["stock"])] == ["v6.1-stable"]
    for name, meant in (("v5.1", "v5.11"), ("prov", "prove"), ("v6.12:rtt", "rt")):
        with pytest.raises(BadInput, match=f"did you mean {meant}"):
            find_kernels([name])


@pytest.mark.parametrize("call", ["msleep(86400000)", "schedule_timeout(1000000)", "udelay(5000000)"])
def test_how_long_a_sleep_lasts_makes_no_difference(call: str) -> None:
    assert answer(call, "process").verdict is Verdict.YES


def test_the_same_question_has_the_same_answer() -> None:
    assert answer("kmalloc(64, GFP_ATOMIC)", "hardirq") == answer("kmalloc(64, GFP_ATOMIC)", "hardirq")
