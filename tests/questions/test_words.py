"""The words of the questions, and the commands that they stand in."""

from __future__ import annotations

import pytest

from rcuactors.errors import BadInput
from rcuactors.questions.command import Beside, parse_command
from rcuactors.questions.recording import Recording
from rcuactors.questions.words import VERBS, parse_question


def test_words_in_any_order_and_defaults() -> None:
    question = parse_question("a1 order=late v=irq n=5")
    assert (question.word("v"), question.word("order"), question.number("n")) == ("irq", "late", 5)
    assert (question.number("ms"), question.on("pre"), question.on("exp")) == (200, True, False)
    assert str(question) == "a1 order=late v=irq n=5"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "a question begins with one of a1, a8"),
        ("a11 v=irq", "question a11: did you mean a1?"),
        ("a1 v=irqs", "a1 v=irqs: did you mean irq? v is one of none, preempt, irq"),
        ("a1 vv=irq", "a1: vv: no such key; did you mean v?"),
        ("a1 irq", "a1 irq: needs key=value, such as v=none"),
        ("a1 n=many", "a1 n=many: needs a whole number from 1 to 1000"),
        ("a1 n=0", "a1 n=0: needs a whole number"),
        ("a1 n=1_0", "a1 n=1_0: needs a whole number"),
        ("a1 n=1 n=2", "a1 n=2: n was given already"),
        ("f5 v= op=spin", "f5 v=: v is one of rcu, timer"),
    ],
)
def test_wrong_words_are_one_line(words: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_question(words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_default_is_one_of_its_values() -> None:
    for verb in VERBS.values():
        for key in verb.keys:
            assert key.check(verb.name, key.default) == key.default


def test_a_command_sets_things_before_it_asks() -> None:
    command = parse_command(
        "echo 5 > /proc/sys/kernel/hung_task_timeout_secs ; "
        "echo 7 > /sys/module/workqueue/parameters/watchdog_thresh ; echo a4c v=never wait=25 > /proc/q"
    )
    assert command.settings == {"hung_task_timeout_secs": "5", "watchdog_thresh": "7"}
    assert str(command.question) == "a4c v=never wait=25"
    assert parse_command("a4c v=never").settings == {}


def test_realtime_throttling_is_no_configuration_name() -> None:
    command = parse_command("echo -1 > /proc/sys/kernel/sched_rt_runtime_us ; f8 v=pre s=10")
    assert (command.settings, command.throttled) == ({}, False)
    assert parse_command("f8 v=pre s=10").throttled


def test_a_process_beside_it() -> None:
    line = "dd if=/dev/zero of=/dev/null bs=60M count=100000 & sleep 2 ; echo f9 v=page gfp=kernel > /proc/q"
    assert parse_command(line).beside == (Beside("dd", 15_360),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("echo 5 > /proc/sys/kernel/hung_task_timeout ; a4b", "did you mean /proc/sys/kernel/hung_task_timeout_secs?"),
        ("echo 5 > /proc/sys/kernel/hung_task_timeout_secs", "sets something, and asks nothing"),
        ("a4b ; a4b", "the question comes last"),
    ],
)
def test_wrong_commands_are_one_line(line: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_command(line)
    assert said in str(caught.value)


def test_every_recorded_question_can_be_read(recordings: dict[str, Recording]) -> None:
    assert len(recordings) == 460
    assert {name: recording.wrong for name, recording in recordings.items() if recording.wrong} == {}
