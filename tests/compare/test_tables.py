"""The board as text, HTML, JSON and CSV: whatever it holds is there, and what is missing is said to be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from rcuactors.compare.board import Board, Cost
from rcuactors.compare.costs import FIGURES, Spread
from rcuactors.compare.documents import COLUMNS, document_of, rows_of
from rcuactors.compare.html import page_of
from rcuactors.compare.layout import COLOURS
from rcuactors.compare.reasons import reasons
from rcuactors.compare.reread import board_of
from rcuactors.compare.summary import summary_of
from rcuactors.compare.text import lines_of
from rcuactors.compare.units import shown, spread_shown
from rcuactors.compare.verdict import Verdict
from rcuactors.errors import BadInput
from rcuactors.report.styled import plain

MakeBoard = Callable[..., Board]

WRONG = Verdict(kind="invalid-wait-context", title="BUG: <b>&zone->lock", failed=1, dry=True)


@pytest.fixture
def board(make_board: MakeBoard) -> Board:
    figures = {name: Spread(index, index, index) for index, name in enumerate(FIGURES)}
    costs = {name: Cost(figures=figures, outcome=outcome) for name, outcome in (("a", "clean"), ("b", "deadlock"))}
    return make_board({"a": {"process": Verdict(), "hardirq": WRONG}, "b": {"process": Verdict()}}, costs)


def text_of(board: Board, width: int = 120) -> str:
    return "\n".join(plain(line) for line in lines_of(board, width))


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_text(board: Board) -> None:
    text = text_of(board)
    assert "about a" in text
    assert "~wait-ctx" in text
    assert "BUG: <b>&zone->lock" in text
    assert "~: legal until the pcplist" in text
    assert "?: not measured" in text
    assert re.search(r"^ b .* deadlock$", text, re.MULTILINE)
    for line in (*reasons(board).values(), *summary_of(board).sentences):
        assert in_one_line(line) in in_one_line(text)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_text_fits_the_terminal(board: Board, width: int) -> None:
    text = text_of(board, width)
    assert max(map(len, text.splitlines())) <= width
    for figure in FIGURES.values():
        assert f" {figure.head}" in text
    assert in_one_line(text).count("process") >= 1


def test_cells_have_the_styles_of_their_classes(make_board: MakeBoard) -> None:
    kept = Verdict(late="never-freed: 8 objects")
    lines = lines_of(make_board({"a": {"process": Verdict(), "hardirq": WRONG}, "b": {"process": kept}}))
    pieces = {piece for line in lines for piece in line}
    assert {("legal", "legal"), ("~wait-ctx", "until"), ("legal+", "keeps"), ("?", "missing")} <= pieces
    assert {style for _, style in pieces} <= {"", *COLOURS}
    assert "b (keeps objects for ever)" in [plain(line) for line in lines]


def test_an_interrupted_board_says_so(make_board: MakeBoard) -> None:
    text = text_of(make_board({"a": {}}, done=0))
    assert "interrupted, 0 of 1 runs done" in text.splitlines()[0]
    assert "Nothing of it was measured." in text


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.classes: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, ...]] = []
        self.order: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)
        self.order.append(tag)
        self.attributes.append((tag, *(name for name, _ in attributes)))
        for name, value in attributes:
            if name in ("src", "href", "data", "action"):
                self.links.append(str(value))
            if name == "id":
                self.ids.append(str(value))
                self.order.append(f"#{value}")
            if name == "class":
                self.classes += str(value).split()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html(board: Board) -> None:
    text = page_of(board)
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert {link.removeprefix("#") for link in page.links} - {"data:,"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "url(" not in text
    assert {"legal", "until", "missing", "wrong", "reason", "number", "sortable", "bar"} <= set(page.classes)
    for line in (*reasons(board).values(), *summary_of(board).sentences, "about a"):
        assert line in page.text
    first = [page.order.index(name) for name in ("#take", "#legend", "nav", "#verdicts", "#designs", "#costs")]
    assert first == sorted(first)
    assert "BUG: <b>&zone->lock" in page.text
    heads = page.order.count("th") - page.order.count("tr") + page.order.count("table")
    assert page.order.count("button") == heads + 1  # the one that says light or dark
    assert page.text.count("A click on the head of a column sorts") == 1


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><b>', "a' onclick='x", "&amp;"])
def test_a_name_stays_a_name_in_html(make_board: MakeBoard, name: str) -> None:
    """Whatever a user's file calls its design: no tag and no attribute comes of it."""
    figures = {each: Spread(1, 1, 1) for each in FIGURES}
    costs = {each: Cost(figures=figures, outcome="never-freed") for each in (name, "a")}
    hostile, tame = _Page(), _Page()
    hostile.feed(page_of(make_board({name: {"process": WRONG}, "a": {}}, costs)))
    tame.feed(page_of(make_board({"tame": {"process": WRONG}, "a": {}}, {"tame": costs[name], "a": costs["a"]})))
    assert hostile.order == tame.order
    assert hostile.attributes == tame.attributes
    assert name in hostile.text


