"""The comparison: that it agrees where all is the same, and that each kind of difference is found."""

from __future__ import annotations

from collections.abc import Callable

from rcuactors.questions.asking import Answer
from rcuactors.questions.comparison import Comparison, compare
from rcuactors.questions.facts import LEFT_OUT
from rcuactors.questions.recording import Recording
from rcuactors.questions.text import comparison_lines
from rcuactors.questions.words import VERBS
from rcuactors.report.console import ConsoleReport

Recorded = Callable[..., Recording]
Answered = Callable[..., Answer]

WORDS = "f2 v=raw op=spin"
CONSOLE = """\
[ BUG: Invalid wait context ]
q_main/46 is trying to lock:
ffffffffa00124b8 (q_spin){....}-{3:3}, at: f2_op+0x948/0xa80 [q]
context-{5:5}
1 lock held by q_main/46:
 #0: ffffffffa00124f8 (q_raw){+.+.}-{2:2}, at: do_f2+0xd9/0x8c0 [q]
BUG: sleeping function called from invalid context at kernel/locking/spinlock_rt.c:46
INFO: lockdep is turned off.
q: got it
q: F2 done preempt_count 0 debug_locks 0
"""
END = f"q: END {WORDS}\n"


def differences(recorded: Recording, answer: Answer) -> list[tuple[str, str, str]]:
    pair = compare(recorded, answer)
    assert pair.agrees == (not pair.differences)
    return [(found.what, found.kernel, found.model) for found in pair.differences]


def test_the_same_agrees(recorded: Recorded, answered: Answered) -> None:
    elsewhere = CONSOLE.replace("46", "21").replace("ffffffffa00124b8", "ffffffff82a002c0").replace("+0x948/0xa80", "")
    assert differences(recorded(WORDS, CONSOLE + END), answered(WORDS, elsewhere)) == []


def test_what_differs_is_found(recorded: Recorded, answered: Answered) -> None:
    kernel = recorded(WORDS, CONSOLE + END)

    def planted(old: str, new: str) -> list[tuple[str, str, str]]:
        assert old in CONSOLE
        return differences(kernel, answered(WORDS, CONSOLE.replace(old, new, 1)))

    wait = "invalid wait context"
    assert planted("(q_spin){....}-{3:3}", "(q_spin){+...}-{3:3}") == [
        (f"{wait}: lock", "(q_spin){....}-{3:3}", "(q_spin){+...}-{3:3}")
    ]
    assert planted("(q_spin){....}-{3:3}", "(q_spin){....}-{2:2}")[0][0] == f"{wait}: lock"
    assert planted("(q_spin)", "(q_spin2)")[0][0] == f"{wait}: lock"
    assert planted("context-{5:5}", "context-{2:2}") == [(f"{wait}: context", "5:5", "2:2")]
    assert planted("(q_raw)", "(q_spin2)") == [(f"{wait}: held", "q_raw", "q_spin2")]
    assert planted("1 lock held by q_main/46", "no locks held by q_main/46.\nx") == [
        (f"{wait}: held", "q_raw", "nothing")
    ]
    assert planted("debug_locks 0", "debug_locks 1")[0][0] == "measured"
    assert planted("q: got it\n", "")[0] == ("said", "got it", "nothing of it (got it)")
    assert planted("q: got it\n", "q: got it\nq: got more\n")[0] == ("said", "nothing of it (got more)", "got more")
    assert planted("BUG: sleeping", "bug: sleeping")[0] == ("reports", f"{wait}; sleeping function", wait)


def test_the_order_of_kinds_counts_and_their_number_does_not(recorded: Recorded, answered: Answered) -> None:
    one, other = "BUG: workqueue lockup - pool cpus=1\n", "INFO: task kworker/1:0:19 blocked for more than 5 seconds.\n"
    kernel = recorded("a4b", one + one + other + "q: END a4b\n")
    assert differences(kernel, answered("a4b", one + other + other)) == []
    assert differences(kernel, answered("a4b", other + one))[0][0] == "reports"


def test_one_that_does_not_come_back(recorded: Recorded, answered: Answered) -> None:
    stuck = recorded(
        "a4b", "q: A4b one = 1\n", status="TIMEOUT after 12.0 s: the guest did not come back, live console"
    )
    assert differences(stuck, answered("a4b", "q: A4b one = 1\n", ended=False)) == []
    assert differences(stuck, answered("a4b", "q: A4b one = 1\n")) == [
        ("the question", "never comes back", "comes back")
    ]


def test_nothing_is_compared_behind_what_is_fatal(recorded: Recorded, answered: Answered) -> None:
    oops = "BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
    kernel = recorded("m v=derefchk", oops, status="TIMEOUT after 20.0 s")
    went_on = answered(
        "m v=derefchk", f"{oops}BUG: scheduling while atomic: q/1/0x2\nq: 1\nq: M done preempt_count 0\n"
    )
    assert differences(kernel, went_on) == []
    assert differences(kernel, answered("m v=derefchk", "q: 1\n"))[0][0] == "reports"


def test_a_kernel_that_answered_now_this_and_now_that(recorded: Recorded, answered: Answered) -> None:
    line = "q: A4e : first work starts at 1, has the lock at 2 us; the second one of the pool starts at 3 us => {}\n"
    waited, not_waited = line.format("WAITED for the first"), line.format("did not wait")
    kernel = recorded("a4e", waited + "q: END a4e\n\n# --- an earlier run\n" + not_waited)
    assert differences(kernel, answered("a4e", waited)) == []
    assert differences(kernel, answered("a4e", not_waited)) == []
    assert differences(recorded("a4e", waited + "q: END a4e\n"), answered("a4e", not_waited))[0][0] == "measured"


