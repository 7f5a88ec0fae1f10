"""The course of a comparison: pieces, gaps, what is left out, and what becomes of the verdict (conform/course.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rcuactors.conform import conform
from rcuactors.conform import pieces as pieces_module

from .recorded import DATA, lines_of, written

CYCLES = "kvfree/i_failalloc_single_arg_5_min5"
"""It ends in the state in which it begins."""
SMALL = "kvfree/a_cold_512_min5"


def in_cycles(times: int, path: Path, *between: str) -> Path:
    """A recording that goes on as it began, several times: calls, all freed, calls, all freed; and time goes on."""
    lines = lines_of(CYCLES)
    first = next(number for number, line in enumerate(lines) if ": state: KRC" in line)
    head, body = lines[:first], lines[first:]
    out = [line for line in head if "BEGIN" not in line]
    for number in range(times):
        later = Later(body, number)
        out += [later.line(line) for line in body if "kvt_write" not in line]
        out += between
    path.write_text("\n".join(out) + "\n")
    return path


class Later:
    """Lines, so many cycles later: their times, and their grace periods."""

    def __init__(self, body: list[str], number: int) -> None:
        edges = [
            int(found[1]) for found in map(re.compile(r".*rcu_preempt (-?\d+) (?:start|end)$").match, body) if found
        ]
        self._periods = number * (edges[-1] - edges[0] + 4)
        self._seconds = number * 60

    def line(self, line: str) -> str:
        """One of them."""
        line = re.sub(r"(\d+)(\.\d{6}: )", lambda found: f"{int(found[1]) + self._seconds}{found[2]}", line, count=1)
        return re.sub(
            r"(rcu_grace_period: \S+ )(-?\d+)", lambda found: f"{found[1]}{int(found[2]) + self._periods}", line
        )


def test_of_many_parts_the_first_are_named(tmp_path: Path) -> None:
    said = conform(in_cycles(11, tmp_path / "cycles.txt", "CPU:1 [LOST 7 EVENTS]"))
    parts = said.lines()[1]
    assert len(said.spans) == 11
    assert parts.count(" to ") == 8
    assert f"{said.spans[7][0]:,} to {said.spans[7][1]:,}, and 3 more parts of " in parts
    assert len(said.as_json()["compared_lines"]) == 11


def test_piece_by_piece_it_comes_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = in_cycles(4, tmp_path / "cycles.txt")
    whole = conform(path)
    assert whole.exit_code == 0, whole.lines()
    made: list[int] = []
    rest = pieces_module.Pieces.rest
    monkeypatch.setattr(
        pieces_module.Pieces,
        "rest",
        lambda self, told, starts: (made.append(len(told.lines)), rest(self, told, starts))[1],
    )
    apart = conform(path, piece=250)
    assert len(made) >= 2
    assert max(made) < 800
    assert (apart.exit_code, apart.compared, apart.calls) == (0, whole.compared, whole.calls)
    assert apart.spans == whole.spans
    assert not apart.partial


def test_a_wrong_line_in_a_later_piece_is_found(tmp_path: Path) -> None:
    path = in_cycles(3, tmp_path / "cycles.txt")
    lines = path.read_text().splitlines()
    at = max(number for number, line in enumerate(lines) if ": hrtimer_start: " in line)
    path.write_text("\n".join([*lines[:at], *lines[at + 1 :]]) + "\n")
    said = conform(path, piece=250)
    assert said.exit_code == 1
    assert said.found[0].line > 2 * len(lines) // 3


def test_behind_lost_events_it_begins_again(tmp_path: Path) -> None:
    path = in_cycles(4, tmp_path / "cycles.txt")
    lines = path.read_text().splitlines()
    whole = conform(path)
    at = len(lines) // 8
    path.write_text("\n".join([*lines[:at], "CPU:1 [LOST 7 EVENTS]", *lines[at:]]) + "\n")
    said = conform(path)
    assert len(said.spans) == 2
    assert said.spans[0][1] <= at
    assert said.spans[1][0] > at + 1
    left = sum(whole.compared.values()) - sum(said.compared.values())
    assert 0 < left < sum(whole.compared.values()) // 2
    assert "only a part is compared" in said.lines()[1]
    assert "compared again from line" in said.lines()[2]
    assert said.as_json()["compared_lines"] == [list(span) for span in said.spans]
    # More than a tenth of the decisions was left out.
    assert said.exit_code == 2
    assert "could be compared" in said.undecided


def test_what_is_lost_in_a_little_corner_does_not_matter(tmp_path: Path) -> None:
    path = in_cycles(4, tmp_path / "cycles.txt")
    lines = path.read_text().splitlines()
    at = max(number for number, line in enumerate(lines[: len(lines) // 2]) if ": state: KRC" in line) - 4
    path.write_text("\n".join([*lines[:at], "CPU:1 [LOST 7 EVENTS]", *lines[at:]]) + "\n")
    said = conform(path)
    assert said.exit_code == 0, said.lines()
    assert said.partial


def test_lost_events_with_no_state_behind_them_leave_it_undecided(tmp_path: Path) -> None:
    lines = lines_of(SMALL)
    at = next(number for number, line in enumerate(lines) if "kfree_rcu_monitor: " in line)
    behind = [line for line in lines[at:] if ": state: " not in line]
    said = conform(written(tmp_path, [*lines[:at], "CPU:1 [LOST 7 EVENTS]", *behind]))
    assert said.exit_code == 2
    assert f"line {at + 1}: events were lost of CPU 1" in said.undecided
    assert said.compared["call"] == 512


def test_up_to_a_cut_it_agrees(tmp_path: Path) -> None:
    lines = lines_of(SMALL)
    at = next(number for number, line in enumerate(lines) if "kfree_rcu_monitor: " in line)
    said = conform(written(tmp_path, [*lines[:at], "# TRUNCATED at 2 MB"]))
    assert (said.exit_code, said.until) == (0, f"line {at + 1}: the file is cut")


def test_lines_out_of_order_are_a_gap(tmp_path: Path) -> None:
    lines = lines_of(SMALL)
    at = next(number for number, line in enumerate(lines) if "kfree_rcu_monitor: " in line)
    said = conform(written(tmp_path, [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]))
    assert said.exit_code == 2
    assert "time goes back" in said.gaps[0]


def test_a_missing_start_is_named(tmp_path: Path) -> None:
    lines = lines_of(SMALL)
    at = next(number for number, line in enumerate(lines) if ": kvfree_call_rcu: " in line) + 100
    head = [line for line in lines if line.startswith("#")]
    said = conform(written(tmp_path, [*head, "CPU:1 [LOST 3 EVENTS]", *lines[at:]]))
    assert said.exit_code == 2
    assert said.gaps[0].startswith(f"line {len(head) + 1}: events were lost of CPU 1")


def test_lines_before_a_cpu_s_own_start_are_not_compared(tmp_path: Path) -> None:
    lines = lines_of(SMALL)
    at = next(number for number, line in enumerate(lines) if "kfree_rcu_monitor: " in line)
    said = conform(written(tmp_path, [*lines[:at], "##### CPU 0 buffer started ####", *lines[at:]]))
    assert said.exit_code == 2
    assert said.compared.get("call", 0) == 0
    assert "the start was overwritten of CPU 0" in said.gaps[0]


@pytest.mark.parametrize("looks", [30, 700, 1136 + 300])
def test_it_can_be_ended_where_it_is(looks: int) -> None:
    """While it is read, and while it is compared."""
    left = iter(range(looks))
    try:
        said = conform(DATA / f"{SMALL}.txt.gz", watch=lambda _number: next(left, None) is not None)
    except KeyboardInterrupt:
        assert looks == 30  # before there was anything
        return
    assert said.interrupted
    assert said.partial
    text = "\n".join(said.lines()[:4])
    assert "interrupted" in text
    if looks > 1136:
        assert said.spans[0][1] < 400
        assert 0 < said.compared["call"] < 512
    else:
        assert not said.compared
