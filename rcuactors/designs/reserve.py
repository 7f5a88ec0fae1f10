"""D8, static: a reserve of pages for each CPU, set aside at boot.

Proposed by Mel Gorman and Michal Hocko (October 2020, seed 003: a memory pool "reserved and sized for critical
allocations", better tuned for the one user than a flag in the allocator). Against it: McKenney, quoted by Gleixner: in
normal operation a couple of pages a CPU would do, in a flood 2,000 a CPU would not; and Zijlstra: call_rcu() cannot
block, so that no reserve has a bound, and the fallback has to stay.

A page is taken when the CPU's cache is empty. Drained blocks whose page the cache has no room for come back. What is
in the reserve nobody else can have, and no shrinker sees it. The default size is a guess at "sized for critical
allocations": four times the couple of pages of normal operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..errors import BadInput, bad_value

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

DEFAULT_PAGES: Final = 8


@attrs.define(eq=False)
class Stock:
    """One CPU's reserve. `size` is how many pages it may hold."""

    size: int
    pages: list[int] = attrs.field(factory=list)
    least: int = 0
    """How few it held at the worst moment."""
    emergencies: int = 0
    """How often it was found empty."""


class Reserve:
    """So many pages for each CPU."""

    name = "reserve"
    about = f"a reserve of {DEFAULT_PAGES} pages a CPU, set aside at boot and refilled by drained blocks (seed 003)"

    def __init__(self, pages: int = DEFAULT_PAGES) -> None:
        if pages < 0:
            raise bad_value(f"{self.name}: {pages} pages a CPU", "a number from 0 on")
        self.size = pages
        self.stocks: dict[int, Stock] = {}

    def attach(self, kvfree: KvfreeRcu) -> None:
        """Set the pages of every possible CPU aside; a CPU finds its share when something first touches it."""
        config, zone = kvfree.system.config, kvfree.pages.zone
        wanted = self.size * config.nr_cpus
        if wanted > zone.free - zone.watermark_low:
            raise BadInput(f"mem={config.mem}: too little for a reserve of {self.size} pages for each of nr_cpus CPUs")
        zone.set_aside(wanted)

    def prepare(self, kvfree: KvfreeRcu, krcp: Krc) -> None:
        """A CPU's share."""
        pages = kvfree.pages.zone.take_set_aside(self.size)
        self.stocks[krcp.cpu_id] = Stock(self.size, pages, least=self.size)

    async def get_page(self, _kvfree: KvfreeRcu, _cpu: Cpu, krcp: Krc) -> int | None:
        """One of the reserve."""
        stock = self.stocks[krcp.cpu_id]
        if not stock.pages:
            stock.emergencies += 1
            return None
        page = stock.pages.pop()
        stock.least = min(stock.least, len(stock.pages))
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Only what comes back refills it."""

    async def put_page(self, _kvfree: KvfreeRcu, _cpu: Cpu, krcp: Krc, page: int) -> bool:
        """Keep a drained block's page, if the reserve is not full."""
        stock = self.stocks[krcp.cpu_id]
        if len(stock.pages) >= stock.size:
            return False
        stock.pages.append(page)
        return True
