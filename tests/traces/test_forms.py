"""The two forms of a call (rcuactors/recordings/forms.py), and how a file shows which one it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.recordings import read_recording
from rcuactors.traces.forms import BY_OBJECT, BY_OFFSET, Form, form_of, form_of_call

HEAD, OBJECT, OFFSET = 0xFF1100000083E690, 0xFF1100000083E680, 0x10
CALL = "kvt1-70 [001] ..... 10.5: kvfree_call_rcu: (kvfree_call_rcu+0x4/0x350) head=0x{:x} func=0x{:x}\n"
ONE_ARGUMENT = CALL.format(0, OBJECT)


def calls_of(tmp_path: Path, text: str, kernel: str = "") -> tuple[Form, list[tuple[int, int]]]:
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf-8")
    recording = read_recording(path, kernel)
    return recording.form, [(call.address, call.offset) for call in recording.calls]


def test_each_form_finds_the_object_and_the_offset() -> None:
    assert BY_OFFSET.object_of(HEAD, OFFSET) == (OBJECT, OFFSET)
    assert BY_OBJECT.object_of(HEAD, OBJECT) == (OBJECT, OFFSET)
    for form in (BY_OFFSET, BY_OBJECT):
        assert form.object_of(0, OBJECT) == (OBJECT, 0)


@pytest.mark.parametrize(
    ("form", "head", "func"),
    [
        (BY_OFFSET, HEAD, OBJECT),
        (BY_OFFSET, HEAD, 0x11),
        (BY_OFFSET, HEAD, 4096),
        (BY_OBJECT, HEAD, OFFSET),
        (BY_OBJECT, HEAD, HEAD + 8),
        (BY_OBJECT, HEAD, OBJECT + 1),
        (BY_OBJECT, HEAD, HEAD - 4096),
    ],
)
def test_what_no_kernel_of_that_form_says(form: Form, head: int, func: int) -> None:
    assert form.object_of(head, func) is None


@pytest.mark.parametrize(
    ("kernel", "form"),
    [
        ("6.12.117 config_6.12_plain (PREEMPT=y)", BY_OBJECT),
        ("6.1.192 config_B_trace.txt", BY_OFFSET),
        ("Linux (none) 6.1.0-38-amd64", BY_OFFSET),
        ("6.6.80", BY_OBJECT),
        ("5.11.0", BY_OFFSET),
        ("7.3.0-rc0", BY_OBJECT),
        ("", None),
        ("a kernel", None),
    ],
)
def test_the_kernel_that_a_file_names_has_a_form(kernel: str, form: Form | None) -> None:
    assert form_of(kernel) is form


def test_a_call_shows_its_form() -> None:
    assert form_of_call(HEAD, OFFSET) is BY_OFFSET
    assert form_of_call(HEAD, OBJECT) is BY_OBJECT
    assert form_of_call(0, OBJECT) is None


def test_the_file_itself_decides(tmp_path: Path) -> None:
    """By the kernel that it names; else by its first call with two arguments."""
    both = CALL.format(HEAD, OFFSET) + CALL.format(HEAD, OBJECT)
    expected = [(OBJECT, OFFSET)]
    for kernel in ("6.1.192", "6.12.117"):
        form, calls = calls_of(tmp_path, f"# kernel: {kernel} x\n" + both)
        assert (form, calls) == (form_of(kernel), expected)
    assert calls_of(tmp_path, ONE_ARGUMENT + CALL.format(HEAD, OBJECT))[0] is BY_OBJECT
    assert calls_of(tmp_path, ONE_ARGUMENT + CALL.format(HEAD, OFFSET))[0] is BY_OFFSET


def test_the_kernel_that_is_given_decides_where_nothing_shows(tmp_path: Path) -> None:
    assert calls_of(tmp_path, ONE_ARGUMENT)[0] is BY_OFFSET
    assert calls_of(tmp_path, ONE_ARGUMENT, "6.12.117")[0] is BY_OBJECT
    assert calls_of(tmp_path, "# kernel: 6.1.192\n" + ONE_ARGUMENT, "6.12.117")[0] is BY_OFFSET


def test_a_call_of_the_other_form_is_an_unknown_line(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("# kernel: 6.12.117\n" + CALL.format(HEAD, OBJECT) + CALL.format(HEAD, OFFSET), encoding="utf-8")
    recording = read_recording(path)
    assert (len(recording.calls), recording.unknown_lines) == (1, 1)
