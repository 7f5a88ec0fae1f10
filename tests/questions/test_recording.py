"""Recordings: headers, further runs of a question, what a live console adds, folders and archives."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.errors import BadInput
from rcuactors.questions.recording import Recording, read_recordings, read_text


def test_what_a_file_says(recordings: dict[str, Recording]) -> None:
    first = recordings["A/A1-bh-gpfirst"]
    assert (first.group, first.ended, first.timeout_s) == ("A1", True, None)
    assert first.command is not None
    assert str(first.command.question) == "a1 v=bh order=first n=5"
    assert sum("=> after" in one.text for one in first.said) == 5
    assert sum("=> after" in one.text for one in first.more) == 3, "an earlier run of the same question"
    stuck = recordings["A/M-rec-spin"]
    assert (stuck.ended, stuck.timeout_s) == (False, 12.0)


def test_what_a_live_console_reports_of_itself_is_left_out(recordings: dict[str, Recording]) -> None:
    kinds = [report.kind for report in recordings["A/A6-hardirq"].reports]
    assert kinds == ["WARNING in __local_bh_disable_ip()", "WARNING in __local_bh_enable_ip()", "kernel BUG"]
    assert recordings["A/A6-hardirq"].fatal


def test_the_parser_sees_a_report_where_the_table_has_one(archive: Path, recordings: dict[str, Recording]) -> None:
    """table.tsv was made by whoever recorded, by other means."""
    with tarfile.open(archive) as files:
        table = files.extractfile("context-6.1/table.tsv")
        assert table is not None
        rows = [line.split("\t") for line in table.read().decode().splitlines()[1:]]
    notices = ("no report", "ODEBUG: Out of memory. ODEBUG disabled")
    said = {f"{kernel}/{name}": first not in notices for kernel, name, _, _, first, *_ in rows}
    assert len(said) == 460
    assert {name: bool(recordings[name].reports) for name in said} == said


def test_a_folder_of_one_kernel_and_of_all(tmp_path: Path, archive: Path) -> None:
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    assert len(read_recordings(str(tmp_path / "context-6.1"))) == 460
    assert {recording.kernel for recording in read_recordings(str(tmp_path / "context-6.1" / "N1"))} == {"N1"}


def test_no_recordings(tmp_path: Path, recorded: Callable[..., Recording]) -> None:
    with pytest.raises(BadInput, match="has no recordings"):
        read_recordings(str(tmp_path))
    broken = tmp_path / "broken.tar.xz"
    broken.write_bytes(b"\xfd7zXZ\x00nothing more")
    for path in (broken, tmp_path / "missing"):
        with pytest.raises(BadInput, match="is no folder and no tar archive") as caught:
            read_recordings(str(path))
        assert "\n" not in str(caught.value)
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.txt").write_text("[    1.0] hello\n")
    with pytest.raises(BadInput, match="recording A/x: has no '# command:' in its header"):
        read_recordings(str(tmp_path))
    assert "did you mean a10?" in recorded("a100 v=sched", "").wrong


@pytest.mark.parametrize(
    ("line", "served"),
    [
        ("[    9.335498] ksoftirqd/1/28 is trying to lock:", False),
        ("[    9.335498] rcuc/1/27 is trying to lock:", True),
        ("[    9.602294] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 27, name: rcuc/1", True),
        ("[   10.018370] q: pid 27 rcuc/1 preempt_count 0 irqs_disabled 0", True),
        ("[   10.018648] 7 locks held by ksoftirqd/1/28:", False),
        ("# --- an earlier run\n[    9.338209] 7 locks held by rcuc/1/27:", False),
    ],
)
def test_who_served_the_softirq(line: str, served: bool) -> None:
    assert read_text(f"# command: echo f5 v=timer > /proc/q\n{line}\n", "R", "one").rcuc_served == served
