"""What is wrong with a recording: named in one line, exit code 2, no traceback; for conform, describe and replay."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def good() -> list[str]:
    """A recording of one call, line by line."""
    path = Path(__file__).parent.parent / "data" / "recordings" / "kvfree" / "a_cold_1_min5_rep1.txt.gz"
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def replaced(lines: list[str], of: str, old: str, new: str) -> list[str]:
    """The last such line says something else."""
    at = max(number for number, line in enumerate(lines) if of in line)
    assert old in lines[at]
    return [*lines[:at], lines[at].replace(old, new, 1), *lines[at + 1 :]]


def out_of_order(lines: list[str]) -> list[str]:
    """Two lines in the middle have changed places."""
    at = next(number for number, line in enumerate(lines) if ": kfree_rcu_monitor: " in line)
    return [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]


BAD: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "no recording": (lambda _lines: ["a,b,c", "1,2,3"], "holds no line of ftrace text"),
    "no calls": (
        lambda lines: [line for line in lines if ": kvfree_call_rcu: " not in line],
        "no kvfree_call_rcu line",
    ),
    "two runs": (lambda lines: lines + lines, "two runs in one file cannot be told apart"),
    "two runs, one head": (
        lambda lines: lines + [line for line in lines if not line.startswith("#")],
        "two runs in one file cannot be told apart",
    ),
    "a state that contradicts itself": (
        lambda lines: replaced(lines, ": state: KRC cpu=1", "count=0", "count=3"),
        "count=3, but head, slab and vmal are 0 together",
    ),
    "more CPUs than there are": (
        lambda lines: replaced(lines, ": state: KRC cpu=1", "cpu=1", "cpu=8192"),
        "cpu=8192: there are no more than 8,192",
    ),
    "time goes back": (out_of_order, "time goes back"),
    "a pointer cut in two": (
        lambda lines: replaced(lines, ": kvfree_call_rcu: ", "head=0xff11", "head=0x"),
        "",
    ),
}


@pytest.mark.parametrize("command", ["conform", "describe", "replay"])
@pytest.mark.parametrize("bad", BAD)
def test_it_is_named(bad: str, command: str, call: Call, tmp_path: Path, good: list[str]) -> None:
    change, named = BAD[bad]
    path = tmp_path / "recording.txt"
    path.write_text("\n".join(change(good)) + "\n")
    result = call(command, str(path))
    assert result.exit_code == 2
    said = result.stderr + result.stdout
    assert named in said
    assert "Traceback" not in said
    assert "internal error" not in said


@pytest.mark.parametrize("command", ["conform", "describe"])
def test_another_kernel_s_is_refused(command: str, call: Call, tmp_path: Path, good: list[str]) -> None:
    path = tmp_path / "recording.txt"
    path.write_text("\n".join(good) + "\n")
    result = call(command, str(path), "--kernel", "v6.12")
    assert result.exit_code == 2
    assert "is of a kernel 6.1" in result.stderr


def test_more_calls_than_are_replayed_are_cut_off(
    tmp_path: Path, good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rcuactors.recordings import read_recording, recording

    path = tmp_path / "recording.txt"
    at = next(number for number, line in enumerate(good) if ": kvfree_call_rcu: " in line)
    path.write_text("\n".join([*good[:at], good[at], good[at], good[at], *good[at:]]) + "\n")
    monkeypatch.setattr(recording, "MOST_CALLS", 3)
    assert len(read_recording(path).calls) == 3
    assert read_recording(path).truncated
