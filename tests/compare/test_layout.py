"""Lines and tables of the comparison: nothing is wider than it may be, and nothing is lost by that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.compare.layout import COLOURS, Block, Cell, Row, led, table, wrapped
from rcuactors.report.styled import plain

HEADS = ["process", "preempt off", "hardirq", "NMI"]
ROWS = (
    Row("plain, prove", tuple(Cell(text, "legal") for text in ("legal", "legal", "legal", "deadlock"))),
    Row("rt", tuple(Cell(text, "wrong") for text in ("sleeps", "sleeps", "lock-state", "deadlock"))),
)


def test_a_table_that_fits_is_one() -> None:
    lines = [plain(line) for line in table(HEADS, [Block("a, b", ROWS)], 80)]
    assert lines == [
        "               process  preempt off  hardirq     NMI",
        "a, b",
        " plain, prove  legal    legal        legal       deadlock",
        " rt            sleeps   sleeps       lock-state  deadlock",
    ]


def test_what_does_not_fit_stands_below() -> None:
    lines = [plain(line) for line in table(HEADS, [Block("a, b", ROWS)], 36)]
    assert lines == [
        "               process  preempt off",
        "a, b",
        " plain, prove  legal    legal",
        " rt            sleeps   sleeps",
        "",
        "               hardirq     NMI",
        "a, b",
        " plain, prove  legal       deadlock",
        " rt            lock-state  deadlock",
    ]


def test_figures_are_at_the_right_and_long_labels_wrapped() -> None:
    rows = (
        Row("a-design, another-design, a-third-one", (Cell("1"), Cell("22"))),
        Row("b", (Cell("1000"), Cell("3"))),
    )
    lines = [plain(line) for line in table(["n", "of"], [Block("", rows)], 60, figures=True)]
    assert lines == [
        "                               n  of",
        " a-design, another-design,     1  22",
        "   a-third-one",
        " b                          1000   3",
    ]


def test_a_word_longer_than_its_column_has_a_line_of_its_own() -> None:
    rows = (Row(f"{'x' * 40}", (Cell("legal"),)),)
    lines = [plain(line) for line in table(["process"], [Block("", rows)], 60)]
    assert lines[1:] == [f" {'x' * 40}", f"{' ' * 28}legal"]


def test_styles_are_at_the_texts_alone() -> None:
    (_, line, _) = table(["process", "NMI"], [Block("", ROWS)], 80)[:3]
    assert [text for text, style in line if style] == ["legal", "legal"]
    assert {style for _, style in line} <= {"", *COLOURS}


@pytest.mark.parametrize(("width", "lines"), [(12, ["at most", "  84 ns held"]), (80, ["at most 84 ns held"])])
def test_no_line_ends_between_a_figure_and_its_unit(width: int, lines: list[str]) -> None:
    assert [plain(line) for line in wrapped("at most 84 ns held", width, hanging="  ")] == lines


def test_a_name_leads_its_paragraph() -> None:
    first, second = led("direct", "ask for a page in the caller's context", 30)
    assert first == (("direct", "name"), (": ask for a page in the", ""))
    assert plain(second) == "  caller's context"


@given(
    st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=9),
    st.lists(st.text("abc ,-", min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(45, 200),
)
def test_no_width_is_exceeded_and_every_cell_is_there(heads: list[str], labels: list[str], width: int) -> None:
    cells = tuple(Cell(f"<{head}>") for head in heads)
    rows = tuple(Row(f"{' '.join(word[:20] for word in label.split())}", cells) for label in labels)
    lines = [plain(line) for line in table(heads, [Block("", rows)], width)]
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for head in set(heads):
        assert text.count(f"<{head}>") == heads.count(head) * len(rows)
