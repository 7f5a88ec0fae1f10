"""Questions put to the model: a sample of every verb agrees with the real kernel; all of them as a campaign."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.questions.asking import ask
from rcuactors.questions.campaign import pose, pose_all
from rcuactors.questions.command import parse_command
from rcuactors.questions.kernels import KERNELS, find_kernel
from rcuactors.questions.recording import Recording
from rcuactors.questions.verbs import DO
from rcuactors.questions.words import VERBS

SAMPLE = (
    "A/A1-none-gpfirst",
    "A/A1-preempt-late",
    "R/A1-bh-gpfirst",
    "A/A8-irq",
    "R/A8-softirq",
    "N/A8-none",
    "A/A9-idle",
    "A1/A9-cb",
    "A/B-100-idle",
    "A/B-1000-busy",
    "A/B-1000-idle",
    "A/B-20000-idle",
    "A/A3-ok-many",
    "A/F9-nowarn",
    "A/A6-underpre",
    "R/A6-enaonly",
    "A/A7-raw",
    "R/A7-rec",
    "A/A10-mutex",
    "A/F2-raw-spin",
    "A/F2-rcusched-mutex",
    "R/F2-dump-rcusched",
    "R/F2-raw-read",
    "A/F3-plain",
    "A/F5-incraw-iwhard",
    "A/F5-spin-hrhard",
    "R/F5-inc-timer",
    "A/FL-spin-heldfree",
    "A/F5-msleep-timer",
    "K/FL-krcu-held",
    "A/M-deref-protected",
    "A/OD-reinit-work",
    "A/OD-stack-rcu",
    "A/OD-uninit-work",
    "A/OD-timer-after-free",
    "AP/OD-krcu-kfree",
    "K/OD-krcu2",
    "K/OD-rcu-kfree",
    "K/OD-rcu2",
    "A/M-sync-in-reader",
    "R/M-rec-mutex",
    "R/M-spin-unbalanced",
    "R/M-exit-mutex",
    "N/M-sleep-in-reader",
)


SAMPLE_612 = (
    # Told by its own words, or where 6.1 says something else.
    "AP/M-dblfree",
    "AP/OD-krcu-kfree",
    "AP/FL-spin",
    "AP/OD-del-after-free",
    "A/M-vfree-slab",
    "A/A3-low-pcp",
    "A/X-A3-low-pcp-gfp0-free30",
    "A/OD-rcu2",
    "A/F9-nowarn",
    "A/F2-raw-spin",
    "R/F2-raw-read",
    "A/A4a-flush",
    "R/F3-preempt",
    "R/F5-leakpre-rcu",
    "R/F5-rawspin-timer",
    "R/F5-dump-timer",
)

WHOSE = {"context-6.1": "v6.1-stable", "context-6.12": "v6.12"}
"""Which version the recordings of a folder judge."""


def listed(root: Path, folder: str, name: str) -> dict[str, str]:
    """Questions that stand in a list beside the recordings, each with what is said of it."""
    lines = (root / "tests" / "data" / folder / name).read_text().splitlines()
    cells = [line.partition("\t") for line in lines if line and not line.startswith("#")]
    return {question: reason for question, _, reason in cells}


@pytest.fixture(scope="session")
def all_recordings(
    recordings: dict[str, Recording], recordings_612: dict[str, Recording]
) -> dict[str, dict[str, Recording]]:
    """The recordings by folder."""
    return {"context-6.1": recordings, "context-6.12": recordings_612}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_agrees(name: str, recordings: dict[str, Recording]) -> None:
    pair = pose(recordings[name])
    assert pair.not_expressible == ""
    assert [str(found) for found in pair.differences] == []


@pytest.mark.parametrize("name", SAMPLE_612)
def test_a_sample_of_6_12_agrees(name: str, recordings_612: dict[str, Recording]) -> None:
    pair = pose(recordings_612[name], "v6.12")
    assert pair.not_expressible == ""
    assert [str(found) for found in pair.differences] == []


@pytest.mark.parametrize("live", [False, True])
def test_on_a_live_console_printing_in_hardirq_is_the_end_of_lockdep(live: bool) -> None:
    """Of a6 v=hardirq lockdep says more where nobody has printed before."""
    answer = ask(parse_command("a6 v=hardirq"), find_kernel("A"), live=live)
    kinds = [report.kind for report in answer.reports]
    assert kinds[:2] == ["WARNING in __local_bh_disable_ip()", "WARNING in __local_bh_enable_ip()"]
    assert ("WARNING: DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())" in kinds) == (not live)
    assert kinds[-1] == "kernel BUG"
    assert not answer.ended


@pytest.mark.campaign
@pytest.mark.parametrize("folder", list(WHOSE))
def test_all_agree_but_those_known_to_differ(
    root: Path, folder: str, all_recordings: dict[str, dict[str, Recording]]
) -> None:
    asked = pose_all(list(all_recordings[folder].values()), version=WHOSE[folder])
    pairs = {f"{pair.recording.kernel}/{pair.recording.name}": pair for pair in asked}
    still_differing = set(listed(root, folder, "differing.txt"))
    differing = {name: [str(found) for found in pair.differences] for name, pair in pairs.items() if pair.differences}
    assert {name: found for name, found in differing.items() if name not in still_differing} == {}
    assert still_differing - set(differing) == set(), "these agree now: take them out of differing.txt"
    apart = {name: pair.not_expressible for name, pair in pairs.items() if pair.not_expressible}
    assert apart == listed(root, folder, "not-expressible.tsv"), "not-expressible.tsv lists them"


@pytest.mark.parametrize("folder", list(WHOSE))
def test_the_lists_name_recordings_and_none_of_them_twice(
    root: Path, folder: str, all_recordings: dict[str, dict[str, Recording]]
) -> None:
    differing, apart = (set(listed(root, folder, name)) for name in ("differing.txt", "not-expressible.tsv"))
    assert differing | apart <= set(all_recordings[folder])
    assert differing & apart == set()


@pytest.mark.campaign
@pytest.mark.parametrize("kernel", ["A", "R", "N"])
def test_every_value_of_every_key_can_be_asked(kernel: str) -> None:
    """Whatever it says, and whether it has the words: it ends, and raises nothing."""
    raised = {}
    for verb in VERBS.values():
        for key in verb.keys:
            for value in key.values if key.name in ("v", "op", "l", "how", "wq", "hog") else ():
                words = f"{verb.name} {key.name}={value}" + (" n=96" if verb.name == "a4d" else "")
                raised[words] = ask(parse_command(words), find_kernel(kernel)).raised
    assert {words: error for words, error in raised.items() if error} == {}


def test_every_verb_is_done_and_every_kernel_has_a_configuration() -> None:
    assert set(DO) == set(VERBS)
    assert set(KERNELS) == {"A", "AP", "R", "N", "K", "A1", "N1", "Aexp", "Anormal", "Afqs10"}


def test_the_same_question_has_the_same_answer() -> None:
    command, kernel = parse_command("f2 v=rcu op=mutex"), find_kernel("R")
    assert ask(command, kernel) == ask(command, kernel)


def test_kernels_differ() -> None:
    command = parse_command("f2 v=raw op=spin")
    kinds = {name: [report.kind for report in ask(command, find_kernel(name)).reports] for name in ("A", "N", "K")}
    assert kinds == {"A": ["invalid wait context"], "N": [], "K": []}


def test_settings_go_on_top_of_a_kernels() -> None:
    command = parse_command("m v=kmspin")
    assert ask(command, find_kernel("A")).reports != ()
    assert ask(command, find_kernel("A"), {"DEBUG_ATOMIC_SLEEP": "n"}).reports == ()


def test_a_question_that_does_not_come_back() -> None:
    answer = ask(parse_command("m v=recspin"), find_kernel("A"), limit_s=12)
    assert not answer.ended
    assert [report.kind for report in answer.reports] == ["recursive locking"]
    assert answer.ours == ("DEADLOCK: q_main/21 waits for ever for q_spin",)
    assert not ask(parse_command("a8 v=none ms=2000 n=1"), find_kernel("A"), limit_s=1).ended


def test_what_the_model_has_no_words_for_is_told() -> None:
    throttled = ask(parse_command("f8 v=pre s=2"), find_kernel("A"))
    assert "throttled" in throttled.not_expressible


@pytest.mark.parametrize(("version", "told"), [("v6.1-stable", []), ("v6.12", ["slab: Object corrupt"])])
def test_whoever_reads_the_log_may_find_what_a_question_has_overwritten(version: str, told: list[str]) -> None:
    """dmesg asks for 2,048 bytes since v6.3, which are in the slabs of struct obj, and for half of it before."""
    answer = ask(parse_command("fl v=spin unl=1"), find_kernel("AP"), version=version)
    assert [report.kind for report in answer.reports][1:2] == told
    written = ask(parse_command("fl v=wr"), find_kernel("AP"), version=version)
    assert [report.kind for report in written.reports][:1] == (told or ["slab: Poison overwritten"])


@pytest.mark.parametrize("version", ["v6.1-stable", "v6.12"])
def test_printing_a_report_takes_so_long_that_a_tick_falls_into_it(version: str) -> None:
    """As recorded of 6.12; klogd's irq_work is lazy, and does not come before."""
    answer = ask(parse_command("a6 v=unbal"), find_kernel("A"), version=version)
    assert [report.kind for report in answer.reports] == [
        "sleeping function",
        "WARNING: DEBUG_LOCKS_WARN_ON(current->softirqs_enabled)",
        "scheduling while atomic",
    ]