def test_what_hangs_on_the_instant_of_a_tick_is_not_compared(recorded: Recorded, answered: Answered) -> None:
    warning = "WARNING: CPU: 1 PID: 46 at {}+0x1/0x2\n"
    end = "q: END m v=rcuunbal\n"
    first, tick = warning.format("__rcu_read_unlock"), warning.format("rcu_sched_clock_irq")
    for kernel, model in ((first + tick, first), (first, first + tick)):
        assert differences(recorded("m v=rcuunbal", kernel + end), answered("m v=rcuunbal", model)) == []
    assert differences(recorded("m v=rcuunbal", first + tick + end), answered("m v=rcuunbal", tick))


def test_a_list_that_ran_out_and_one_that_lasted(recorded: Recorded, answered: Answered) -> None:
    words = "a3 v=ok reps=60"
    kernel = recorded(
        words, "[ BUG: Invalid wait context ]\nq: A3 got 60 of 60, debug_locks=0\nq: END a3 v=ok reps=60\n"
    )
    found = differences(kernel, answered(words, "q: A3 got 60 of 60, debug_locks=1\n"))
    assert [difference[0] for difference in found] == ["reports", "measured"]


def test_the_oracle_is_listed_apart(recorded: Recorded, answered: Answered) -> None:
    words = "fl v=spin"
    kernel = recorded(words, "q: object is freed\nq: END fl v=spin\n")
    pair = compare(kernel, answered(words, "q: object is freed\n", ours=("use after free: &o->s",)))
    assert pair.agrees
    assert pair.as_json()["only_ours"] == ["use after free: &o->s"]
    lines = comparison_lines(Comparison((pair,)))
    assert lines[-1] == "1 question: 1 agree, 0 differ, 0 not expressible"
    cut_short = comparison_lines(Comparison((pair,), missing=3))
    assert cut_short[-1] == "1 question: 1 agree, 0 differ, 0 not expressible, and 3 not asked"
    assert "    use after free: &o->s" in "\n".join(lines)


def test_a_report_of_the_models_that_the_parser_does_not_know_is_no_agreement(
    recorded: Recorded, answered: Answered
) -> None:
    words = "fl v=spin"
    kernel = recorded(words, "q: object is freed\nq: END fl v=spin\n")
    answer = answered(words, "q: object is freed\n", unread=("something new",))
    assert differences(kernel, answer) == [("a report that is not compared", "unknown", "something new")]


def test_what_was_measured_and_is_not_compared_is_named(recorded: Recorded, answered: Answered) -> None:
    sizes = "q: BATCH n=20000 CPU 1: 20000 callbacks ran\n"
    kernel = recorded("batch n=20000", sizes + "q: END batch n=20000\n")
    comparison = Comparison((compare(kernel, answered("batch n=20000", sizes)),))
    assert "  batch    1  sizes of batches above 10,000 callbacks" in "\n".join(comparison_lines(comparison))
    assert "batch" in comparison.as_json()["not_compared"]


def test_the_verbs_of_which_something_is_left_out_exist() -> None:
    assert set(LEFT_OUT) <= set(VERBS)


def test_one_that_could_not_be_put_is_told_with_its_reason(recorded: Recorded, answered: Answered) -> None:
    answer = answered("m v=syncsrcu", "")
    unput = Answer(question=answer.question, not_expressible="SRCU is not modelled")
    comparison = Comparison((compare(recorded("m v=syncsrcu", ""), unput),))
    assert (comparison.agreeing, len(comparison.differing), len(comparison.apart)) == (0, 0, 1)
    assert "    1  SRCU is not modelled" in comparison_lines(comparison)
    assert comparison.as_json()["questions"][0]["verdict"] == "not expressible"


def test_recordings_agree_with_themselves(recordings: dict[str, Recording]) -> None:
    """What the kernel said, taken for an answer: nothing in the comparison depends on whose console it is."""
    for recording in recordings.values():
        assert recording.command is not None
        answer = Answer(question=recording.command.question, entries=recording.entries, ended=recording.ended)
        assert compare(recording, answer).differences == ()


def test_no_two_recordings_of_different_kinds_agree(recordings: dict[str, Recording]) -> None:
    spin, read = recordings["A/F2-raw-spin"], recordings["A/F2-raw-read"]
    assert read.command is not None
    entries = [entry for entry in read.entries if isinstance(entry, ConsoleReport)]
    answer = Answer(question=read.command.question, entries=tuple(entries), ended=True)
    assert ("invalid wait context: lock", "(q_spin){....}-{3:3}") in [
        (found.what, found.kernel) for found in compare(spin, answer).differences
    ]


def test_where_among_the_reports_the_first_interrupt_comes(recorded: Recorded, answered: Answered) -> None:
    """Behind a local_bh_enable() too many: that it tells is compared, and not ahead of which report."""
    words = "a6 v=unbal"
    end = f"q: END {words}\n"
    sleeping = "BUG: sleeping function called from invalid context at kernel/exit.c:1\n"
    atomic = "BUG: scheduling while atomic: q_main/46/0x0000fe01\n"
    tick = (
        "------------[ cut here ]------------\nDEBUG_LOCKS_WARN_ON(current->softirqs_enabled)\n"
        "WARNING: CPU: 1 PID: 46 at kernel/locking/lockdep.c:5719 check_flags+0x108/0x1b0\n"
    )
    kernel = recorded(words, tick + sleeping + atomic + end)
    assert differences(kernel, answered(words, sleeping + tick + atomic)) == []
    assert differences(kernel, answered(words, sleeping + atomic))
    assert differences(kernel, answered(words, tick + atomic + sleeping))
    assert differences(recorded("a6 v=twice", tick + sleeping + end), answered("a6 v=twice", sleeping + tick))
