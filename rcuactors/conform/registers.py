"""A state as a value: all that kvfree_rcu() holds between two steps, saved from a `Place` and loaded into it.

States that are equal are one. What a coroutine that is in the middle of something holds besides, `held_by()` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, SupportsIndex, cast

import attrs

from ..kvfree.krc import SLAB, VMALLOC, Batch, Block, Krc
from ..kvfree.parts.arming import PendingTimer
from ..rcu.polled import RcuGpOldstate
from .cookies import Untold
from .foresight import shows_list
from .lines import Told
from .place import Place
from .stacks import EMPTY, Chain, Stack, chain_of
from .standins import Deferred, Item

Saved = tuple[Any, ...]


_ANYTHING = Item(0, 0, 0, is_vmalloc=False)
"""An object in a block where no line shows which it is."""


class NotLooked(Exception):
    """Somebody looks at what nobody knows of a CPU: `ways` are what it may be, each of them looked at otherwise."""

    def __init__(self, cpu_id: int, ways: tuple[Any, ...]) -> None:
        super().__init__(cpu_id)
        self.cpu_id, self.ways = cpu_id, ways


@attrs.define(eq=False)
class Looks:
    """Whether it matters what is seen by whoever looks now."""

    heedless: bool = False


class _Unlooked(list[int]):
    """A cache of which it is not known how many pages it has: one of some numbers."""

    def __init__(self, cpu_id: int, numbers: frozenset[int], looks: Looks) -> None:
        super().__init__()
        self.cpu_id, self.numbers, self.looks = cpu_id, numbers, looks

    def __bool__(self) -> bool:
        """Whether there is a page is asked before one is taken: so that is settled, and no more than that."""
        if 0 not in self.numbers:
            return True
        raise NotLooked(self.cpu_id, (frozenset({0}), self.numbers - {0}))

    def pop(self, _index: SupportsIndex = -1) -> int:
        self.numbers = frozenset(number - 1 for number in self.numbers)
        return -1

    def __len__(self) -> int:
        if self.looks.heedless:
            return 0
        raise NotLooked(self.cpu_id, tuple(frozenset({number}) for number in sorted(self.numbers)))


@attrs.frozen
class Unlooked:
    """Whether a CPU's next refill is put off, as long as nobody looks."""

    cpu_id: int

    def __bool__(self) -> bool:
        raise NotLooked(self.cpu_id, (False, True))


def _kept(owner: Any, name: str) -> Chain:
    """A list's chain; a list of Python's own is replaced, so that it is looked through once."""
    items = getattr(owner, name)
    chain = chain_of(items)
    if not isinstance(items, Stack):
        setattr(owner, name, Stack(chain))
    return chain


def _stack(chain: Chain) -> list[Any]:
    stack: Any = Stack(chain)
    return cast("list[Any]", stack)


def _blocks(saved: tuple[Any, ...]) -> list[list[Block]]:
    return [[Block(page, _stack(records), snap) for page, snap, records in channel] for channel in saved]


@attrs.frozen
class Part:
    """Something in what is saved of a CPU that need not be known: where it is, and what is either of some ways."""

    where: tuple[int, ...]
    either: Callable[[int, list[Any]], Any]

    def get(self, saved: Saved) -> Any:
        """What it is there."""
        for index in self.where:
            saved = saved[index]
        return saved

    def put(self, saved: Saved, value: Any) -> Saved:
        """The same with another."""
        return _with(saved, self.where, value)


def _with(saved: Saved, where: tuple[int, ...], value: Any) -> Saved:
    first, *rest = where
    value = _with(saved[first], tuple(rest), value) if rest else value
    return (*saved[:first], value, *saved[first + 1 :])


def _either_number(_cpu_id: int, ways: list[Any]) -> frozenset[int]:
    return frozenset().union(*(way if isinstance(way, frozenset) else {len(way)} for way in ways))


def _either_way(cpu_id: int, _ways: list[Any]) -> Unlooked:
    return Unlooked(cpu_id)


CACHED: Final = Part((1,), _either_number)
PUT_OFF: Final = Part((6, 0, 1), _either_way)
"""The cache; and whether the next refill is put off, which the first slot has."""


