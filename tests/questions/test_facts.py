"""What is compared of what the module measured, and what is not: times, PIDs, whom an interrupt hit."""

from __future__ import annotations

import pytest

from rcuactors.questions.facts import Facts, facts_of
from rcuactors.questions.recording import Recording
from rcuactors.questions.words import parse_question
from rcuactors.report.console import Said, read_console


def facts(words: str, *lines: str) -> Facts:
    return facts_of(parse_question(words), [Said(line) for line in lines])


def same(words: str, one: str, other: str) -> bool:
    return facts(words, one) == facts(words, other)


def test_times_and_pids_are_no_facts() -> None:
    assert same("a4b", "A4b flush_work(idle) = 0 after 176 us; runs 0", "A4b flush_work(idle) = 0 after 9 us; runs 0")
    assert not same("a4b", "A4b flush_work(idle) = 0 after 9 us; runs 0", "A4b flush_work(idle) = 1 after 9 us; runs 0")
    assert not same("a4b", "A4b flush_work(idle) = 0 after 9 us; runs 0", "A4b flush_work(idle) = 0 after 9 us; runs 1")
    where = "work runs on CPU {}, pid {}, preempt_count 0, in_task 1, policy 0 nice 0"
    assert same("wcpu", where.format(1, "19 kworker/1:0"), where.format(1, "43 kworker/1:2"))
    assert not same("wcpu", where.format(1, "19 kworker/1:0"), where.format(0, "43 kworker/1:2"))


def test_whom_an_interrupt_hits_is_no_fact() -> None:
    idle = "pid 0 swapper/1 preempt_count 10001 irqs_disabled 1 rcu depth 0"
    assert same("f5 v=hrtimer op=dump", idle, "pid 46 q_main preempt_count 10000 irqs_disabled 1 rcu depth 0")
    assert not same("f5 v=hrtimer op=dump", idle, "pid 46 q_main preempt_count 10100 irqs_disabled 1 rcu depth 0")
    task = "pid 46 q_main preempt_count {} irqs_disabled 0 rcu depth 0"
    assert not same("f2 v=preempt op=dump", task.format(0), task.format(1))


@pytest.mark.parametrize(
    ("lock", "count", "expected"), [("sb_writers#3", 10001, 1), ("q_mutex", 10001, 0), ("sb_writers#3", 1, 0)]
)
def test_nor_what_the_process_that_asks_holds_on_its_way(lock: str, count: int, expected: int) -> None:
    said = f"q: pid 0 swapper/1 preempt_count {count} irqs_disabled 1 rcu depth 0\n"
    held = f"1 lock held by init/1:\n #0: ff11000000891450 ({lock}){{+.+.}}-{{0:0}}, at: ksys_write+0x6c/0xe0\n"
    one, other = (
        facts_of(
            parse_question("f5 v=ipi op=dump"),
            [entry for entry in read_console(text.split("\n")) if isinstance(entry, Said)],
        )
        for text in (said + "no locks held by swapper/1/0.\n", said + held)
    )
    assert len(one) == len(other) == 2
    assert (one == other) == bool(expected)


def test_the_same_line_again_is_another_fact() -> None:
    found = facts("a4b", "   300 ms later runs 1", "   300 ms later runs 0")
    assert list(found.values()) == [{"300 ms later runs 1"}, {"300 ms later runs 0"}]


def test_orders_that_were_measured_several_times() -> None:
    line = "A1 a1 v=none: unlock at 1 us, region ended at 2 us, synchronize_rcu() returned at 3 us => {} the end"
    assert facts(
        "a1", line.format("after"), line.format("BEFORE"), "A1 returned before the region's end in 1 of 2"
    ) == {"A1": {"after", "BEFORE"}}
    two = "A7 cpu0 asked 3611 got {} left 54092; cpu1 asked 19507 got 19608 left 69760 (us)"
    assert facts("a7 v=two", two.format(4014)) == {"A7 two CPUs": {"nobody waits"}}
    assert facts("a7 v=two", two.format(54_100)) == {"A7 two CPUs": {"one waits for the other"}}


def test_how_long_a_grace_period_takes_is_told_in_orders_of_magnitude() -> None:
    def took(*us: int) -> set[str]:
        head = f"A9 a9 : HZ 250, online CPUs 2, n 50: min {min(us)} mean {sum(us) // len(us)} max {max(us)} us"
        return facts("a9", head, f"A9   {' '.join(str(one) for one in us)}")["A9"]

    assert took(338, 261, 2948) == {"less than a jiffy"}
    assert took(16_189, 3_903_954, 11_740) == {"some jiffies"}, "one that was long is not the usual one"
    assert took(115_721, 119_981, 116_027) == {"tens of jiffies"}


def test_batches() -> None:
    head = "BATCH n={} CPU busy: {} callbacks ran, first 1 us after the first call_rcu, last 2 us"
    few = facts("batch n=100", head.format(100, 100), "BATCH 100(i)@19470")
    assert few == {"BATCH callbacks ran": {"100"}, "BATCH sizes": {"100"}}
    assert facts("batch n=100", head.format(100, 100), "BATCH 10(t)@1 10(k)@2")["BATCH sizes"] == {"10"}
    many = facts("batch n=20000", head.format(20_000, 20_000), "BATCH 156(t)@295329 64(t)@298275")
    assert many["BATCH sizes"] == {"several runs"}
    # With interrupts on ticks cut off what is left.
    on = facts("batch n=30 irqon=1", head.format(30, 30), "BATCH 10(t)@1 3(t)@2 10(k)@3 7(k)@4")
    assert on["BATCH sizes"] == {"10"}
    assert facts("batch n=30 irqon=1", head.format(30, 30), "BATCH 5(t)@1 10(t)@2 5(k)@3 5(k)@4")["BATCH sizes"] == {
        "5, 10"
    }


def test_in_which_order_works_ran() -> None:
    serial = "word: 0@12596/cpu1 1@33310/cpu1 2@54740/cpu1 3@74826/cpu1 4@94920/cpu1 5@120726/cpu1"
    found = facts("word how=spin wq=hi", serial)
    assert found == {
        "word works that ran": {"6"},
        "word": {"one after the other"},
        "word order": {"0 1 2 3 4 5"},
        "word CPUs": {"1"},
    }
    beside = "word: 1@1267/cpu1 0@841/cpu1 2@14222/cpu1 3@21723/cpu1 5@23339/cpu1 4@23210/cpu1"
    assert facts("word how=sleep", beside)["word"] == {"beside each other"}
    assert "word order" not in facts("word how=sleep", beside), "which one ends first is a matter of the timers"


def test_every_recording_that_measured_something_has_facts(recordings: dict[str, Recording]) -> None:
    without = [
        name
        for name, recording in recordings.items()
        if recording.command is not None
        and recording.ended
        and not facts_of(recording.command.question, recording.said)
    ]
    assert without == []
