"""The states of all CPUs (DEFINE_PER_CPU(struct kfree_rcu_cpu, krc)), and what kfree_rcu_batch_init() does to them.

A CPU's is made when something first touches it, with its works; so a machine of many CPUs costs what its busy ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..context.locks import LockKind
from ..errors import BadInput
from ..kernel.percpu import PerCpu
from ..kernel.workqueue import Work
from ..rcu.rcu_work import RcuWork
from .krc import LOCK_NAME, N_BATCHES, Batch, Krc

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu
    from .rules import KvfreeRules


class Krcs(PerCpu[Krc]):
    """One machine's."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        super().__init__(self._new_krc, kvfree.system.masks)
        self._kvfree = kvfree
        self._boot_pages = 0

    def in_turn(self) -> Iterator[Krc]:
        """for_each_possible_cpu() for who sleeps at some: those touched, each looked for when its turn comes."""
        last = -1
        while (following := min((cpu_id for cpu_id in self if cpu_id > last), default=None)) is not None:
            last = following
            yield self[following]

    def prefill(self) -> None:
        """Fill every CPU's cache. Raises BadInput where there is too little memory for that."""
        # Taken for every possible CPU at once; a CPU finds its share when something first touches it.
        kvfree = self._kvfree
        config, zone = kvfree.system.config, kvfree.pages.zone
        wanted = kvfree.min_cached_objs * config.nr_cpus
        if wanted > zone.free - zone.watermark_low:
            raise BadInput(
                f"mem={config.mem}: too little for the {wanted} pages that kfree_rcu_batch_init() takes for "
                f"{config.nr_cpus} CPUs (nr_cpus, rcu_min_cached_objs)"
            )
        self._boot_pages = kvfree.min_cached_objs
        zone.set_aside(wanted)
        for krcp in self.values():
            self._prefill(krcp)

    def _prefill(self, krcp: Krc) -> None:
        krcp.cache = self._kvfree.pages.zone.take_set_aside(self._boot_pages)
        self._kvfree.figures.refill_pages += len(krcp.cache)

    def _new_krc(self, cpu_id: int) -> Krc:
        kvfree = self._kvfree

        async def _monitor(cpu: Cpu) -> None:
            await kvfree.monitor.kfree_rcu_monitor(cpu.current, krcp)

        batches: list[Batch] = []
        for index in range(N_BATCHES):

            async def _batch_work(cpu: Cpu, which: int = index) -> None:
                await kvfree.drain.kfree_rcu_work(cpu, krcp, krcp.batches[which])

            batches.append(Batch(RcuWork(Work("kfree_rcu_work", _batch_work))))

        async def _page_work(cpu: Cpu) -> None:
            await kvfree.refill.fill_page_cache_func(cpu.current, krcp)

        krcp = Krc(
            cpu_id=cpu_id,
            lock=kvfree.system.lock_factory.make(LOCK_NAME, LockKind.RAW_SPINLOCK),
            monitor_work=kvfree.workqueues.new_delayed_work("kfree_rcu_monitor", _monitor),
            page_work=kvfree.workqueues.new_delayed_work("fill_page_cache_func", _page_work),
            batches=tuple(batches),
            slots=kvfree.slots.new(),
        )
        if kvfree.extras.prepare is not None:
            kvfree.extras.prepare(kvfree, krcp)
        if self._boot_pages:
            self._prefill(krcp)
        return krcp


def min_cached_objs(rules: KvfreeRules, configured: int) -> int:
    """How many pages a CPU's cache may hold: the user's number, else the version's; none where pages are not cached."""
    if not rules.page_cache:
        return 0
    return rules.min_cached_objs if configured < 0 else configured
