"""What repeats itself is folded: one row, or several in turn; never across a landmark."""

from __future__ import annotations

from rcuactors.report.styled import plain
from rcuactors.story import NOBODY, Level, Row, columns, folded
from rcuactors.story.columns import counted_names, row_text


def row(time_ns: int, text: str, *, cpu: int = 0, level: Level = Level.STEP, amount: int = 0) -> Row:
    unit = "object" if amount else ""
    return Row(time_ns=time_ns, cpu=cpu, name="n", text=text, level=level, amount=amount, unit=unit)


def texts(rows: list[Row]) -> list[str]:
    return [row_text(one) for one in rows]


def test_the_same_in_a_row_is_one_with_how_many_and_how_long() -> None:
    rows = folded([row(1000 * number, "a call") for number in range(40)])
    assert texts(rows) == ["a call x 40, for 39.0 us"]


def test_amounts_are_added_up() -> None:
    assert texts(folded([row(0, "frees", amount=507), row(10, "frees", amount=493)])) == [
        "frees x 2, 1,000 objects, for 10 ns"
    ]


def test_several_in_turn_are_told_once() -> None:
    turn = ["a new block", "a call", "a call", "a page"]
    rows = folded([row(number, text) for number, text in enumerate(turn * 5)])
    assert texts(rows) == ["a new block", "a call x 2, for 1 ns", "a page", "these 3 again, 4 times, for 15 ns"]


def test_what_differs_in_a_turn_is_told() -> None:
    turns = ["a", "b", "a", "b", "a", "c", "a", "b"]
    assert texts(folded([row(number, text) for number, text in enumerate(turns)])) == [
        "a", "b", "these 2 again, for 1 ns", "a", "c", "a", "b",
    ]  # fmt: skip


def test_columns_are_folded_each_for_itself() -> None:
    rows = folded([row(number, f"on {number % 2}", cpu=number % 2) for number in range(20)])
    assert texts(rows) == ["on 0 x 10, for 18 ns", "on 1 x 10, for 18 ns"]


def test_nothing_is_folded_across_a_landmark_of_another_column() -> None:
    rows = [row(0, "a call"), row(1, "a call"), row(2, "ends", cpu=NOBODY, level=Level.LANDMARK), row(3, "a call")]
    assert texts(folded(rows)) == ["a call x 2, for 1 ns", "ends", "a call"]


def test_what_is_left_out_counts_what_was_folded() -> None:
    rows = folded([row(number, text) for number, text in enumerate(["a", "b"] * 5)])
    assert counted_names(rows) == "10 n"


def test_columns_of_a_page() -> None:
    rows = [row(0, "a word"), row(1, "one that is longer than a column has room for", cpu=3), row(2, "x", cpu=NOBODY)]
    for width in (80, 120, 200):
        lines = [plain(line) for line in columns(rows, width=width)]
        assert max(map(len, lines)) <= width
        head = lines[0]
        assert head.split() == ["CPU", "0", "CPU", "3", "timers,", "grace", "periods"]
        assert lines[1].index("a word") == head.index("CPU 0")
        assert lines[2].index("one") == head.index("CPU 3")
        assert lines[-1].index("x") == head.index("timers")


def test_without_room_for_columns_each_line_has_its_cpu() -> None:
    rows = [row(number, f"on {number}", cpu=number) for number in range(12)]
    lines = [plain(line) for line in columns(rows, width=80)]
    assert lines[3] == "  0.000 ms  CPU 3   on 3"
    assert len(lines) == 12
    assert [plain(line) for line in columns(rows)] == lines
