"""A state as a value: all that kvfree_rcu() holds between two steps, saved from a `Place` and loaded into it.

States that are equal are one. What a coroutine that is in the middle of something holds besides, `held_by()` tells.
"""

from __future__ import annotations

from typing import Any, cast

import attrs

from ..kvfree.krc import SLAB, VMALLOC, Batch, Block, Krc
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
    """Somebody looks at a CPU's cache of which nobody knows how many pages it has."""


class _Unlooked(list[int]):
    """A cache that has to be known before it is looked at: one of some numbers of pages."""

    numbers: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        raise NotLooked

    def __len__(self) -> int:
        raise NotLooked


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


def _unlooked(numbers: frozenset[int]) -> _Unlooked:
    cache = _Unlooked()
    cache.numbers = numbers
    return cache


class Registers:
    """What is in a place now."""

    def __init__(self, place: Place, told: Told) -> None:
        self._place = place
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
            self._is[cpu_id] = self._save(cpu_id)
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
        """How many pages a CPU's cache has is not known, until somebody looks: as many as it holds, or less."""
        self._place.krcs[cpu_id].cache = _unlooked(frozenset(range(self._place.kvfree.min_cached_objs + 1)))
        self.touch(cpu_id)

    def left_open(self, cpu_id: int) -> list[int]:
        """The numbers of pages that a cache may have which is left open."""
        cache = self._place.krcs[cpu_id].cache
        return sorted(cache.numbers) if isinstance(cache, _Unlooked) else []

    def settle(self, cpu_id: int, pages: int) -> None:
        """It has so many pages, of which nothing else is known."""
        self._place.krcs[cpu_id].cache = [-1] * pages
        self.touch(cpu_id)

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

    def _load(self, cpu_id: int, saved: Saved) -> None:
        krcp, works = self._place.krcs[cpu_id], self._place.works[cpu_id]
        count, cache, head, head_gp_snap, blocks, batches, slots, registers = saved
        krcp.count, krcp.head, krcp.head_gp_snap = count, _stack(head), head_gp_snap
        krcp.cache = _unlooked(cache) if isinstance(cache, frozenset) else list(cache)
        krcp.blocks = _blocks(blocks)
        for batch, (waiting, listed, snap) in zip(krcp.batches, batches, strict=True):
            batch.blocks, batch.head, batch.head_free_gp_snap = _blocks(waiting), _stack(listed), snap
        for slot, values in zip(krcp.slots, slots, strict=True):
            for field, value in zip(attrs.fields(type(slot)), values, strict=True):
                setattr(slot, field.name, value)
        for work, was in zip(works.values(), registers, strict=True):
            work.load(was)


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
