"""engine/events.py: the line of ftrace, JSON lines, sinks, and a digest that sees every field."""

from __future__ import annotations

import io
import json

import attrs
import pytest

from rcuactors.engine.events import DigestSink, Event, EventStream, ListSink, TextSink

EVENT = Event(470_286_305_999, 3, "kworker/3:3", 507, "d.h1.", "rcu_grace_period", "rcu_preempt 17 start")


def test_the_line_is_ftraces() -> None:
    """As in a real line: `kworker/3:3-507     [003] ....   470.286305: rcu_...`; microseconds are cut off."""
    assert EVENT.line() == ("     kworker/3:3-507     [003] d.h1.   470.286305: rcu_grace_period: rcu_preempt 17 start")


def test_the_json_line_has_every_field_and_nanoseconds() -> None:
    assert json.loads(EVENT.json_line()) == attrs.asdict(EVENT)
    assert "\n" not in EVENT.json_line()


OTHERS = {
    "time_ns": 470_286_305_998,
    "cpu": 2,
    "comm": "kworker/3:4",
    "pid": 508,
    "flags": "..h1.",
    "name": "rcu_utilization",
    "text": "rcu_preempt 17 end",
}


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(Event)])
def test_the_digest_depends_on_every_field(field: str) -> None:
    one, other = DigestSink(), DigestSink()
    one.take(EVENT)
    other.take(attrs.evolve(EVENT, **{field: OTHERS[field]}))
    assert one.hexdigest() != other.hexdigest()


def test_the_digest_depends_on_the_order() -> None:
    second = attrs.evolve(EVENT, time_ns=1)
    digests = []
    for order in ((EVENT, second), (second, EVENT)):
        sink = DigestSink()
        for event in order:
            sink.take(event)
        assert sink.count == 2
        digests.append(sink.hexdigest())
    assert digests[0] != digests[1]


def test_every_sink_gets_every_event() -> None:
    kept, text, as_json = ListSink(), io.StringIO(), io.StringIO()
    stream = EventStream((kept, TextSink(text), TextSink(as_json, as_json=True)))
    assert stream.on
    stream(EVENT)
    assert kept.events == [EVENT]
    assert text.getvalue() == EVENT.line() + "\n"
    assert as_json.getvalue() == EVENT.json_line() + "\n"


def test_a_stream_without_sinks_or_after_the_end_is_off() -> None:
    assert not EventStream().on
    stream = EventStream((ListSink(),))
    stream.close()
    assert not stream.on
