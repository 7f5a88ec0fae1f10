"""The packed data of a report: what comes out is what went in, and how much room it takes."""

from __future__ import annotations

import base64
import json
import re
import zlib
from itertools import accumulate
from typing import Any

from rcuactors.page import Difference, Panel, Report, Step, Story, packed, to_html
from rcuactors.timeline import Krcp, Lane, LaneKind, Mark, MarkKind, Sketch, Span, SpanKind, Told
from tests.page.sketches import ADDRESS, EVIL, many, some_of_everything


def unpacked(text: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return data


def data_of(*sketches: Sketch) -> dict[str, Any]:
    return unpacked(packed(Report("a run", tuple(Panel(f"run {n}", each) for n, each in enumerate(sketches)))))


def spans_in(data: dict[str, Any], panel: int = 0) -> list[Span]:
    """The spans, put together again from their columns."""
    columns, texts, kinds = data["panels"][panel]["spans"], data["texts"], data["kinds"]["span"]
    begins = list(accumulate(columns["begin"]))

    def detail(number: int) -> tuple[tuple[str, str], ...]:
        words = [texts[word] for word in data["details"][number]]
        return tuple(zip(words[::2], words[1::2], strict=True))

    return [
        Span(
            lane=columns["lane"][i],
            begin_ns=begin,
            end_ns=begin + columns["length"][i],
            kind=SpanKind(kinds[columns["kind"][i]]),
            label=texts[columns["label"][i]],
            who=texts[columns["who"][i]],
            about=texts[columns["about"][i]],
            detail=detail(columns["detail"][i]),
            open_ended=i in columns["open"],
        )
        for i, begin in enumerate(begins)
    ]


def test_spans_come_out_as_they_went_in() -> None:
    sketch = some_of_everything()
    assert sorted(spans_in(data_of(sketch)), key=repr) == sorted(sketch.spans, key=repr)


def test_what_encloses_another_comes_before_it() -> None:
    """The page puts the spans of a lane into rows by that."""
    inner = Span(0, 100, 200, SpanKind.RUNS, "inner")
    outer = Span(0, 100, 300, SpanKind.RUNS, "outer")
    data = data_of(Sketch(lanes=[Lane(0, "CPU 0", "threads", LaneKind.THREADS)], spans=[inner, outer]))
    assert [span.label for span in spans_in(data)] == ["outer", "inner"]


def test_everything_else_comes_out_in_order_of_time() -> None:
    sketch = some_of_everything()
    data = data_of(sketch)
    panel, texts = data["panels"][0], data["texts"]
    assert [texts[n] for n in panel["marks"]["label"]] == [
        mark.label for mark in sorted(sketch.marks, key=lambda mark: mark.time_ns)
    ]
    assert list(accumulate(panel["arrows"]["time"])) == sorted(arrow.from_ns for arrow in sketch.arrows)
    assert {texts[n] for n in panel["lives"]["address"]} == {f"{ADDRESS:#x}"}
    assert list(accumulate(panel["lives"]["serial"])) == [life.serial for life in sketch.lives]
    assert list(accumulate(panel["samples"]["time"])) == sorted(sample.time_ns for sample in sketch.samples)
    assert [texts[lane[2]] for lane in panel["lanes"]] == [lane.name for lane in sketch.lanes]
    assert panel["reports"][0]["title"] == "BUG: Invalid wait context"


def test_of_a_krcp_only_what_has_changed_is_kept() -> None:
    states = [
        Krcp(0, 10, (("cached", "0"), ("timer", "off"))),
        Krcp(1, 15, (("cached", "9"),)),
        Krcp(0, 20, (("cached", "0"), ("timer", "armed"))),
        Krcp(0, 30, (("cached", "0"), ("work", "pending"))),
    ]
    data = data_of(Sketch(krcps=states))
    changes = [
        [data["texts"][n] if n >= 0 else None for n in change] for change in data["panels"][0]["krcps"]["change"]
    ]
    assert changes == [
        ["cached", "0", "timer", "off"],
        ["cached", "9"],
        ["timer", "armed"],
        ["work", "pending", "timer", None],
    ]


def test_each_text_is_there_once() -> None:
    texts = data_of(some_of_everything(), some_of_everything(500))["texts"]
    assert len(texts) == len(set(texts))
    assert texts[0] == ""


def test_an_element_takes_less_than_ten_bytes() -> None:
    """The issue allows 100 bytes of file an event; the page itself, some 90 KB, is not counted."""
    assert len(packed(Report("many", (Panel("many", many(20_000)),)))) < 10 * 20_000


def test_no_text_of_theirs_is_markup() -> None:
    sketch = some_of_everything()
    sketch.lanes.append(Lane(77, EVIL, EVIL, LaneKind.OTHER))
    sketch.marks.append(Mark(77, 5, MarkKind.EVENT, EVIL, EVIL, EVIL, ((EVIL, EVIL),)))
    sketch.reports.append(Told(77, 5, EVIL, EVIL, EVIL))
    story = Story(EVIL, (Step(EVIL, EVIL, 5),), EVIL)
    report = Report(
        EVIL, (Panel(EVIL, sketch, (EVIL,)),), ((EVIL, EVIL),), story, Difference((1, 2), (EVIL, EVIL), EVIL)
    )
    plain = Report("x", (Panel("x", Sketch()),))
    tags = [re.findall(r"<[a-zA-Z/!][^>]*>", to_html(each)) for each in (report, plain)]
    assert tags[0] == tags[1]
    assert EVIL not in to_html(report)
    assert unpacked(packed(report))["title"] == EVIL


def test_two_runs_have_their_first_difference_told() -> None:
    same = data_of(some_of_everything(), some_of_everything())
    other = data_of(some_of_everything(), some_of_everything(500))
    assert same["difference"] is None
    assert other["difference"]["times_ns"] == [4_010_000, 4_010_500]
