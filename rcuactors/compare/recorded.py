"""Workloads taken from recordings of real kernels: who freed how much when, on which CPU and in which context.

A recording is kept as sections: what one caller freed in one go, in the context that it was in
(recordings/sections.py). Sections begin when they began there; within one the calls are made one after another, since
times of some microseconds are those of the emulator that the recordings were taken on. Nobody else takes pages here:
what the machine did beside freeing is not recorded. Sizes are not, either.

One-argument calls may wait for a grace period, so on each CPU a thread of their own makes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from importlib.resources import files

import attrs

from ..kapi import Kernel
from ..lab.contexts import CONTEXTS
from ..mm.objects import KObject

_LEAD_US = 1_000
"""Before the first section: until then all threads have come to where they wait."""


@attrs.frozen
class Section:
    """`count` objects of a kind, freed in one go from `at_us` on by the form with so many arguments."""

    at_us: int
    cpu: int
    context: str
    arguments: int
    kind: str
    count: int


def sections_of(name: str) -> tuple[Section, ...]:
    """Those of a recording that comes with the package. Lines that begin with # say what it is."""
    text = (files(__package__) / "recorded" / f"{name}.tsv").read_text(encoding="utf-8")
    return tuple(_section(line) for line in text.splitlines() if line and not line.startswith("#"))


def _section(line: str) -> Section:
    at_us, cpu, context, arguments, kind, count = line.split("\t")
    return Section(int(at_us), int(cpu), context, int(arguments), kind, int(count))


async def free_as_recorded(k: Kernel, name: str, size: int) -> None:
    """Make its calls: slab objects have that size."""
    feeds: dict[tuple[int, int], list[Section]] = {}
    for section in sections_of(name):
        feeds.setdefault((section.cpu, section.arguments), []).append(section)
    begin_us = k.now // 1_000 + _LEAD_US
    async with k.open_nursery() as nursery:
        for (cpu, arguments), sections in feeds.items():
            await nursery.start_soon(_feed, k, sections, size, begin_us, cpu=cpu, name=f"recorded{arguments}/{cpu}")


async def _feed(k: Kernel, sections: Iterable[Section], size: int, begin_us: int) -> None:
    for section in sections:
        objects = [await _allocate(k, section, size) for _ in range(section.count)]
        left_us = begin_us + section.at_us - k.now // 1_000
        if left_us > 0:
            await k.usleep_range(left_us, left_us)
        await _free(k, section, objects)


def free_one_argument(k: Kernel, item: KObject | None) -> Awaitable[None]:
    """By the form that has no rcu_head, under the name that this version has for it."""
    return k.kvfree_rcu_mightsleep(item) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(item, None)


def _allocate(k: Kernel, section: Section, size: int) -> Awaitable[KObject | None]:
    return k.vmalloc(size) if section.kind == "vmalloc" else k.kmalloc(size)


async def _free(k: Kernel, section: Section, objects: list[KObject | None]) -> None:
    async def free_all() -> None:
        for item in objects:
            await (free_one_argument(k, item) if section.arguments == 1 else k.kvfree_rcu(item, "rcu"))

    await CONTEXTS[section.context].enter(k, free_all)
