"""Feeders: kernel threads that make the recorded calls again, at their CPUs, times and contexts.

A feeder sleeps until shortly before a section begins, enters its context and burns the rest of the time. It
also burns what lies between two calls of the section: the recorded caller kept its CPU there. Objects are
allocated outside of the context: one by one in process context, else all of a section's before it is entered.
A feeder that has fallen behind does not wait, and catches up as fast as the machine lets it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import Factory, define, field

from rcuactors.kapi import Kernel
from rcuactors.marks import machinery
from rcuactors.mm.objects import KObject
from rcuactors.recordings.calls import Call
from rcuactors.recordings.sections import Feed, Section

OBJECT_SIZE: Final = 64
VMALLOC_SIZE: Final = 4096
"""Sizes are not recorded. One page is the least that vmalloc() takes."""

# A wake-up takes some 2 us (timer interrupt, try_to_wake_up(), context switch); the rest is burnt.
_EARLY_NS: Final = 10_000

# Burnt step by step, so that the time of an interrupt or a preemption is not burnt once more.
_BURN_NS: Final = 5_000

# Between the start of the first feeder and the first call: starting a thread on another CPU takes a few us,
# emptying a page cache some more.
_LEAD_NS: Final = 1_000_000
_LEAD_PER_FEEDER_NS: Final = 20_000


@define
class Replayed:
    """Calls made, by (one-argument, context); calls that could not be made; and how late the latest was."""

    driven: Counter[tuple[bool, str]] = Factory(Counter)
    skipped: Counter[str] = Factory(Counter)
    max_lag_ns: int = 0


async def replay_calls(k: Kernel, feeds: tuple[Feed, ...], replayed: Replayed) -> None:
    """Start a feeder for each feed, and wait for all of them."""
    first_ns = min((feed.sections[0].calls[0].time_ns for feed in feeds), default=0)
    shift_ns = k.now + _LEAD_NS + _LEAD_PER_FEEDER_NS * len(feeds) - first_ns
    async with k.open_nursery() as nursery:
        for feed in feeds:
            feeder = _Feeder(k, feed, replayed, shift_ns)
            name = f"feeder{'1' if feed.one_argument else '2'}/{feed.cpu}"
            await nursery.start_soon(feeder.main, cpu=feed.cpu, name=name)


@define
class _Feeder:
    """One feeder. `shift_ns` leads from the recording's time to the machine's."""

    k: Kernel
    feed: Feed
    replayed: Replayed
    shift_ns: int
    _enter: dict[str, Callable[[Section], Awaitable[None]]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._enter = {
            "process": self.process_section,
            "preempt_off": self.preempt_off_section,
            "irqs_off": self.irqs_off_section,
            "raw_lock": self.raw_lock_section,
            "rcu_read": self.rcu_read_section,
            "softirq": self.softirq_section,
            "hardirq": self.hardirq_section,
        }

    @machinery
    async def main(self) -> None:
        """Go through the sections."""
        if self.feed.cold:
            await self.k.cold_caches()
        for section in self.feed.sections:
            await self._enter[section.context](section)

    # -- contexts: these names stand in the call traces of splats --

    async def process_section(self, section: Section) -> None:
        """No context to enter."""
        await self._sleep_until(section.calls[0])
        for call in section.calls:
            await self._call(call, await self.allocate(call))

    async def preempt_off_section(self, section: Section) -> None:
        """preempt_disable()."""
        items = await self._prepare(section)
        self.k.preempt_disable()
        await self._calls(section, items)
        await self.k.preempt_enable()

    async def irqs_off_section(self, section: Section) -> None:
        """local_irq_save()."""
        items = await self._prepare(section)
        flags = self.k.local_irq_save()
        await self._calls(section, items)
        await self.k.local_irq_restore(flags)

    async def raw_lock_section(self, section: Section) -> None:
        """raw_spin_lock_irqsave()."""
        items = await self._prepare(section)
        # Nothing is known of who shared the lock: one that all CPUs took would make them wait.
        lock = self.k.raw_spinlock("rig_lock")
        flags = await self.k.raw_spin_lock_irqsave(lock)
        await self._calls(section, items)
        await self.k.raw_spin_unlock_irqrestore(lock, flags)

    async def rcu_read_section(self, section: Section) -> None:
        """rcu_read_lock()."""
        items = await self._prepare(section)
        with self.k.rcu_reader():
            await self._calls(section, items)

    async def softirq_section(self, section: Section) -> None:
        """A tasklet."""
        items = await self._prepare(section)
        done = self.k.completion("the end of a softirq section")

        async def tasklet() -> None:
            await self._calls(section, items)
            await self.k.complete(done)

        # A softirq raised with bottom halves off is served when they go on again, on this stack.
        await self.k.local_bh_disable()
        await self.k.tasklet_schedule(tasklet)
        await self.k.local_bh_enable()
        await self.k.wait_for_completion(done)

    async def hardirq_section(self, section: Section) -> None:
        """An interrupt."""
        items = await self._prepare(section)
        done = self.k.completion("the end of a hardirq section")

        async def handler() -> None:
            await self._calls(section, items)
            await self.k.complete(done)

        await self.k.raise_irq(handler, line="replay")
        await self.k.wait_for_completion(done)

    # -- steps --

    async def _prepare(self, section: Section) -> list[KObject | None]:
        items = [await self.allocate(call) for call in section.calls]
        await self._sleep_until(section.calls[0])
        return items

    async def allocate(self, call: Call) -> KObject | None:
        """An object of the recorded kind, or None."""
        if call.kind == "vmalloc":
            return await self.k.vmalloc(VMALLOC_SIZE)
        return await self.k.kmalloc(OBJECT_SIZE)

    async def _calls(self, section: Section, items: list[KObject | None]) -> None:
        for call, item in zip(section.calls, items, strict=True):
            await self._call(call, item)

    async def _call(self, call: Call, item: KObject | None) -> None:
        due_ns = call.time_ns + self.shift_ns
        while (left_ns := due_ns - self.k.now) > 0:
            await self.k.ndelay(min(left_ns, _BURN_NS))
        if item is None:
            self.replayed.skipped["no memory for the object"] += 1
            return
        self.replayed.max_lag_ns = max(self.replayed.max_lag_ns, -left_ns)
        self.replayed.driven[call.one_argument, call.context] += 1
        await self.k.kvfree_rcu(item, None if call.one_argument else "rcu")

    async def _sleep_until(self, call: Call) -> None:
        left_us = (call.time_ns + self.shift_ns - self.k.now - _EARLY_NS) // 1000
        if left_us > 0:
            await self.k.usleep_range(left_us, left_us)
