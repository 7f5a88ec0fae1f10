"""A Perfetto trace, decoded by the package's own schema: counts, order, nesting, flows, tracks."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors.engine.events import Event, ListSink
from rcuactors.exports import EventsIn, PerfettoTrace, SchedulerEvents
from rcuactors.exports.perfetto import interning
from rcuactors.runs import Run, RunOptions
from rcuactors.timeline import Sketch, Stage, Watch
from rcuactors.timeline.traced import Traced
from rcuactors.traces import Trace
from rcuactors.userfiles import load_scenario

proto = pytest.importorskip(
    "perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="the package perfetto is not there: rcuactors[perfetto]"
)
RECORDING = (
    Path(__file__).parents[1] / "data" / "recordings" / "kvfree-6.12" / "h_shrink_ready_400_min5_delay200.txt.gz"
)
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


@attrs.frozen
class Decoded:
    """What is in a trace, and what it was made of."""

    packets: list[Any]
    events: list[Event]
    sketch: Sketch

    @property
    def tracks(self) -> dict[int, Any]:
        return {
            one.track_descriptor.uuid: one.track_descriptor for one in self.packets if one.HasField("track_descriptor")
        }

    @property
    def on_tracks(self) -> list[Any]:
        return [packet for packet in self.packets if packet.HasField("track_event")]

    def words(self, field: str) -> dict[int, str]:
        told = [one for packet in self.packets for one in getattr(packet.interned_data, field)]
        return {one.iid: one.str.decode() if field == "kernel_symbols" else one.name for one in told}

    def name_of(self, told: Any) -> str:
        return told.name or self.words("event_names")[told.name_iid]

    def annotations(self, told: Any) -> dict[str, str]:
        names = self.words("debug_annotation_names")
        return {names[one.name_iid]: one.string_value for one in told.debug_annotations}

    def path(self, uuid: int) -> tuple[str, ...]:
        track = self.tracks[uuid]
        return (*(self.path(track.parent_uuid) if track.parent_uuid else ()), track.name)


def decoded(writer: PerfettoTrace, events: list[Event], sketch: Sketch, nr_cpus: int) -> Decoded:
    out = io.BytesIO()
    writer.write(out, nr_cpus=nr_cpus)
    writer.close()
    trace = proto.Trace()
    trace.ParseFromString(out.getvalue())
    return Decoded(list(trace.packet), events, sketch)


def run_of(name: str, **options: Any) -> Decoded:
    sink, sketch, writer = ListSink(), Sketch(), PerfettoTrace()
    one = Run(load_scenario(name), RunOptions(sinks=(sink, writer), **options))
    for take in (sink.take, writer.take):
        SchedulerEvents(one.machine, take).listen()
    watches = [Watch(one.machine, drawing) for drawing in (sketch, writer)]
    one.attempt()
    for watch in watches:
        watch.end()
    return decoded(writer, sink.events, sketch, one.machine.system.config.nr_cpus)


@pytest.fixture(scope="module")
def run() -> Decoded:
    return run_of("raw_lock_caller", kernel="v5.9", settings={"PROVE_RAW_LOCK_NESTING": "y"})


@pytest.fixture(scope="module")
def recording() -> Decoded:
    source, sketch, writer = EventsIn(RECORDING), Sketch(), PerfettoTrace()
    events = list(source)
    for event in events:
        writer.take(event)
    for drawing in (sketch, writer):
        Traced(Trace(RECORDING), drawing).tell()
    return decoded(writer, events, sketch, source.nr_cpus)


@pytest.fixture(params=["run", "recording"])
def trace(request: pytest.FixtureRequest) -> Decoded:
    found: Decoded = request.getfixturevalue(request.param)
    return found


def test_every_event_of_the_kernels_is_in_its_cpus_bundles_in_order(trace: Decoded) -> None:
    found: dict[int, list[Any]] = defaultdict(list)
    for packet in trace.packets:
        if packet.HasField("ftrace_events"):
            assert 0 < len(packet.ftrace_events.event) <= 512
            found[packet.ftrace_events.cpu] += packet.ftrace_events.event
    wanted: dict[int, list[Event]] = defaultdict(list)
    for event in sorted(trace.events, key=lambda event: event.time_ns):
        wanted[event.cpu].append(event)
    assert {cpu: [(one.timestamp, one.pid, kind(one)) for one in its] for cpu, its in found.items()} == {
        cpu: [(event.time_ns, event.pid, event.name) for event in its] for cpu, its in wanted.items()
    }


def kind(told: Any) -> str:
    name = str(told.WhichOneof("event"))
    return told.generic.event_name if name == "generic" else name


def kernel_events(trace: Decoded) -> list[tuple[Event, Any]]:
    told = [one for packet in trace.packets for one in packet.ftrace_events.event]
    return list(zip(sorted(trace.events, key=lambda event: (event.cpu, event.time_ns)), told, strict=True))


def test_what_the_schema_has_a_message_for_is_typed(trace: Decoded) -> None:
    known = {field.name for field in proto.FtraceEvent.DESCRIPTOR.fields if field.message_type is not None}
    generic = {one.generic.event_name for _, one in kernel_events(trace) if one.WhichOneof("event") == "generic"}
    typed = {str(one.WhichOneof("event")) for _, one in kernel_events(trace)} - {"generic"}
    assert generic.isdisjoint(known)
    assert len(typed) >= 6
    assert "kvfree_call_rcu" in generic


def test_fields_say_what_the_text_says(run: Decoded, recording: Decoded) -> None:
    seen: Counter[str] = Counter()
    for trace in (run, recording):
        functions = trace.words("kernel_symbols")
        for event, one in kernel_events(trace):
            seen[event.name] += 1
            told = getattr(one, event.name, None)
            if event.name == "sched_switch":
                text = f"prev_comm={told.prev_comm} prev_pid={told.prev_pid} prev_prio={told.prev_prio} prev_state="
                assert event.text.startswith(text)
                assert event.text.endswith(
                    f" ==> next_comm={told.next_comm} next_pid={told.next_pid} next_prio={told.next_prio}"
                )
                assert (told.prev_state == 0x100) == (" prev_state=R+ " in event.text)
            elif event.name == "timer_start":
                assert f"function={functions[told.function]} expires={told.expires} " in event.text
                assert f"[timeout={told.expires - told.now}]" in event.text
                assert bool(told.flags & 0x00200000) == event.text.endswith("I")
            elif event.name == "hrtimer_expire_entry":
                assert event.text.endswith(f"function={functions[told.function]} now={told.now}")
            elif event.name == "mm_page_alloc" and "GFP_KERNEL" in event.text.split("="):
                assert told.gfp_flags == 0xCC0
                assert f"page={told.page:016x} pfn=0x{told.pfn:x} order=0" in event.text
    assert min(seen[name] for name in ("sched_switch", "timer_start", "hrtimer_expire_entry", "mm_page_alloc")) > 0


def test_every_track_is_described_and_hangs_below_the_one_root(trace: Decoded) -> None:
    tracks = trace.tracks
    described = [one.track_descriptor.uuid for one in trace.packets if one.HasField("track_descriptor")]
    assert len(described) == len(set(described))
    roots = [uuid for uuid, track in tracks.items() if not track.parent_uuid]
    assert [tracks[uuid].name for uuid in roots] == ["rcuactors"]
    assert {track.parent_uuid for track in tracks.values()} - {0} <= tracks.keys()
    assert {packet.track_event.track_uuid for packet in trace.on_tracks} <= tracks.keys()
    lanes = {("rcuactors", lane.group, lane.name) for lane in trace.sketch.lanes}
    assert lanes <= {trace.path(uuid) for uuid in tracks}
    # No two have one place among their siblings.
    places = Counter((track.parent_uuid, track.sibling_order_rank) for track in tracks.values())
    assert set(places.values()) == {1}


def test_nothing_is_used_before_it_is_told(trace: Decoded) -> None:
    known: dict[str, set[int]] = defaultdict(set)
    assert trace.packets[0].sequence_flags == proto.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    for packet in trace.packets:
        assert packet.trusted_packet_sequence_id == trace.packets[0].trusted_packet_sequence_id
        for field in ("event_names", "event_categories", "debug_annotation_names", "kernel_symbols"):
            known[field] |= {one.iid for one in getattr(packet.interned_data, field)}
        if packet.HasField("track_descriptor"):
            known["tracks"].add(packet.track_descriptor.uuid)
        if packet.HasField("track_event"):
            told = packet.track_event
            assert told.track_uuid in known["tracks"]
            assert not told.name_iid or told.name_iid in known["event_names"]
            assert set(told.category_iids) <= known["event_categories"]
            assert {one.name_iid for one in told.debug_annotations} <= known["debug_annotation_names"]


def test_what_happens_on_tracks_is_in_order(trace: Decoded) -> None:
    times = [packet.timestamp for packet in trace.on_tracks]
    assert times == sorted(times)


def slices_of(trace: Decoded) -> Counter[tuple[tuple[str, ...], int, int, str]]:
    open_now: dict[int, list[tuple[int, str]]] = defaultdict(list)
    found: Counter[tuple[tuple[str, ...], int, int, str]] = Counter()
    for packet in trace.on_tracks:
        told = packet.track_event
        if told.type == BEGIN:
            open_now[told.track_uuid].append((packet.timestamp, trace.name_of(told)))
        elif told.type == END:
            begin_ns, name = open_now[told.track_uuid].pop()
            found[trace.path(told.track_uuid), begin_ns, packet.timestamp, name] += 1
    assert not any(open_now.values())
    return found


def test_slices_are_the_spans_whatever_lies_within_what(trace: Decoded) -> None:
    lanes = {lane.number: ("rcuactors", lane.group, lane.name) for lane in trace.sketch.lanes}
    spans = trace.sketch.spans
    wanted = Counter((lanes[one.lane], one.begin_ns, one.end_ns, one.label or one.kind.value) for one in spans)
    found = slices_of(trace)
    assert {one: count for one, count in found.items() if one[0][-1] != "krcp"} == wanted
    assert len(wanted) > 30


def test_what_a_krcp_holds_is_a_slice_until_it_changes(run: Decoded) -> None:
    slices = sorted(one for one in slices_of(run).elements() if one[0][-1] == "krcp")
    assert len(slices) == len(run.sketch.krcps) > 8
    for cpu in {krcp.cpu for krcp in run.sketch.krcps}:
        its = [one for one in slices if one[0][1] == f"CPU {cpu}"]
        assert [end for _, _, end, _ in its[:-1]] == [begin for _, begin, _, _ in its[1:]]
        assert its[-1][2] == run.sketch.end_ns


def test_each_flow_has_both_its_ends_and_the_second_is_not_earlier(trace: Decoded) -> None:
    begins, ends = {}, {}
    for number, packet in enumerate(trace.on_tracks):
        for flow in packet.track_event.flow_ids:
            assert begins.setdefault(flow, number) == number
        for flow in packet.track_event.terminating_flow_ids:
            assert ends.setdefault(flow, number) == number
    assert begins.keys() == ends.keys()
    assert all(begins[flow] < ends[flow] for flow in begins)
    lives: dict[int, int] = Counter(life.serial for life in trace.sketch.lives)
    assert len(begins) == len(trace.sketch.arrows) + sum(count - 1 for count in lives.values())
    assert begins


def test_the_stations_of_an_object_follow_each_other(run: Decoded) -> None:
    serial = next(life.serial for life in run.sketch.lives if life.stage is Stage.QUEUED)
    told = [packet.track_event for packet in run.on_tracks]
    its = [one for one in told if run.annotations(one).get("serial") == f"{serial}"]
    stages = [life.stage for life in run.sketch.lives if life.serial == serial]
    assert [run.name_of(one) for one in its] == [f"object {stage.value}" for stage in stages]
    assert [list(one.flow_ids) for one in its[:-1]] == [list(one.terminating_flow_ids) for one in its[1:]]
    assert stages[-1] is Stage.FREED


def test_curves_have_their_values_and_units(run: Decoded) -> None:
    names = {counter.number: counter.name for counter in run.sketch.counters}
    wanted = [(names[sample.counter], sample.time_ns, sample.value) for sample in run.sketch.samples]
    told = [packet for packet in run.on_tracks if packet.track_event.type == COUNTER]
    tracks = run.tracks
    found = [(tracks[one.track_event.track_uuid].name, one.timestamp, one.track_event.counter_value) for one in told]
    assert sorted(found) == sorted(wanted)
    for name in set(names.values()):
        assert [one for one in found if one[0] == name] == sorted(
            (one for one in wanted if one[0] == name), key=lambda x: x[1]
        )
    units = {track.name: track.counter for track in tracks.values() if track.HasField("counter")}
    assert units["outstanding bytes"].unit == proto.CounterDescriptor.UNIT_SIZE_BYTES
    assert units["outstanding objects"].unit_name == "objects"


def test_a_report_is_there_with_its_whole_text(run: Decoded) -> None:
    (report,) = run.sketch.reports
    told = next(one.track_event for one in run.on_tracks if run.annotations(one.track_event).get("report"))
    assert run.name_of(told) == report.title
    assert run.annotations(told) == {"kind": "invalid-wait-context", "report": report.text}
    assert "Call Trace:" in report.text


def test_what_perfetto_knows_by_no_name_is_a_mark_as_well(run: Decoded) -> None:
    generic = [event for event, one in kernel_events(run) if one.WhichOneof("event") == "generic"]
    marks = [
        (run.path(packet.track_event.track_uuid)[1:], packet.timestamp, run.name_of(packet.track_event))
        for packet in run.on_tracks
        if run.path(packet.track_event.track_uuid)[-1] == "events"
    ]
    assert sorted(marks) == sorted(((f"CPU {event.cpu}", "events"), event.time_ns, event.name) for event in generic)


def test_words_that_are_too_many_are_written_where_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interning, "MOST", 5)
    writer = PerfettoTrace()
    for number in range(20):
        writer.take(Event(number, 0, "a", 1, ".....", f"own_{number} ü\ud800", "x"))
    trace = decoded(writer, [], Sketch(), 1)
    assert len(trace.words("event_names")) == 5
    assert [trace.name_of(one.track_event) for one in trace.on_tracks] == [f"own_{at} ü\\ud800" for at in range(20)]
    assert [kind(one) for packet in trace.packets for one in packet.ftrace_events.event][-1] == "own_19 ü\\ud800"
