"""Feeders: kernel threads that make the recorded calls again, at their CPUs, times and contexts.

A feeder sleeps until shortly before a section begins, enters its context and burns the rest of the time. It
also burns what lies between two calls of the section: the recorded caller kept its CPU there. Objects are
allocated outside of the context: one by one in process context, else all of a section's before it is entered.
A feeder that has fallen behind does not wait, and catches up as fast as the machine lets it.

What the rig's script did beside freeing (`Deed`) is done by threads of their own, one for each task of the rig: it may
wait for a grace period, and then holds up nobody's calls.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import attrs

from ..kapi import Kernel
from ..marks import machinery
from ..mm.objects import KObject
from ..traces.events import Call
from .calls import Deed
from .recording import Recording
from .sections import CONTEXTS, Feed, Section, cold_cpus

OBJECT_SIZE: Final = 64
VMALLOC_SIZE: Final = 4096
"""Sizes are not recorded. One page is the least that vmalloc() takes."""

SHRINK_BATCH: Final = 128
"""SHRINK_BATCH (mm/shrinker.c): how many reclaim asks for at a time. The probe does not tell."""

_EARLY_NS: Final = 10_000
"""A wake-up takes some 2 us (timer interrupt, try_to_wake_up(), context switch); the rest is burnt."""

_BURN_NS: Final = 5_000
"""Burnt step by step, so that the time of an interrupt or a preemption is not burnt once more."""

_LEAD_NS: Final = 1_000_000
_LEAD_PER_FEEDER_NS: Final = 20_000
"""Between the start of the first feeder and the first call: starting a thread takes some us."""


@attrs.define
class Replayed:
    """Calls made, by (one-argument, context); calls that could not be made; and how late the latest was.

    Deeds done, by their word, and those that this version does not know. `shift_ns` leads from the recording's time to
    the machine's; None before the first feeder starts.
    """

    driven: Counter[tuple[bool, str]] = attrs.field(factory=Counter)
    skipped: Counter[str] = attrs.field(factory=Counter)
    done: Counter[str] = attrs.field(factory=Counter)
    not_done: Counter[str] = attrs.field(factory=Counter)
    shift_ns: int | None = None
    max_lag_ns: int = 0


async def replay_calls(k: Kernel, recording: Recording, feeds: tuple[Feed, ...], replayed: Replayed) -> None:
    """Begin as it did; then start a feeder for each feed, and a thread for each task with deeds, and wait for them."""
    await _begin_as(k, recording, frozenset(feed.cpu for feed in feeds))
    deeds = recording.deeds
    scripts: dict[tuple[int, int], list[Deed]] = {}
    for deed in deeds:
        scripts.setdefault((deed.cpu, deed.pid), []).append(deed)
    times = [feed.sections[0].calls[0].time_ns for feed in feeds] + [one[0].time_ns for one in scripts.values()]
    lead_ns = _LEAD_NS + _LEAD_PER_FEEDER_NS * (len(feeds) + len(scripts))
    shift_ns = k.now + lead_ns - min(times, default=0)
    replayed.shift_ns = shift_ns
    async with k.open_nursery() as nursery:
        for (cpu, _), one in scripts.items():
            script = _Script(k, one, replayed, shift_ns)
            await nursery.start_soon(script.main, cpu=cpu, name=f"script/{cpu}")
        for feed in feeds:
            feeder = _Feeder(k, feed, replayed, shift_ns)
            name = f"feeder{'1' if feed.one_argument else '2'}/{feed.cpu}"
            await nursery.start_soon(feeder.main, cpu=feed.cpu, name=name)


async def _begin_as(k: Kernel, recording: Recording, used: frozenset[int]) -> None:
    """Page caches are what the first states say, and empty where the script has emptied them before."""
    cold = cold_cpus(recording) & used

    @machinery
    async def main(cpu_id: int) -> None:
        if cpu_id in cold:
            await k.cold_caches()
        if cpu_id in recording.cached_pages:
            await k.set_cached_pages(recording.cached_pages[cpu_id])

    told = cold | recording.cached_pages.keys()
    async with k.open_nursery() as nursery:
        for cpu_id in sorted(told & set(range(k.machine.setup.config.nr_cpus))):
            await nursery.start_soon(functools.partial(main, cpu_id), cpu=cpu_id, name=f"begin/{cpu_id}")


@attrs.frozen
class _Feeder:
    """One feeder. `shift_ns` leads from the recording's time to the machine's."""

    k: Kernel
    feed: Feed
    replayed: Replayed
    shift_ns: int

    @machinery
    async def main(self) -> None:
        """Go through the sections."""
        for section in self.feed.sections:
            await (self._one_by_one(section) if section.context == "process" else self._at_once(section))

    async def _one_by_one(self, section: Section) -> None:
        """In process context there is nothing to enter, and an object can be had when its call is due."""
        await self._sleep_until(section.calls[0])
        for call in section.calls:
            await self._call(call, await self._allocate(call))

    async def _at_once(self, section: Section) -> None:
        items = [await self._allocate(call) for call in section.calls]
        await self._sleep_until(section.calls[0])
        await CONTEXTS[section.context].enter(self.k, functools.partial(self._calls, section, items))

    async def _calls(self, section: Section, items: list[KObject | None]) -> None:
        for call, item in zip(section.calls, items, strict=True):
            await self._call(call, item)

    async def _allocate(self, call: Call) -> KObject | None:
        """An object of the recorded kind, or None."""
        if call.kind == "vmalloc":
            return await self.k.vmalloc(VMALLOC_SIZE)
        return await self.k.kmalloc(OBJECT_SIZE)

    async def _call(self, call: Call, item: KObject | None) -> None:
        due_ns = call.time_ns + self.shift_ns
        while (left_ns := due_ns - self.k.now) > 0:
            await self.k.ndelay(min(left_ns, _BURN_NS))
        if item is None:
            self.replayed.skipped["no memory for the object"] += 1
            return
        self.replayed.max_lag_ns = max(self.replayed.max_lag_ns, -left_ns)
        self.replayed.driven[call.one_argument, call.context] += 1
        if call.one_argument and self.k.has("kvfree_rcu_mightsleep"):
            await self.k.kvfree_rcu_mightsleep(item)
        else:
            await self.k.kvfree_rcu(item, None if call.one_argument else "rcu")

    async def _sleep_until(self, call: Call) -> None:
        left_us = (call.time_ns + self.shift_ns - self.k.now - _EARLY_NS) // 1000
        if left_us > 0:
            await self.k.usleep_range(left_us, left_us)


@attrs.frozen
class _Script:
    """The deeds of one task of the rig."""

    k: Kernel
    deeds: list[Deed]
    replayed: Replayed
    shift_ns: int

    @machinery
    async def main(self) -> None:
        """Do them one after the other, each at its time, or when the one before is done."""
        for deed in self.deeds:
            left_us = (deed.time_ns + self.shift_ns - self.k.now) // 1000
            if left_us > 0:
                await self.k.usleep_range(left_us, left_us)
            do = self._ways().get(deed.what)
            if do is None:
                self.replayed.not_done[deed.what] += 1
                continue
            await do(deed)
            self.replayed.done[deed.what] += 1

    def _ways(self) -> dict[str, Callable[[Deed], Awaitable[None]]]:
        """How each is done, of those that the version has."""
        ways: dict[str, Callable[[Deed], Awaitable[None]]] = {
            "synchronize_rcu": self._synchronize_rcu,
            "sync_expedited": self._synchronize_rcu_expedited,
            "shrink": self._shrink,
            "shrink_count": self._shrink_count,
            "shrink_scan": self._shrink_scan,
            "drop_slab": self._drop_slab,
        }
        has_barrier = self.k.machine.setup.era.rules.kvfree.barrier is not None
        return ways | {"barrier": self._barrier} if has_barrier else ways

    async def _barrier(self, _deed: Deed) -> None:
        await self.k.kvfree_rcu_barrier()

    async def _synchronize_rcu_expedited(self, _deed: Deed) -> None:
        await self.k.synchronize_rcu_expedited()

    async def _synchronize_rcu(self, _deed: Deed) -> None:
        await self.k.synchronize_rcu()

    async def _drop_slab(self, _deed: Deed) -> None:
        await self.k.drop_slab()

    async def _shrink_count(self, _deed: Deed) -> None:
        await self.k.machine.kvfree_shrinker.count(self.k.machine.current)

    async def _shrink_scan(self, _deed: Deed) -> None:
        await self.k.machine.kvfree_shrinker.scan(self.k.machine.current, SHRINK_BATCH)

    async def _shrink(self, deed: Deed) -> None:
        """The rig calls the shrinker of kvfree_rcu() itself: once to count, once to scan so many."""
        shrinker, thread = self.k.machine.kvfree_shrinker, self.k.machine.current
        await shrinker.count(thread)
        await shrinker.scan(thread, deed.number)
