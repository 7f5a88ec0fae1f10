"""The workloads on which costs are measured, as scenarios: made up, and taken from recordings (recorded.py).

Each of those made up is what some real machine does, in small, with its times and amounts drawn from a seed. On the
CPUs that free memory a neighbour, a second task, takes pages there and gives them back: it is the other user of their
page lists, whose extra work a design is charged with. Its demand is the same whatever the design.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..kapi import Kernel
from ..lab.bystanders import borrow_pages
from ..lab.elsewhere import softirq_tasklet
from ..scenario import Scenario, scenario
from .recorded import free_as_recorded, free_one_argument

_SIZE: Final = 256
_NEIGHBOUR_PAGES: Final = 24
_NEIGHBOUR_EVERY_US: Final = 1_000
_APART_US: Final = 120
"""The CPUs begin one after the other, so that not all of them always do the same at the same time."""


class _Draw:
    """Numbers around the nominal ones, drawn from a workload's seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def near(self, nominal: int) -> int:
        """From nine to eleven tenths of it. Only `random()` draws the same on every version of Python."""
        return nominal * 9 // 10 + int(self._rng.random() * (nominal // 5 + 1))


async def _with_neighbours(k: Kernel, draw: _Draw, cpus: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Run the work on so many CPUs, each beside a neighbour, to its end."""
    working = True

    async def neighbour(cpu: int) -> None:
        """Most of a page list for a moment, each millisecond."""
        await _sleep_us(k, _APART_US * cpu + _APART_US // 2)
        while working:
            await borrow_pages(k, _NEIGHBOUR_PAGES)
            await _sleep_us(k, draw.near(_NEIGHBOUR_EVERY_US))

    async def worker(cpu: int) -> None:
        await _sleep_us(k, _APART_US * cpu)
        await work(cpu)

    async with k.open_nursery() as neighbours:
        for cpu in range(cpus):
            await neighbours.start_soon(neighbour, cpu, cpu=cpu, name=f"neighbour/{cpu}")
        async with k.open_nursery() as workers:
            for cpu in range(cpus):
                await workers.start_soon(worker, cpu, cpu=cpu, name=f"worker/{cpu}")
        working = False


async def _sleep_us(k: Kernel, microseconds: int) -> None:
    await k.usleep_range(microseconds, microseconds)


async def _free(k: Kernel, count: int) -> None:
    """Allocate and free so many objects, the oldest first."""
    for _ in range(count):
        await k.kvfree_rcu(await k.kmalloc(_SIZE), "rcu")


@scenario(settings={"nr_cpus": "2"})
async def trickle(k: Kernel, milliseconds: int = 60, each: int = 40, draws: int = 0) -> None:
    """Frees some objects each millisecond on each CPU, as a server with some connections does."""
    draw = _Draw(draws)

    async def work(_cpu: int) -> None:
        for _ in range(milliseconds):
            await _free(k, draw.near(each))
            await _sleep_us(k, draw.near(1000))

    await _with_neighbours(k, draw, 2, work)


@scenario(settings={"nr_cpus": "2"})
async def bursts(k: Kernel, count: int = 3, each: int = 2_800, draws: int = 0) -> None:
    """Frees many objects at once, then nothing for a while; every other burst with interrupts off."""
    draw = _Draw(draws)

    async def work(cpu: int) -> None:
        await _sleep_us(k, 5000 * cpu)
        for number in range(count):
            objects = [await k.kmalloc(_SIZE) for _ in range(draw.near(each))]
            flags = k.local_irq_save() if number % 2 else False
            for p in objects:
                await k.kvfree_rcu(p, "rcu")
            if number % 2:
                await k.local_irq_restore(flags)
            await _sleep_us(k, draw.near(12_000))

    await _with_neighbours(k, draw, 2, work)


@scenario(settings={"nr_cpus": "2", "mem": "12M"})
async def flood(k: Kernel, objects: int = 11_000, reader_us: int = 8_000, draws: int = 0) -> None:
    """Frees faster than grace periods end, in a machine with little memory, until that runs short."""
    draw = _Draw(draws)
    flooding = True

    async def reader() -> None:
        while flooding:
            k.rcu_read_lock()
            await k.udelay(draw.near(reader_us))
            k.rcu_read_unlock()
            await k.usleep_range(100, 200)

    async def work(_cpu: int) -> None:
        for _ in range(draw.near(objects)):
            await k.kvfree_rcu(await k.kmalloc(1024), "rcu")

    await k.user_process("worker", 256)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await _with_neighbours(k, draw, 1, work)
        flooding = False
    await k.user_exit("worker")


@scenario(settings={"nr_cpus": "8"})
async def mixed(k: Kernel, cpus: int = 8, rounds: int = 4, each: int = 60, draws: int = 0) -> None:
    """Frees slab objects and vmalloc areas on many CPUs, some by the one-argument form, some from softirqs."""
    draw = _Draw(draws)

    async def work(cpu: int) -> None:
        for number in range(rounds):
            await _mixture(k, draw.near(each))
            if (number + cpu) % 4 == 0:
                await _from_softirq(k, each)
            await _sleep_us(k, draw.near(2000))

    await _with_neighbours(k, draw, cpus, work)


async def _mixture(k: Kernel, count: int) -> None:
    """Every eighth is a vmalloc area of two pages; one in sixty has no rcu_head."""
    for index in range(count):
        p = await k.vmalloc(8192) if index % 8 == 7 else await k.kmalloc(_SIZE)
        await (free_one_argument(k, p) if index % 60 == 30 else k.kvfree_rcu(p, "rcu"))


async def _from_softirq(k: Kernel, count: int) -> None:
    objects = [await k.kmalloc(_SIZE) for _ in range(count)]

    async def free_all() -> None:
        for p in objects:
            await k.kvfree_rcu(p, "rcu")

    await softirq_tasklet(k, free_all)


@scenario(settings={"nr_cpus": "2"})
async def everyday(k: Kernel) -> None:
    """Frees what a kernel freed while programs made and removed timers, cgroups, network namespaces and routes."""
    await free_as_recorded(k, "everyday", _SIZE)


@scenario(settings={"nr_cpus": "2"})
async def raw_bursts(k: Kernel) -> None:
    """Frees 1,100 objects under a raw spinlock, twice, as a module did on a real kernel."""
    await free_as_recorded(k, "raw_bursts", _SIZE)


@attrs.frozen
class Workload:
    """One of them, by the name in tables. `recorded` is on which kernel it was, empty for one that is made up."""

    name: str
    what: str
    scenario: Scenario
    recorded: str = ""

    @property
    def about(self) -> str:
        """What it does, and where that comes from."""
        return f"{f'recorded on {self.recorded}' if self.recorded else 'made up'}: {self.what}"


WORKLOADS: Final[Mapping[str, Workload]] = MappingProxyType(
    {
        workload.name: workload
        for workload in (
            Workload("trickle", "40 objects each millisecond on each of two CPUs", trickle),
            Workload(
                "bursts", "2,800 objects at once on each of two CPUs, every other time with interrupts off", bursts
            ),
            Workload("flood", "a flood in a machine of 12 MiB, with slow readers", flood),
            Workload("mixed", "slab and vmalloc, one and two arguments, threads and softirqs on 8 CPUs", mixed),
            Workload(
                "everyday", "4,013 objects of timers, cgroups, namespaces and routes in 13 s", everyday, "6.1.192"
            ),
            Workload("raw_bursts", "1,100 objects under a raw spinlock, twice", raw_bursts, "6.1.192"),
        )
    }
)
