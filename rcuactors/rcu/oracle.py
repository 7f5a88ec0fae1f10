"""The lifetime oracle: it watches objects and readers, and never asks the grace-period machine.

Every reader gets a serial number when it begins; where it begins and ends is in book.py. An object that is retired
notes how many had begun by then: any of those that still goes on may hold a reference, so freeing the object now is a
use-after-free window even if nobody touches it. The oldest reader decides, which makes the check one comparison an
object. Whoever has dereferenced an object holds it, too, also if it was never retired, or before that. Objects, double
frees, leaks at the end, and objects retired and never freed are told from the same book-keeping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain
from typing import Any, Final, Protocol, TypeVar

import attrs

from ..context.memory import FREED, LIVE, RETIRED
from ..context.violation import ViolationKind
from ..engine.probe import Access, Probe
from ..marks import MACHINERY
from ..spelling import counted
from .probes import RcuProbes

__trace__ = MACHINERY

_NO_READER: Final = 1 << 62


class Tracked(Protocol):
    """What the oracle needs to know of an object; the memory floor's objects have it."""

    address: int
    size: int
    state: int
    retired_serial: int
    retired_ns: int
    freed_by: Any
    allocated_by: Any
    retired_by: Any

    def history(self) -> Sequence[str]:
        """Who allocated, retired and freed it, as lines."""
        ...

    @property
    def allocated_at(self) -> str:
        """Where, as text."""
        ...

    def __str__(self) -> str: ...


T = TypeVar("T", bound=Tracked)


class Report(Protocol):
    """Reports of the oracle go through this: kind, title, further lines. The machine adds CPU, time and stack.

    `touches_freed`: here and now freed memory is used, which a kernel with KASAN sees, too.
    """

    def __call__(self, kind: ViolationKind, title: str, lines: list[str], touches_freed: bool = False, /) -> None:
        """Report."""


@attrs.define(eq=False)
class Reader:
    """One reader that goes on. `held` are the objects that it dereferenced, `used` those that it used besides.

    The rest is the book's: on top of what it runs (`level`, `outer`), how many sections are open in it (`depth`), and
    whether any was opened by name.
    """

    serial: int
    who: str
    site: str
    held: dict[int, Tracked] = attrs.field(factory=dict)
    used: dict[int, Tracked] = attrs.field(factory=dict)
    level: int = 0
    outer: Reader | None = None
    depth: int = 0
    named: bool = False
    domain: object = None
    """The srcu_struct whose reader it is; None: RCU's."""

    def keeps(self, item: Tracked, freeing: Reader | None) -> bool:
        """It may need the object, which `freeing` gives back: if that is this one, it may know that it does not."""
        if self.held.get(item.address) is item:
            return self.named or self is not freeing
        return self.used.get(item.address) is item and self is not freeing


def _nobody() -> Reader | None:
    return None


@attrs.frozen(kw_only=True)
class OracleStatistics:
    """Objects and readers, as the oracle sees them.

    * `objects` (objects): allocated and not freed.
    * `bytes` (bytes): of these, by the sizes that were asked for.
    * `peak_objects` (objects): the most that there were at one time.
    * `peak_bytes` (bytes): the same in bytes.
    * `sections` (readers): that go on: read-side sections, and what else counts as one.
    * `sections_entered` (readers): that have begun since boot.
    """

    objects: int
    bytes: int
    peak_objects: int
    peak_bytes: int
    sections: int
    sections_entered: int