class Registers:
    """What is in a place now."""

    def __init__(self, place: Place, told: Told, *, timers_shown: bool) -> None:
        self._place, self._told, self._timers_shown = place, told, timers_shown
        self.looks = Looks()
        self._is_waited_for = "kvfree_rcu_barrier" in told.events
        self._anonymous, self.pages_shown = told.anonymous, bool(told.pages)
        """What no line shows makes no difference: which objects of the slab are in a block, which pages are cached."""
        self._shows_list = shows_list(told)
        self._of_size = [EMPTY]
        self._is: list[Saved] = [() for _ in place.krcs]
        self._stale = set(range(len(place.krcs)))

    def touch(self, cpu_id: int) -> None:
        """A CPU's state has changed, or with -1 any."""
        if cpu_id >= 0:
            self._stale.add(cpu_id)
        else:
            self._stale.update(range(len(self._is)))

    def save(self) -> Saved:
        """The state as it is."""
        for cpu_id in self._stale:
            was, now = self._is[cpu_id], self._save(cpu_id)
            # What has not changed stays the same object.
            self._is[cpu_id] = tuple(map(_kept_if_equal, was, now)) if was else now
        self._stale.clear()
        return (*self._is, self._place.periods.registers())

    def load(self, saved: Saved) -> None:
        """Another state."""
        for cpu_id, was in enumerate(self._is):
            if cpu_id in self._stale or was is not saved[cpu_id]:
                self._load(cpu_id, saved[cpu_id])
                self._is[cpu_id] = saved[cpu_id]
        self._stale.clear()
        self._place.periods.load(saved[-1])

    def leave_open(self, cpu_id: int) -> None:
        """How many pages a CPU's cache has is not known, until somebody looks: as many as it holds, or less.

        Nor is whether the next refill is put off.
        """
        krcp, kvfree = self._place.krcs[cpu_id], self._place.kvfree
        krcp.cache = _Unlooked(cpu_id, frozenset(range(kvfree.min_cached_objs + 1)), self.looks)
        refilling: Any = kvfree.refill.of(krcp)
        refilling.backoff_page_cache_fill = Unlooked(cpu_id)
        self.touch(cpu_id)

    def settle(self, cpu_id: int, known: Any) -> None:
        """It has one of some numbers of pages, of which no more is known; or the next refill is put off, or not."""
        krcp = self._place.krcs[cpu_id]
        if isinstance(known, bool):
            self._place.kvfree.refill.of(krcp).backoff_page_cache_fill = known
        else:
            krcp.cache = _Unlooked(cpu_id, known, self.looks) if len(known) > 1 else [-1] * next(iter(known))
        self.touch(cpu_id)

    def is_put_off(self) -> bool:
        """Each CPU's next refill is known to be put off."""
        refill = self._place.kvfree.refill
        return all(refill.of(krcp).backoff_page_cache_fill is True for krcp in self._place.krcs)

    @property
    def may_be_open(self) -> tuple[Part, ...]:
        """What states may differ in that are told as one."""
        return (PUT_OFF,) if self.pages_shown else (CACHED, PUT_OFF)

    def _channels(self, blocks: list[list[Block]]) -> tuple[Any, ...]:
        return tuple(
            tuple([(b.page if self.pages_shown else -1, b.gp_snap, self._records(b, channel)) for b in blocks[channel]])
            for channel in (SLAB, VMALLOC)
        )

    def _records(self, block: Block, channel: int) -> Chain:
        if not self._anonymous or channel == VMALLOC:
            return _kept(block, "records")
        size = len(block.records)
        return self._any(size)

    def _list(self, owner: Krc | Batch) -> Chain:
        return self._any(len(owner.head)) if self._anonymous and not self._shows_list else _kept(owner, "head")

    def _any(self, size: int) -> Chain:
        """So many objects that nothing shows."""
        while len(self._of_size) <= size:
            self._of_size.append(self._of_size[-1].with_one(_ANYTHING))
        return self._of_size[size]

    def _pages(self, cache: list[int]) -> Any:
        if isinstance(cache, _Unlooked):
            return cache.numbers
        return tuple(cache) if self.pages_shown else (-1,) * len(cache)

    def _save(self, cpu_id: int) -> Saved:
        krcp, works = self._place.krcs[cpu_id], self._place.works[cpu_id]
        self._forget(krcp, works)
        return (
            krcp.count,
            self._pages(krcp.cache),
            self._list(krcp),
            krcp.head_gp_snap,
            self._channels(krcp.blocks),
            tuple((self._channels(b.blocks), self._list(b), b.head_free_gp_snap) for b in krcp.batches),
            tuple(attrs.astuple(slot, recurse=False) for slot in krcp.slots),
            tuple(work.registers() for work in works.values()),
        )

    def _forget(self, krcp: Krc, works: dict[str, Deferred]) -> None:
        """What nobody can look at any more."""
        if not self._is_waited_for:
            for work in works.values():
                work.asked, work.done = work.asked - work.done, 0
        for work in works.values():
            if not work.pending or work.queued:
                work.since = work.turn = -1
            else:
                work.since = self._told.as_good_as(work.since)
        if not self._told.tells_numbers and works["monitor"].name:
            self._forget_numbers(krcp, works["monitor"])
        arming = self._place.kvfree.arming
        if not self._timers_shown and works["monitor"].expires is None and isinstance(arming, PendingTimer):
            # A timer that has expired is not shortened; when it was due is not told.
            arming.of(krcp).monitor_expires = 0

    def _forget_numbers(self, krcp: Krc, monitor: Deferred) -> None:
        """No line depends on how many objects are queued, nor shows what is freed from the list: something, or nothing.

        So it is not known whether they shorten the monitor's delay, nor on which CPU its timer is; but it has a name.
        """
        krcp.count, monitor.base = min(krcp.count, 1), -1
        owners: tuple[Krc | Batch, ...] = (krcp, *krcp.batches)
        for owner in owners:
            if len(owner.head) > 1:
                owner.head = _stack(self._any(1))

    def _load(self, cpu_id: int, saved: Saved) -> None:
        """All of it: lists are changed in place, so what is there need not be what was loaded last."""
        krcp = self._place.krcs[cpu_id]
        krcp.count, cache, head, krcp.head_gp_snap, blocks, batches, slots, registers = saved
        krcp.cache = _Unlooked(cpu_id, cache, self.looks) if isinstance(cache, frozenset) else list(cache)
        krcp.head, krcp.blocks = _stack(head), _blocks(blocks)
        for batch, (waiting, listed, snap) in zip(krcp.batches, batches, strict=True):
            batch.blocks, batch.head, batch.head_free_gp_snap = _blocks(waiting), _stack(listed), snap
        _set_slots(krcp, slots)
        for work, known in zip(self._place.works[cpu_id].values(), registers, strict=True):
            work.load(known)


