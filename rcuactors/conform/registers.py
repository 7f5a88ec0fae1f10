"""A state as a value: all that kvfree_rcu() holds between two steps, saved from a `Place` and loaded into it.

States that are equal are one. What a coroutine that is in the middle of something holds besides, `held_by()` tells.
"""

from __future__ import annotations

from typing import Any, cast

import attrs

from ..kvfree.krc import Batch, Block, Krc
from .place import Place
from .stacks import Chain, Stack, chain_of
from .standins import Deferred, Item

Saved = tuple[Any, ...]


def _channels(blocks: list[list[Block]]) -> tuple[Any, ...]:
    return tuple(tuple([(b.page, b.gp_snap, _kept(b, "records")) for b in channel]) for channel in blocks)


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


class Registers:
    """What is in a place now."""

    def __init__(self, place: Place) -> None:
        self._place = place
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

    def _save(self, cpu_id: int) -> Saved:
        krcp, works = self._place.krcs[cpu_id], self._place.works[cpu_id]
        return (
            krcp.count,
            tuple(krcp.cache),
            _kept(krcp, "head"),
            krcp.head_gp_snap,
            _channels(krcp.blocks),
            tuple((_channels(b.blocks), _kept(b, "head"), b.head_free_gp_snap) for b in krcp.batches),
            tuple(attrs.astuple(slot, recurse=False) for slot in krcp.slots),
            tuple(work.registers() for work in works.values()),
        )

    def _load(self, cpu_id: int, saved: Saved) -> None:
        krcp, works = self._place.krcs[cpu_id], self._place.works[cpu_id]
        count, cache, head, head_gp_snap, blocks, batches, slots, registers = saved
        krcp.count, krcp.cache, krcp.head, krcp.head_gp_snap = count, list(cache), _stack(head), head_gp_snap
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
    if isinstance(value, (list, tuple)):
        return tuple(_value(one) for one in value)
    if isinstance(value, Block):
        return (value.page, value.gp_snap, chain_of(value.records))
    if isinstance(value, Krc):
        return value.cpu_id
    if isinstance(value, (Batch, Deferred)):
        return id(value)
    return getattr(value, "rgos_norm", None)
