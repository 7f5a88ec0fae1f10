"""The lifetime oracle: it watches objects and read-side sections, and never asks the grace-period machine.

Every read-side section gets a serial number when it opens. An object that is retired notes how many had been opened
by then: any of those that is still open may hold a reference, so freeing the object now is a use-after-free window
even if nobody touches it. The oldest open section decides, which makes the check one comparison an object. Objects,
double frees, leaks at the end, and objects retired and never freed are told from the same book-keeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

import attrs

from ..context.violation import ViolationKind
from ..engine.probe import Access, Probe
from ..marks import MACHINERY
from ..spelling import counted
from .probes import RcuProbes

__trace__ = MACHINERY

LIVE: Final = 0
RETIRED: Final = 1
FREED: Final = 2

_NO_READER: Final = 1 << 62


class Tracked(Protocol):
    """What the oracle needs to know of an object; the memory floor's objects have it."""

    address: int
    size: int
    state: int
    retired_serial: int
    retired_ns: int

    @property
    def allocated_at(self) -> str:
        """Where, as text."""
        ...

    def __str__(self) -> str: ...


T = TypeVar("T", bound=Tracked)

Report = Callable[[ViolationKind, str, list[str]], None]
"""Reports of the oracle go through this: kind, title, further lines. The machine adds CPU, time and stack."""


@attrs.define(eq=False)
class Reader:
    """One open read-side section. `held` are the objects it dereferenced."""

    serial: int
    who: str
    site: str
    held: dict[int, Tracked] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class OracleStatistics:
    """Objects and read-side sections, as the oracle sees them.

    * `objects` (objects): allocated and not freed.
    * `bytes` (bytes): of these, by the sizes that were asked for.
    * `peak_objects` (objects): the most that there were at one time.
    * `peak_bytes` (bytes): the same in bytes.
    * `sections` (sections): read-side sections that are open.
    * `sections_entered` (sections): that were opened since boot.
    """

    objects: int
    bytes: int
    peak_objects: int
    peak_bytes: int
    sections: int
    sections_entered: int


