"""Perfetto's tracks: one for each lane and curve, below one for each group, below one for the whole.

Groups stand in the order in which they first came, CPUs first; lanes of a CPU as a picture has them from the top.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import attrs

from ...timeline import Counter, Lane, LaneKind
from .interning import printable

_ROOT: Final = 1
_GROUPS: Final = 1 << 20
_LANES: Final = 2 << 20
_COUNTERS: Final = 3 << 20
_OWN: Final = 4 << 20
"""Numbers of tracks, by what they are of."""

_CPU: Final = re.compile(r"CPU ([0-9]{1,4})", re.ASCII)
_LAST_CPU: Final = 10_000
_LAST: Final = 1_000
"""Places of groups that are no CPU's, and of what comes below the lanes."""
_ORDER: Final = {kind: number for number, kind in enumerate(LaneKind)}
_ROOM: Final = 10_000
"""Between kinds of lanes, for those of one kind."""


@attrs.define(eq=False)
class Tracks:
    """Describes tracks when they are first named."""

    new_packet: Callable[[], Any]
    write: Callable[[Any], None]
    schema: Any
    _groups: dict[str, int] = attrs.field(factory=dict)
    _own: dict[tuple[str, str], int] = attrs.field(factory=dict)

    def _describe(self, uuid: int, name: str, parent: int, rank: int) -> Any:
        packet = self.new_packet()
        track = packet.track_descriptor
        track.uuid, track.name, track.sibling_order_rank = uuid, printable(name), rank
        track.child_ordering = self.schema.TrackDescriptor.EXPLICIT
        # Lanes of one name are not one lane.
        track.sibling_merge_behavior = self.schema.TrackDescriptor.SIBLING_MERGE_BEHAVIOR_NONE
        if parent:
            track.parent_uuid = parent
        return packet

    def _group(self, name: str) -> int:
        uuid = self._groups.get(name)
        if uuid is None:
            if not self._groups:
                self.write(self._describe(_ROOT, "rcuactors", 0, 0))
            uuid = self._groups[name] = _GROUPS + len(self._groups)
            cpu = _CPU.fullmatch(name)
            self.write(self._describe(uuid, name, _ROOT, int(cpu[1]) if cpu else _LAST_CPU + len(self._groups)))
        return uuid

    def lane(self, lane: Lane) -> int:
        """The track of a lane."""
        uuid = _LANES + lane.number
        rank = _ORDER[lane.kind] * _ROOM + lane.number
        self.write(self._describe(uuid, lane.name, self._group(lane.group), rank))
        return uuid

    def counter(self, counter: Counter) -> int:
        """The track of a curve."""
        uuid = _COUNTERS + counter.number
        group = self._group(f"CPU {counter.cpu}" if counter.cpu >= 0 else "kvfree_rcu()")
        packet = self._describe(uuid, counter.name, group, _ROOM * _LAST + counter.number)
        kinds = self.schema.CounterDescriptor
        in_bytes = counter.unit == "bytes"
        unit = {"unit": kinds.UNIT_SIZE_BYTES} if in_bytes else {"unit": kinds.UNIT_COUNT, "unit_name": counter.unit}
        packet.track_descriptor.counter.MergeFrom(kinds(**unit))
        self.write(packet)
        return uuid

    def of_cpu(self, cpu: int, name: str) -> int:
        """A track of a CPU that no lane has."""
        group = f"CPU {cpu}"
        uuid = self._own.get((group, name))
        if uuid is None:
            uuid = self._own[group, name] = _OWN + len(self._own)
            self.write(self._describe(uuid, name, self._group(group), _ROOM * (_LAST - 1) + len(self._own)))
        return uuid
