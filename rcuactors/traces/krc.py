"""What the rig says of struct kfree_rcu_cpu: where its timers and works are, and what it held.

`KRCADDR` lines give the addresses of each CPU's monitor, refill and batches, in the recordings with real addresses: so
every line about a timer or a work can be attributed. `state:` lines are snapshots, taken between two statements of the
script without the lock. Older recordings have neither addresses nor the last five columns.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from .lines import TraceLine

_ADDRESS: Final = re.compile(r"([a-z0-9_]+)=([0-9a-f]{1,16})(?= |$)", re.ASCII)
_ADDRESSES: Final = re.compile(r"KRCADDR cpu=([0-9]{1,5}) (.*)", re.ASCII)
_N: Final = r"\d{1,18}"
_STATE: Final = re.compile(
    rf"KRC cpu=(?P<cpu>{_N}) count=(?P<count>-?{_N}) head=(?P<head>{_N}) slab=(?P<slab>{_N})/(?P<slab_pages>{_N})pg "
    rf"vmal=(?P<vmalloc>{_N})/(?P<vmalloc_pages>{_N})pg cache=(?P<cached>-?{_N}) wip=(?P<wip>{_N}) "
    rf"backoff=(?P<backoff>{_N}) mon_pending=(?P<pending>\d) "
    rf"krw0=\[s({_N}) v({_N}) h({_N})\] krw1=\[s({_N}) v({_N}) h({_N})\]"
    rf"(?: mon_left_ms=(?P<left_ms>-?{_N}) pcw_pending=(?P<refill_pending>\d) pcw_left_ms=(?P<refill_left_ms>-?{_N})"
    rf" newest_blk=(?P<newest_slab>{_N})/(?P<newest_vmalloc>{_N}))?",
    re.ASCII,
)
MOST_CPUS: Final = 8192
"""CONFIG_NR_CPUS of x86-64 is at most this (arch/x86/Kconfig, NR_CPUS_RANGE_END)."""

MOST: Final = 1_000_000
"""More objects, pages or milliseconds than this no CPU of a recording had: such a number is no reading of the rig's."""


@attrs.frozen
class KrcAddresses:
    """Where one CPU's timers and works are. `block_capacity` is what the rig read out of the kernel."""

    cpu: int
    monitor_work: int
    monitor_timer: int
    refill_work: int
    refill_timer: int
    refill_hrtimer: int
    batch_works: tuple[int, int]
    block_capacity: int


@attrs.frozen(kw_only=True)
class BatchState:
    """What of a batch waits for its grace period: objects in slab blocks, in vmalloc blocks, on the list."""

    slab: int
    vmalloc: int
    head: int


@attrs.frozen(kw_only=True)
class KrcState:
    """A snapshot of one CPU's struct kfree_rcu_cpu.

    Objects and blocks by channel, pages cached; `monitor_left_ms` and `refill_left_ms` are -1 where nothing is pending.
    What follows `batches` is None where the recording does not have it.
    """

    time_ns: int
    cpu: int
    count: int
    head: int
    slab: int
    slab_pages: int
    vmalloc: int
    vmalloc_pages: int
    cached: int
    work_in_progress: bool
    backoff: bool
    monitor_pending: bool
    batches: tuple[BatchState, BatchState]
    monitor_left_ms: int | None
    refill_pending: bool | None
    refill_left_ms: int | None
    newest_blocks: tuple[int, int] | None

    def contradiction(self) -> str:
        """What cannot be true of one moment, in words; '' if it all can.

        The rig reads under the lock what is counted here; whether timers are pending it reads without, so that they may
        differ from one another.
        """
        if self.cpu >= MOST_CPUS:
            return f"cpu={self.cpu}: there are no more than {MOST_CPUS:,}"
        numbers = (self.count, self.head, self.slab, self.vmalloc, self.cached)
        waiting = [number for batch in self.batches for number in (batch.slab, batch.vmalloc, batch.head)]
        if (most := max(map(abs, (*numbers, *waiting)))) > MOST:
            return f"{most}: more than {MOST:,}"
        if self.count != self.head + self.slab + self.vmalloc:
            return f"count={self.count}, but head, slab and vmal are {self.head + self.slab + self.vmalloc} together"
        for name, objects, pages in (
            ("slab", self.slab, self.slab_pages),
            ("vmal", self.vmalloc, self.vmalloc_pages),
        ):
            if bool(objects) != bool(pages) or pages > objects:
                return f"{name}={objects}/{pages}pg: so many objects are not in so many blocks"
        for objects, newest in zip((self.slab, self.vmalloc), self.newest_blocks or (), strict=False):
            if newest > objects:
                return f"newest_blk={newest} has more objects than its channel ({objects})"
        return ""


def parse_addresses(text: str) -> KrcAddresses | None:
    """A KRCADDR mark, or None if it is broken."""
    match = _ADDRESSES.fullmatch(text)
    if match is None:
        return None
    told = dict(_ADDRESS.findall(match[2]))
    if int(match[1]) >= MOST_CPUS:
        return None
    try:
        return KrcAddresses(
            cpu=int(match[1]),
            monitor_work=int(told["monitor_work"], 16),
            monitor_timer=int(told["monitor_timer"], 16),
            refill_work=int(told["page_cache_work"], 16),
            refill_timer=int(told["page_cache_timer"], 16),
            refill_hrtimer=int(told["hrtimer"], 16),
            batch_works=(int(told["krw0_work"], 16), int(told["krw1_work"], 16)),
            block_capacity=int(told["block_capacity"]),
        )
    except (KeyError, ValueError):
        return None


def parse_state(line: TraceLine) -> KrcState | None:
    """A snapshot, or None if the line is broken."""
    match = _STATE.fullmatch(line.text)
    if match is None:
        return None
    told = match.groupdict()
    waiting = [int(match[number]) for number in range(12, 18)]
    later = told["left_ms"] is not None
    return KrcState(
        time_ns=line.time_ns,
        cpu=int(told["cpu"]),
        **{name: int(told[name]) for name in _NUMBERS},
        work_in_progress=told["wip"] != "0",
        backoff=told["backoff"] != "0",
        monitor_pending=told["pending"] != "0",
        batches=(_batch(waiting[:3]), _batch(waiting[3:])),
        monitor_left_ms=int(told["left_ms"]) if later else None,
        refill_pending=told["refill_pending"] != "0" if later else None,
        refill_left_ms=int(told["refill_left_ms"]) if later else None,
        newest_blocks=(int(told["newest_slab"]), int(told["newest_vmalloc"])) if later else None,
    )


_NUMBERS: Final = ("count", "head", "slab", "slab_pages", "vmalloc", "vmalloc_pages", "cached")


def _batch(numbers: list[int]) -> BatchState:
    slab, vmalloc, head = numbers
    return BatchState(slab=slab, vmalloc=vmalloc, head=head)