def test_what_keeps_objects_has_a_colour_of_its_own_in_html(make_board: MakeBoard) -> None:
    page = _Page()
    page.feed(page_of(make_board({"a": {"process": Verdict(late="never-freed: 8 objects")}, "b": {}})))
    assert page.classes.count("keeps") >= 3  # in the legend, at its name, in its cell
    page = _Page()
    page.feed(page_of(make_board({"a": {"process": Verdict()}, "b": {}})))
    assert page.classes.count("keeps") == 1


def test_json(board: Board) -> None:
    document = json.loads(json.dumps(document_of(board)))
    a, b = document["designs"]
    assert [cell["verdict"] for cell in a["verdicts"]] == ["legal", "invalid-wait-context"]
    assert a["verdicts"][1]["dry"] is True
    assert b["costs"][0]["outcome"] == "deadlock"
    assert list(b["costs"][0]["figures"]) == list(FIGURES)
    assert [design["reason"] for design in document["designs"]] == list(reasons(board).values())
    assert document["kernels"][0]["config"]["PROVE_RAW_LOCK_NESTING"] == "y"


def test_csv(board: Board) -> None:
    rows = list(rows_of(board))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert [row[0] for row in rows].count("verdict") == 3
    assert [row[0] for row in rows].count("cost") == 2 * (1 + len(FIGURES))
    assert [row[5] for row in rows if row[0] == "reason"] == list(reasons(board).values())


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("%", 99.956, "99.96 %"),
        ("%", 100.0, "100 %"),
        ("", 12345, "12,345"),
        ("ns", 1500, "1.50 us"),
        ("ns", 94.25, "94.2 ns"),
        ("bytes", 2048, "2.00 KiB"),
        ("ns", None, "-"),
    ],
)
def test_units(unit: str, value: float | None, text: str) -> None:
    assert shown(unit, value) == text


def test_a_spread_is_shown_when_it_shows() -> None:
    assert spread_shown("", Spread(5, 1, 9), several=True) == "5 (1 - 9)"
    assert spread_shown("", Spread(5, 1, 9), several=False) == "5"
    assert spread_shown("ns", Spread(36_000_001, 36_000_000, 36_000_002), several=True) == "36.0 ms"
    assert spread_shown("", Spread(None, None, None), several=True) == "-"


def test_a_board_is_read_again_from_its_document(board: Board) -> None:
    document = json.loads(json.dumps(document_of(board)))
    again = board_of(document, "it.json")
    assert document_of(again) == document_of(board)
    assert page_of(again) == page_of(board)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda document: document.pop("kernels"), "it.json: is no whole document of `rcuactors compare --json`"),
        (lambda document: document["designs"][0].pop("costs"), "has no 'costs'"),
        (lambda document: document["designs"][0].update(reason="none"), "changed by hand"),
        (lambda document: document["designs"][0]["verdicts"][0].update(kind="deadlock"), "changed by hand"),
        (lambda document: document.update(designs=7), "is no whole document"),
    ],
)
def test_what_is_no_document_of_ours_is_not_shown_as_one(
    board: Board, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    document = json.loads(json.dumps(document_of(board)))
    change(document)
    with pytest.raises(BadInput, match=re.escape(complaint)):
        board_of(document, "it.json")
