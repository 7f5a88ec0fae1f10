"""`rcuactors lockdep ask`: one question, a comparison, exit codes, and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
OneLine = Callable[..., str]

FILE = """\
# command: echo {words} > /proc/q
# status: ok, 0.9 s

[    7.100000] q: CMD {words}
"""
GOT_IT = (
    "[    7.190683] q: got it\n[    7.190767] q: F2 done preempt_count 0 debug_locks {}\n[    7.200000] q: END f2\n"
)
RIGHT, WRONG = GOT_IT.format(1), GOT_IT.format(0)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., str]:
    """A folder of recordings of kernel A: question and console of each."""

    def write(**files: tuple[str, str]) -> str:
        (tmp_path / "A").mkdir()
        for name, (words, console) in files.items():
            (tmp_path / "A" / f"{name}.txt").write_text(FILE.format(words=words) + console, encoding="utf-8")
        return str(tmp_path)

    return write


def test_one_question(call: Call) -> None:
    result = call("lockdep", "ask", "--as", "R", "f2 v=preempt op=ms")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "R: f2 v=preempt op=ms"
    assert any(line.startswith("BUG: sleeping function called from invalid context") for line in lines)
    assert "q: F2 done preempt_count 0 debug_locks 1" in lines


def test_a_question_as_a_document(call: Call) -> None:
    document = json.loads(call("lockdep", "ask", "--json", "f2 v=raw op=spin").stdout)
    (report,) = document["reports"]
    assert (document["kernel"], document["came_back"]) == ("A", True)
    assert report["lock"] == {"name": "q_spin", "usage": "....", "waits": "3:3"}
    assert document["said"] == ["got it", "F2 done preempt_count 0 debug_locks 0"]


def test_a_question_to_another_version(call: Call) -> None:
    result = call("lockdep", "ask", "--kernel", "v5.11", "--as", "R", "f2 v=preempt op=spin")
    lines = result.stdout.splitlines()
    assert lines[0] == "v5.11, R: f2 v=preempt op=spin"
    document = json.loads(call("lockdep", "ask", "--kernel", "v5.11", "--json", "f2 v=raw op=spin").stdout)
    assert (document["version"], document["kernel"]) == ("v5.11", "A")
    assert "5.11.0 #1 Not tainted" in document["text"]


def test_a_comparison_of_one_configuration_on_one_version(call: Call, folder: Callable[..., str]) -> None:
    place = folder(one=("f2 v=preempt op=spin", RIGHT))
    result = call("lockdep", "ask", "--kernel", "v5.11", "--as", "A", "--all", "--against", place, "--jobs", "1")
    assert result.stdout.splitlines()[-1] == "1 question: 1 agree, 0 differ, 0 not expressible"


def test_a_comparison_that_agrees(call: Call, folder: Callable[..., str]) -> None:
    place = folder(one=("f2 v=preempt op=spin", RIGHT))
    result = call("lockdep", "ask", "--all", "--against", place, "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "1 question: 1 agree, 0 differ, 0 not expressible"


def test_a_comparison_that_does_not(call: Call, folder: Callable[..., str]) -> None:
    place = folder(one=("f2 v=preempt op=spin", RIGHT), two=("f2 v=preempt op=spin", WRONG), three=("f8 v=pre", ""))
    result = call("lockdep", "ask", "--all", "--against", place, "--jobs", "2")
    assert result.exit_code == 1
    said = result.stdout
    assert said.splitlines()[-1] == "3 questions: 1 agree, 1 differ, 1 not expressible"
    assert "A/two: f2 v=preempt op=spin\n    measured\n        kernel: F2 done preempt_count 0 debug_locks 0\n" in said
    assert "    1  realtime threads are not throttled here" in said
    document = json.loads(call("lockdep", "ask", "--all", "--against", place, "--json", "--jobs", "1").stdout)
    verdicts = {question["question"]: question["verdict"] for question in document["questions"]}
    assert verdicts == {"one": "agrees", "two": "disagrees", "three": "not expressible"}
    assert (document["agreed"], document["disagreed"], document["not_expressible"], document["not_run"]) == (1, 1, 1, 0)
    only = call("lockdep", "ask", "--all", "--against", place, "--only", "A/one", "--jobs", "1")
    assert (only.exit_code, only.stdout.splitlines()[-1][:11]) == (0, "1 question:")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs a question, such as 'a1 v=irq order=first', or --all --against DIR"),
        (("a1 v=irqs",), "a1 v=irqs: did you mean irq?"),
        (("a11",), "question a11: did you mean a1?"),
        (("a1", "--kernel", "v6.2"), "kernel v6.2: "),
        (("a1", "--as", "B"), "--as B: there are A, AP, R"),
        (("a1", "--set", "PREMPT=y"), "did you mean PREEMPT?"),
        (("a1", "--against", "x"), "--against and --only: need --all"),
        (("--all",), "--all: needs --against DIR"),
        (("--all", "--against", "x", "a1"), "leave QUESTION and --set out"),
        (("--all", "--against", "no_such_place"), "is no folder and no tar archive"),
        (("f8 v=pre",), "f8 v=pre: not expressible: realtime threads"),
    ],
)
def test_bad_input_is_one_line(one_line: OneLine, arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line("lockdep", "ask", *arguments)


def test_only_what_is_there(one_line: OneLine, folder: Callable[..., str]) -> None:
    place = folder(one=("f2 v=preempt op=spin", RIGHT))
    said = one_line("lockdep", "ask", "--all", "--against", place, "--only", "A/F5")
    assert said == "--only A/F5: none of the 1 recordings has that in its name"
    said = one_line("lockdep", "ask", "--all", "--against", place, "--as", "R")
    assert said == "--as R: --against has no folder of that name"