def _set_slots(krcp: Krc, slots: Saved) -> None:
    for slot, values in zip(krcp.slots, slots, strict=True):
        for field, value in zip(attrs.fields(type(slot)), values, strict=True):
            setattr(slot, field.name, value)


def _kept_if_equal(was: Any, now: Any) -> Any:
    return was if was == now else now


def calls_back(registers: tuple[Any, ...], cpu_id: int) -> bool | None:
    """A batch waits for its grace period, and that CPU calls it back; None if it may."""
    pending, _, _, _, base, queued, *_ = registers
    if not pending or queued or base not in (-1, cpu_id):
        return False
    return True if base == cpu_id else None


def bears(saved: Saved, cpus: frozenset[int], name: object) -> bool:
    """One of the works of some CPUs has that name."""
    return any(registers[-1] == name for cpu_id in cpus for registers in saved[cpu_id][-1])


def held_by(coroutine: Any) -> tuple[Any, ...]:
    """What a coroutine holds while it waits: where each of its frames is, and their variables."""
    frames = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        variables = tuple(_value(value) for value in frame.f_locals.values())
        frames.append((frame.f_code, frame.f_lasti, variables))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return tuple(frames)


def _value(value: Any) -> Any:
    """A variable as something to compare by; what all states share is left out."""
    if value is None or isinstance(value, (bool, int, str, Item)):
        return value
    if isinstance(value, Stack):
        return value.chain
    if isinstance(value, (Untold, RcuGpOldstate)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_value(one) for one in value)
    if isinstance(value, Block):
        return (value.page, value.gp_snap, chain_of(value.records))
    if isinstance(value, Krc):
        return value.cpu_id
    return id(value) if isinstance(value, (Batch, Deferred)) else None
