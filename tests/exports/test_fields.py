"""Events taken apart into fields, and put together again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rcuactors.engine.events import Event
from rcuactors.exports.catalogue import PATTERNS, TABLES
from rcuactors.exports.fields import Field, Fields, Kind, Shape, Value
from rcuactors.traces.lines import parse_line

from .conftest import Told

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"


def printed(shape: Shape, values: list[Value]) -> str:
    """The text that a reader makes of the fields, by each kind's format."""

    def one(field: Field, value: Value) -> str:
        if field.kind is Kind.WORD:
            return next(word for word, number in TABLES[field.table].items() if number == value)
        if isinstance(value, str):
            return value
        return field.kind.value.replace("ll", "") % value

    pieces = shape.pieces()
    words = [one(field, value) for field, value in zip(shape.fields, values, strict=True)]
    return "".join(piece + word for piece, word in zip(pieces, [*words, ""], strict=True))


def of_kind(name: str, text: str) -> tuple[str, list[Kind], list[Value]]:
    shape, values = Fields().of(Event(0, 0, "a", 1, ".....", name, text))
    assert printed(shape, values) == text
    return shape.pattern, [field.kind for field in shape.fields], values


def test_what_is_taken_apart_comes_together_again(told: Told) -> None:
    fields = Fields()
    whole = 0
    for event in told.events:
        shape, values = fields.of(event)
        assert printed(shape, values) == event.text
        whole += shape.pattern == "{text:text}"
    # Everything that the model tells of has fields of its own.
    assert whole == 0
    assert len(told.events) > 1_000


@pytest.mark.parametrize(
    "name", ["kvfree-6.12/h_shrink_ready_400_min5_delay200", "workload/B_vethroute", "kvfree/c_mixed_512_min1"]
)
def test_so_does_what_real_kernels_have_written(name: str) -> None:
    fields, known, count = Fields(), {event for events in PATTERNS.values() for event in events}, 0
    with gzip.open(RECORDINGS / f"{name}.txt.gz", "rt", encoding="utf-8") as lines:
        for text in lines:
            line = parse_line(text)
            if line is None:
                continue
            event = Event(line.time_ns, line.cpu, line.comm, line.pid, line.flags, line.event, line.text)
            shape, values = fields.of(event)
            assert printed(shape, values) == event.text
            count += shape.pattern != "{text:text}"
            assert shape.name == event.name
            assert (shape.system != "other") == (event.name in known)
    assert count > 300


def test_a_value_is_known_by_the_look_of_it() -> None:
    text = "hrtimer={} function=schedule_page_work_fn expires=12 softexpires=12 mode=REL|HARD"
    _, kinds, values = of_kind("hrtimer_start", text.format("ff1100001f29c8b8"))
    assert kinds == [Kind.ADDRESS, Kind.SYMBOL, Kind.DECIMAL, Kind.DECIMAL, Kind.WORD]
    assert values == [0xFF1100001F29C8B8, "schedule_page_work_fn", 12, 12, 9]
    assert of_kind("hrtimer_start", text.format("fill_page"))[1][0] is Kind.SYMBOL
    assert of_kind("hrtimer_start", text.format("(____ptrval____)"))[1][0] is Kind.STRING
    assert of_kind("hrtimer_start", text.format("0x0"))[1][0] is Kind.HEX


def test_a_number_that_would_be_printed_otherwise_is_a_word() -> None:
    for odd in ("007", "-0", "0x0f", "0XF", str(1 << 70), "٣"):
        assert of_kind("timer_cancel", f"timer={odd}")[1] == [Kind.STRING], odd
        assert of_kind("mm_page_free", f"page={'0' * 16} pfn={odd} order=0")[1][1] is Kind.STRING, odd


def test_what_has_fitted_once_is_looked_at_anew_where_it_does_not_fit() -> None:
    fields = Fields()

    def kinds(text: str) -> list[Kind]:
        shape, values = fields.of(Event(0, 0, "a", 1, ".....", "timer_cancel", text))
        assert printed(shape, values) == text
        return [field.kind for field in shape.fields]

    symbol, address = "timer=delayed_work_timer_fn", f"timer={'ff11' * 4}"
    assert [kinds(text) for text in (symbol, address, symbol, address)] == [[Kind.SYMBOL], [Kind.ADDRESS]] * 2
    assert kinds("another text") == [Kind.STRING]
    assert kinds(symbol) == [Kind.SYMBOL]


def test_a_name_too_long_for_a_task_is_told_as_a_word() -> None:
    text = "comm={} pid=3 prio=120 orig_cpu=0 dest_cpu=1"
    assert of_kind("sched_migrate_task", text.format("kworker/0:1 a b"))[1][0] is Kind.COMM
    assert of_kind("sched_migrate_task", text.format("x" * 16))[0] == "{text:text}"
    assert of_kind("sched_migrate_task", text.format("ü" * 10))[1][0] is Kind.STRING