class Oracle:
    """The truth about lifetimes in one run: hears of every object and reader, judges each free, asks nobody."""

    def __init__(
        self,
        report: Report,
        probes: RcuProbes | None = None,
        access: Probe[[object, Access]] | None = None,
        *,
        record: Callable[[str], object] | None = None,
        retired_in: str = "",
    ) -> None:
        """`record` makes a note of who allocates, gives up (`retired_in`) or frees now, if somebody wants to know."""
        self._record = record
        if record is not None:
            self._keep_tracks(record, retired_in)
        self._report = report
        self.probes = probes if probes is not None else RcuProbes()
        self._access = access if access is not None else Probe()
        self._told = self.probes.objects
        self._access.told_with(self._told)
        self._who_frees: Callable[[], Reader | None] = _nobody
        self._serial = 0
        self._open: dict[int, Reader] = {}
        self._srcu: dict[int, Reader] = {}
        """Those of srcu_structs: nothing to what kvfree_rcu() frees."""
        self._given: dict[int, tuple[Tracked, object, int]] = {}
        """Objects that wait for a callback of call_srcu(), with the srcu_struct, and who had begun by then."""
        self._kept: Counter[int] = Counter()
        """Addresses that readers hold or have used, and how many of them."""
        self._pages: dict[int, str] = {}
        self.live: dict[int, Tracked] = {}
        self.live_bytes = 0
        self.peak_objects = 0
        self.peak_bytes = 0

    def is_told_who_frees(self, running: Callable[[], Reader | None]) -> None:
        """What says in which reader, if in any, the code is that runs."""
        self._who_frees = running

    @property
    def sections(self) -> int:
        """Readers that go on."""
        return len(self._open) + len(self._srcu)

    def statistics(self) -> OracleStatistics:
        """Its figures, as they are now."""
        self.note_peak()
        return OracleStatistics(
            objects=len(self.live),
            bytes=self.live_bytes,
            peak_objects=self.peak_objects,
            peak_bytes=self.peak_bytes,
            sections=self.sections,
            sections_entered=self._serial,
        )

    # -- readers -----------------------------------------------------------------------------------------------------

    def reader_enters(self, who: str, site: str) -> Reader:
        """A reader begins."""
        self._serial += 1
        reader = Reader(self._serial, who, site)
        self._open[self._serial] = reader
        if self.probes.reader_entered.on:
            self.probes.reader_entered(reader)
        return reader

    def srcu_reader_enters(self, who: str, site: str, domain: object) -> Reader:
        """A reader of an srcu_struct begins."""
        self._serial += 1
        reader = self._srcu[self._serial] = Reader(self._serial, who, site, named=True, domain=domain)
        if self.probes.reader_entered.on:
            self.probes.reader_entered(reader)
        return reader

    def reader_leaves(self, reader: Reader) -> None:
        """It ends."""
        if (self._open if reader.domain is None else self._srcu).pop(reader.serial, None) is None:
            return
        if self.probes.reader_left.on:
            self.probes.reader_left(reader)
        if not (reader.held or reader.used):
            return
        kept = self._kept
        for address in chain(reader.held, reader.used):
            if kept[address] == 1:
                del kept[address]
            else:
                kept[address] -= 1

    def dereferenced(self, reader: Reader | None, item: Tracked) -> None:
        """Somebody takes a pointer to the object, inside a reader if that is given, which holds it from now on."""
        self._note(item, reader.held if reader is not None else None)

    def used(self, reader: Reader | None, item: Tracked) -> None:
        """Somebody follows a pointer that he has; inside a reader, if that is given, which may do it again."""
        self._note(item, reader.used if reader is not None else None)

    def _note(self, item: Tracked, where: dict[int, Tracked] | None) -> None:
        if self._access.on:
            self._access(item, Access.READ)
        if item.state == FREED:
            self._use_after_free(f"use of {item} after it was freed", item, [], touches_freed=True)
        elif where is not None:
            if item.address not in where:
                self._kept[item.address] += 1
            where[item.address] = item

    def readers_by_address(self) -> dict[int, int]:
        """How many readers may still use what lies where: what is forgotten is a missed report, what stays a leak."""
        return dict(self._kept)

    def given_to_srcu(self, item: Tracked, domain: object) -> None:
        """call_srcu() was called with a head in the object: readers of that srcu_struct may hold it until the end."""
        if item.address not in self._given:
            self._kept[item.address] += 1
        self._given[item.address] = item, domain, self._serial

    def srcu_callback_ran(self, item: Tracked) -> None:
        """Its callback has run: who reads from here on cannot find it."""
        if self._given.pop(item.address, None) is not None:
            self._kept[item.address] -= 1
            if not self._kept[item.address]:
                del self._kept[item.address]

    def accessed(self, item: Tracked, access: Access) -> None:
        """A field of the object is read or written."""
        if self._access.on:
            self._access(item, access)

    # -- objects -----------------------------------------------------------------------------------------------------

    def allocated(self, item: Tracked) -> None:
        """An object was given out."""
        self.live[item.address] = item
        self.live_bytes += item.size
        if self._told.on:
            self.probes.object_allocated(item)

    def _keep_tracks(self, record: Callable[[str], object], retired_in: str) -> None:
        """Make a note, too, of who allocates an object and who gives it up: chosen once, for nobody else is to pay."""
        allocated, retired = self.allocated, self.retired

        def allocated_by(item: Tracked) -> None:
            item.allocated_by = record("kmalloc")
            allocated(item)

        def retired_by(item: Tracked, now: int) -> None:
            item.retired_by = record(retired_in)
            retired(item, now)

        self.allocated, self.retired = allocated_by, retired_by  # type: ignore[method-assign]

    def page_allocated(self, pfn: int, site: str) -> None:
        """A scenario has got a page."""
        self._pages[pfn] = site

    def page_freed(self, pfn: int) -> None:
        """It gives one back."""
        self._pages.pop(pfn, None)

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
        live, kept, readers = self.live, self._kept, oldest is not _NO_READER or bool(self._srcu)
        good: list[T] = []
        freed_by = how if self._record is None else self._record(how)
        size = 0
        for item in items:
            if item.state == FREED:
                self._double_free(item, how)
                continue
            if readers and (item.address in kept or (item.state == RETIRED and oldest <= item.retired_serial)):
                self._judge_free(item, how)
            item.state, item.freed_by = FREED, freed_by
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
        freeing = self._who_frees()
        holders = [
            reader
            for reader in self._open.values()
            if (item.state == RETIRED and reader.serial <= item.retired_serial) or reader.keeps(item, freeing)
        ]
        given, domain, serial = self._given.get(item.address, (None, None, 0))
        holders += [
            reader
            for reader in self._srcu.values()
            if reader.keeps(item, None) or (given is item and reader.domain is domain and reader.serial <= serial)
        ]
        if holders:
            self._use_after_free(f"{item} freed by {how} under a reader that may hold it", item, holders)

    def _use_after_free(self, what: str, item: Tracked, holders: list[Reader], *, touches_freed: bool = False) -> None:
        lines = [*item.history()]
        lines += [f"reader {reader.who} entered at {reader.site}" for reader in holders]
        self._report(ViolationKind.USE_AFTER_FREE, f"BUG: use-after-free: {what}", lines, touches_freed)

    def _double_free(self, item: Tracked, how: str) -> None:
        self._report(
            ViolationKind.DOUBLE_FREE,
            f"BUG: double free: {item} by {how}",
            [*item.history()],
            True,
        )

    def _retired_twice(self, item: Tracked) -> None:
        when = "again" if item.state == RETIRED else "after it was freed"
        title = f"BUG: double free: {item} given to kvfree_rcu() {when}"
        self._report(ViolationKind.DOUBLE_FREE, title, [*item.history()])

    def end_of_run(
        self,
        *,
        machine_idle: bool,
        waiting: Container[object] = (),
        reasons: Iterable[tuple[Container[object], Sequence[str]]] = (),
    ) -> None:
        """What is left when nothing moves any more.

        `waiting`: where it is known to be, and that nothing frees it. `reasons`: what is known to be lost, and why.
        """
        self.note_peak()
        lost = [item for item in self.live.values() if item.state == RETIRED and item not in waiting]
        leaked = [item for item in self.live.values() if item.state == LIVE]
        if machine_idle:
            for which, why in reasons:
                self._never_freed([item for item in lost if item in which], why)
                lost = [item for item in lost if item not in which]
            self._never_freed(lost)
        if self._pages:
            sites = Counter(self._pages.values())
            lines = [f"{count} allocated at {site}" for site, count in sites.items()]
            title = f"BUG: leak: {counted(len(self._pages), 'page')} allocated and never freed"
            self._report(ViolationKind.LEAK, title, lines)
        if leaked:
            self._summarise(ViolationKind.LEAK, "allocated and never freed", leaked)

    def _never_freed(self, lost: list[Tracked], why: Sequence[str] = ()) -> None:
        if lost:
            what = "retired and never freed, though the machine is idle"
            self._summarise(ViolationKind.NEVER_FREED, what, lost, why)

    def _summarise(self, kind: ViolationKind, what: str, items: list[Tracked], why: Sequence[str] = ()) -> None:
        origins: dict[str, int] = {}
        for item in items:
            origins[item.allocated_at] = origins.get(item.allocated_at, 0) + 1
        lines = [*(f"{count} allocated at {origin}" for origin, count in origins.items()), *why]
        self._report(kind, f"BUG: {kind.value}: {counted(len(items), 'object')} {what}, first {items[0]}", lines)