class Oracle:
    """The truth about lifetimes in one run."""

    def __init__(
        self, report: Report, probes: RcuProbes | None = None, access: Probe[[object, Access]] | None = None
    ) -> None:
        self._report = report
        self.probes = probes if probes is not None else RcuProbes()
        self._access = access if access is not None else Probe()
        self._told = self.probes.objects
        self._access.told_with(self._told)
        self._serial = 0
        self._open: dict[int, Reader] = {}
        self.live: dict[int, Tracked] = {}
        self.live_bytes = 0
        self.peak_objects = 0
        self.peak_bytes = 0

    def statistics(self) -> OracleStatistics:
        """Its figures, as they are now."""
        self.note_peak()
        return OracleStatistics(
            objects=len(self.live),
            bytes=self.live_bytes,
            peak_objects=self.peak_objects,
            peak_bytes=self.peak_bytes,
            sections=len(self._open),
            sections_entered=self._serial,
        )

    # -- readers -----------------------------------------------------------------------------------------------------

    def reader_enters(self, who: str, site: str) -> Reader:
        """A read-side section opens."""
        self._serial += 1
        reader = Reader(self._serial, who, site)
        self._open[self._serial] = reader
        if self.probes.reader_entered.on:
            self.probes.reader_entered(reader)
        return reader

    def reader_leaves(self, reader: Reader) -> None:
        """It closes."""
        self._open.pop(reader.serial, None)
        if self.probes.reader_left.on:
            self.probes.reader_left(reader)

    def dereferenced(self, reader: Reader | None, item: Tracked) -> None:
        """Somebody follows a pointer to the object, inside a section if `reader` is given."""
        if self._access.on:
            self._access(item, Access.READ)
        if item.state == FREED:
            self._use_after_free(f"use of {item} after it was freed", item, [])
        elif reader is not None:
            reader.held[item.address] = item

    # -- objects -----------------------------------------------------------------------------------------------------

    def allocated(self, item: Tracked) -> None:
        """An object was given out."""
        self.live[item.address] = item
        self.live_bytes += item.size
        if self._told.on:
            self.probes.object_allocated(item)

    def note_peak(self) -> None:
        """Called before anything shrinks: what is live only grows between frees."""
        self.peak_objects = max(self.peak_objects, len(self.live))
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)

    def retired(self, item: Tracked, now: int) -> None:
        """The object was given to kvfree_rcu(), or its RCU callback was queued."""
        if item.state == RETIRED:
            self._retired_twice(item)
            return
        if item.state == LIVE:
            item.state = RETIRED
        else:
            self._retired_twice(item)
        item.retired_serial = self._serial
        item.retired_ns = now
        if self._told.on:
            self.probes.object_retired(item, now)
            self._access(item, Access.WRITE)

    def freed(self, items: Iterable[T], how: str) -> list[T]:
        """Objects are being given back. Returns those that may really be (the others were free already)."""
        self.note_peak()
        oldest = next(iter(self._open), _NO_READER)
        live = self.live
        good: list[T] = []
        size = 0
        for item in items:
            if item.state == FREED:
                self._double_free(item, how)
                continue
            if oldest is not _NO_READER and (item.state == LIVE or oldest <= item.retired_serial):
                self._judge_free(item, how)
            item.state = FREED
            size += item.size
            del live[item.address]
            good.append(item)
        self.live_bytes -= size
        if self._told.on:
            for item in good:
                self.probes.object_freed(item, how)
                self._access(item, Access.WRITE)
        return good

    # -- reports -----------------------------------------------------------------------------------------------------

    def _judge_free(self, item: Tracked, how: str) -> None:
        if item.state == RETIRED:
            holders = [reader for reader in self._open.values() if reader.serial <= item.retired_serial]
        else:
            holders = [reader for reader in self._open.values() if item.address in reader.held]
        if holders:
            self._use_after_free(f"{item} freed by {how} under a reader that may hold it", item, holders)

    def _use_after_free(self, what: str, item: Tracked, holders: list[Reader]) -> None:
        lines = [f"object allocated at {item.allocated_at}"]
        if item.state == RETIRED:
            lines.append(f"retired at {item.retired_ns} ns")
        lines += [f"reader {reader.who} entered at {reader.site}" for reader in holders]
        self._report(ViolationKind.USE_AFTER_FREE, f"BUG: use-after-free: {what}", lines)

    def _double_free(self, item: Tracked, how: str) -> None:
        self._report(
            ViolationKind.DOUBLE_FREE,
            f"BUG: double free: {item} by {how}",
            [f"object allocated at {item.allocated_at}"],
        )

    def _retired_twice(self, item: Tracked) -> None:
        when = "again" if item.state == RETIRED else "after it was freed"
        title = f"BUG: double free: {item} given to kvfree_rcu() {when}"
        self._report(ViolationKind.DOUBLE_FREE, title, [f"object allocated at {item.allocated_at}"])

    def end_of_run(self, *, machine_idle: bool) -> None:
        """What is left when nothing moves any more."""
        self.note_peak()
        lost = [item for item in self.live.values() if item.state == RETIRED]
        leaked = [item for item in self.live.values() if item.state == LIVE]
        if lost and machine_idle:
            self._summarise(ViolationKind.NEVER_FREED, "retired and never freed, though the machine is idle", lost)
        if leaked:
            self._summarise(ViolationKind.LEAK, "allocated and never freed", leaked)

    def _summarise(self, kind: ViolationKind, what: str, items: list[Tracked]) -> None:
        origins: dict[str, int] = {}
        for item in items:
            origins[item.allocated_at] = origins.get(item.allocated_at, 0) + 1
        lines = [f"{count} allocated at {origin}" for origin, count in origins.items()]
        self._report(kind, f"BUG: {kind.value}: {counted(len(items), 'object')} {what}, first {items[0]}", lines)
