"""A Perfetto trace: what the kernel's tracer would have, and what a picture has beside.

The kernel's own events go into bundles, CPU by CPU, as traced writes them, so that Perfetto draws its own lanes of
CPUs and threads. Lanes, marks, arrows and curves (timeline/) become tracks, events on them, flows and counters. A span
is told of at its end; here its beginning and its end go to their places in the order of time, so that what lies within
another begins after it and ends before.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final

import attrs

from ...engine.events import Event
from ...timeline import Arrow, Counter, Krcp, Lane, Life, Mark, MarkKind, Sample, Span, SpanKind, Stage, Told
from ...timeline.elements import Detail
from ..ordered import NoRoom, Ordered
from .interning import Interned
from .kernel import KernelEvents
from .schema import schema
from .track_events import BEGIN, INSTANT, TrackEvents
from .tracks import Tracks
from .wire import field

_SEQUENCE: Final = 1
_RELIES_ON_HEAD: Final = 2
"""TracePacket.SEQ_NEEDS_INCREMENTAL_STATE."""

_BUNDLE: Final = 512
"""Events in one bundle."""

_PACKET: Final = 1
"""Trace.packet."""
_EVENT: Final = 2
"""FtraceEventBundle.event."""
_BUNDLES: Final = 1
"""TracePacket.ftrace_events."""

_ENDS: Final = (1 << 62) - 1
_BEGINS: Final = (1 << 63) - 1
_INSTANTS: Final = 1 << 63
"""Places of what has one time: ends, of what began last first; then beginnings, of what ends last first; then the
rest. What begins and ends at once is one piece."""

_CATEGORIES: Final = {kind: kind.value for kind in SpanKind}
_LIFE: Final = "life of an object"
_STATIONS: Final = {stage: f"object {stage.value}" for stage in Stage}
_STAYS_OPEN: Final = ("open", "to the end")


@attrs.define(eq=False)
class PerfettoTrace:
    """Takes events, and draws. Raises OSError; made, BadInput where the package is missing."""

    folder: Path | None = None
    release: str = ""
    """The kernel's, for those who read its numbers."""
    flows: int = 0
    _schema: Any = attrs.field(init=False, factory=schema)
    _head: list[bytes] = attrs.field(factory=list)
    _kernel_events: Ordered = attrs.field(init=False)
    _packets: Ordered = attrs.field(init=False)
    _kernel: KernelEvents = attrs.field(init=False)
    _tracks: Tracks = attrs.field(init=False)
    _made: TrackEvents = attrs.field(init=False)
    _lanes: dict[int, int] = attrs.field(factory=dict)
    _curves: dict[int, int] = attrs.field(factory=dict)
    _krcps: dict[int, Krcp] = attrs.field(factory=dict)
    _stations: dict[int, tuple[Life, int, bytes]] = attrs.field(factory=dict)
    """By object that is still there: where it was last, the flow that leads there (0: none), and which it is."""

    def __attrs_post_init__(self) -> None:
        self._kernel_events, self._packets = Ordered(self.folder), Ordered(self.folder)
        new, tell = self._new, self._tell
        self._tracks = Tracks(new, tell, self._schema)
        self._made = TrackEvents(
            schema=self._schema,
            tail=new().SerializeToString(),
            names=Interned("event_names"),
            categories=Interned("event_categories"),
            keys=Interned("debug_annotation_names"),
        )
        self._kernel = KernelEvents(self._schema, Interned("kernel_symbols"))

    def is_of(self, release: str) -> None:
        """Of which kernel it is."""
        self.release = release

    # -- as a writer -------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many of the kernel's events have come."""
        return self._kernel_events.count

    def take(self, event: Event) -> None:
        """One of the kernel's events; of those that Perfetto has no name for there is a mark as well."""
        told, typed = self._kernel.of(event)
        self._kernel_events.add(event.cpu, event.time_ns, told)
        if not typed:
            made, track = self._made, self._tracks.of_cpu(event.cpu, "events")
            annotations = made.annotation("text", event.text) + made.annotation("task", f"{event.comm}/{event.pid}")
            packet = made.once(INSTANT, track, event.time_ns, event.name, "event", annotations)
            self._packets.add(event.time_ns, _INSTANTS, packet)

    def write(self, out: IO[bytes], *, nr_cpus: int) -> None:  # noqa: ARG002 - a CPU without events has no bundle
        """All of it: what describes the rest, the kernel's events, what happened on the tracks."""
        out.write(field(_PACKET, self._first()))
        out.writelines(self._head)
        out.write(field(_PACKET, self._words()))
        cpu, bundle = -1, list[bytes]()
        for its, _, told in self._kernel_events:
            if bundle and (its != cpu or len(bundle) >= _BUNDLE):
                out.write(self._bundle(cpu, bundle))
                bundle = []
            cpu = its
            bundle.append(field(_EVENT, told))
        if bundle:
            out.write(self._bundle(cpu, bundle))
        out.writelines(packet for _, _, packet in self._packets)

    @property
    def failed(self) -> NoRoom | None:
        """What did not find room."""
        return self._kernel_events.failed or self._packets.failed

    def notes(self) -> list[str]:
        """All is there."""
        return []

    def close(self) -> None:
        """Forget it."""
        self._kernel_events.close()
        self._packets.close()

    def _first(self) -> bytes:
        """With which a sequence begins."""
        packet = self._schema.TracePacket()
        packet.trusted_packet_sequence_id = _SEQUENCE
        packet.sequence_flags = self._schema.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        names = packet.system_info.utsname
        names.sysname, names.machine, names.release = "Linux", "x86_64", self.release
        return bytes(packet.SerializeToString())

    def _words(self) -> bytes:
        """All words that have numbers."""
        packet = self._new()
        for words in (self._made.names, self._made.categories, self._made.keys, self._kernel.words):
            words.tell(packet)
        return bytes(packet.SerializeToString())

    def _bundle(self, cpu: int, events: list[bytes]) -> bytes:
        packet = self._new()
        head = self._schema.FtraceEventBundle(cpu=cpu).SerializeToString()
        return field(_PACKET, packet.SerializeToString() + field(_BUNDLES, head + b"".join(events)))

    def _new(self) -> Any:
        """A packet to fill."""
        packet = self._schema.TracePacket()
        packet.trusted_packet_sequence_id, packet.sequence_flags = _SEQUENCE, _RELIES_ON_HEAD
        return packet

    def _tell(self, packet: Any) -> None:
        """A packet of the head, which everything behind it may rely on."""
        self._head.append(field(_PACKET, packet.SerializeToString()))

    # -- what happens on tracks --------------------------------------------------------------------------------------

    def _slice(self, track: int, begin_ns: int, end_ns: int, begins: bytes) -> None:
        ends, add = self._made.end(track, end_ns), self._packets.add
        if begin_ns == end_ns:
            add(begin_ns, _BEGINS - end_ns, begins + ends)
        else:
            add(begin_ns, _BEGINS - end_ns, begins)
            add(end_ns, _ENDS - begin_ns, ends)

    def _instant(
        self,
        track: int,
        time_ns: int,
        name: str,
        category: str,
        who: str = "",
        about: str = "",
        detail: Detail = (),
    ) -> None:
        told = self._made.packet(INSTANT, track, time_ns, name, category, who, about, detail)
        self._packets.add(time_ns, _INSTANTS, told)

    # -- as a drawing ------------------------------------------------------------------------------------------------

    def lane(self, lane: Lane) -> None:
        """A track."""
        self._lanes[lane.number] = self._tracks.lane(lane)

    def span(self, span: Span) -> None:
        """A slice."""
        kind = _CATEGORIES[span.kind]
        detail = (*span.detail, _STAYS_OPEN) if span.open_ended else span.detail
        track, begin_ns = self._lanes[span.lane], span.begin_ns
        begins = self._made.packet(BEGIN, track, begin_ns, span.label or kind, kind, span.who, span.about, detail)
        self._slice(track, begin_ns, span.end_ns, begins)

    def mark(self, mark: Mark) -> None:
        """An instant; a tracepoint is among the kernel's events."""
        if mark.kind is not MarkKind.EVENT:
            lane = self._lanes[mark.lane]
            self._instant(lane, mark.time_ns, mark.label, mark.kind.value, mark.who, mark.about, mark.detail)

    def arrow(self, arrow: Arrow) -> None:
        """A flow, from an instant to another."""
        self.flows += 1
        category, label = arrow.kind.value, arrow.label
        about = self._made.annotation("about", arrow.about) if arrow.about else b""
        for lane, time_ns, ends, begins in (
            (arrow.from_lane, arrow.from_ns, 0, self.flows),
            (arrow.to_lane, arrow.to_ns, self.flows, 0),
        ):
            told = self._made.once(INSTANT, self._lanes[lane], time_ns, label, category, about, ends, begins)
            self._packets.add(time_ns, _INSTANTS, told)

    def life(self, life: Life) -> None:
        """An instant, and a flow that leads to it from the object's last station."""
        before = self._stations.pop(life.serial, None)
        flow = 0
        if before is None:
            annotation = self._made.annotation
            whose = annotation("object", f"{life.address:016x}") + annotation("serial", f"{life.serial}")
        else:
            self.flows += 1
            last, came, whose = before
            flow = self.flows
            self._station(last, whose, came, flow)
        if life.stage is Stage.FREED:
            self._station(life, whose, flow, 0)
        else:
            self._stations[life.serial] = life, flow, whose

    def _station(self, life: Life, whose: bytes, ends_flow: int, begins_flow: int) -> None:
        lane, name = self._lanes[life.lane], _STATIONS[life.stage]
        annotations = whose + self._made.annotation("where", life.where)
        told = self._made.once(INSTANT, lane, life.time_ns, name, _LIFE, annotations, ends_flow, begins_flow)
        self._packets.add(life.time_ns, _INSTANTS, told)

    def counter(self, counter: Counter) -> None:
        """A track with values."""
        self._curves[counter.number] = self._tracks.counter(counter)

    def sample(self, sample: Sample) -> None:
        """A value."""
        told = self._made.value(self._curves[sample.counter], sample.time_ns, sample.value)
        self._packets.add(sample.time_ns, _INSTANTS, told)

    def krcp(self, krcp: Krcp) -> None:
        """A slice, as long as nothing of it changes."""
        self._krcp_until(krcp.cpu, krcp.time_ns)
        self._krcps[krcp.cpu] = krcp

    def _krcp_until(self, cpu: int, time_ns: int) -> None:
        last = self._krcps.pop(cpu, None)
        if last is not None:
            name = " ".join(f"{key}={value}" for key, value in last.state[:1])
            track = self._tracks.of_cpu(cpu, "krcp")
            annotations = b"".join([self._made.annotation(*word) for word in last.state])
            begins = self._made.once(BEGIN, track, last.time_ns, name, "krcp", annotations)
            self._slice(track, last.time_ns, max(time_ns, last.time_ns), begins)

    def told(self, told: Told) -> None:
        """An instant that has the whole text."""
        detail = (("kind", told.kind), ("report", told.text))
        self._instant(self._lanes[told.lane], told.time_ns, told.title, "report", detail=detail)

    def ended(self, time_ns: int) -> None:
        """What is still there stays to the end."""
        for cpu in list(self._krcps):
            self._krcp_until(cpu, time_ns)
        for life, flow, whose in self._stations.values():
            self._station(life, whose, flow, 0)
        self._stations.clear()
