"""One mechanism with its stand-ins: the registers into which a state is loaded, and in which steps are run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ..config import Config
from ..designs.hrtimer_work import HrtimerWork
from ..errors import bad_value
from ..kernel.percpu import CpuMasks
from ..kvfree.core import KvfreeRcu
from .asks import Ask, Kind
from .cookies import RecordedPolled, Untolds
from .standins import (
    Callbacks,
    Cpu,
    Deferred,
    GracePeriods,
    Item,
    Locks,
    Nothing,
    Pages,
    RecordedOutside,
    RecordedRcuWorks,
    Slab,
    Thread,
    Vmalloc,
    Works,
)

if TYPE_CHECKING:
    from ..eras.era import Era
    from ..kvfree.krc import Krc


def _number(params: dict[str, str], name: str, default: int) -> int:
    """A boot parameter. Raises BadInput where it is none."""
    text = params.get(name, str(default))
    try:
        return int(text, 0)
    except ValueError:
        raise bad_value(f"{name}={text}", "a whole number") from None


class Place:
    """One mechanism with its stand-ins: the registers into which a state is loaded, and in which steps are run."""

    def __init__(self, era: Era, params: dict[str, str], nr_cpus: int, hz: int) -> None:
        self.at, self.held = -1, -1
        self.emitted: list[tuple[str, str]] = []
        self.batched: list[tuple[int, str]] = []
        """Batches for which a grace period was asked in this step."""
        self.of_lock: dict[Any, int] = {}
        self.of_head: dict[Any, Deferred] = {}
        self.system = self._system(params, nr_cpus, hz)
        self.cpus = [Cpu(cpu_id, self, system=self.system, judge=Judge()) for cpu_id in range(nr_cpus)]
        context = SimpleNamespace(
            comm="recorded",
            pid=0,
            preempt_count=0,
            irqs_disabled=False,
            softirq_thread=False,
            held=(),
            softirq_disable_cnt=0,
        )
        self.thread = Thread(self, self.cpus[0], context)
        self.periods = GracePeriods()
        self.cookies = Untolds()
        self.kvfree = self._kvfree(era)
        self.krcs = [self.kvfree.krc(cpu_id) for cpu_id in range(nr_cpus)]
        self.shrinker = era.rules.kvfree.shrinker(self.kvfree)
        self.works = [self._works_of(krcp) for krcp in self.krcs]
        self._mark_functions()

    def _system(self, params: dict[str, str], nr_cpus: int, hz: int) -> Any:
        config = Config(
            nr_cpus=nr_cpus,
            HZ=hz,
            rcu_min_cached_objs=_number(params, "rcutree.rcu_min_cached_objs", -1),
            rcu_delay_page_cache_fill_msec=_number(params, "rcutree.rcu_delay_page_cache_fill_msec", 5000),
        )
        quiet = SimpleNamespace(reaches=lambda _told: None)
        return SimpleNamespace(
            config=config,
            costs=Nothing(),
            conductor=SimpleNamespace(ended_by=None, horizon=-1),
            lockdep=SimpleNamespace(on=False, knows=lambda _ctx, _lock: True),
            probes=SimpleNamespace(locks=quiet, irqs=quiet),
            hooks=SimpleNamespace(hints=[], saves_stack=None),
            events=SimpleNamespace(on=True),
            emit=self._emit,
            masks=CpuMasks(nr_cpus),
            locks=Locks(self),
            lock_factory=SimpleNamespace(make=lambda *_a, **_k: TakenLock()),
            debug_objects=SimpleNamespace(used=lambda *_a: None, watches=lambda _d: False),
            hrtimers=SimpleNamespace(hrtimer_start=self._hrtimer_start),
            since=None,
        )

    def _kvfree(self, era: Era) -> KvfreeRcu:
        machine: Any = self.periods
        callbacks, works = cast("Any", Callbacks(self)), cast("Any", Works(self))
        kvfree = KvfreeRcu(
            system=self.system,
            workqueues=works,
            callbacks=callbacks,
            pages=cast("Any", Pages()),
            slab=cast("Any", Slab()),
            vmalloc=cast("Any", Vmalloc()),
            oracle=cast("Any", SimpleNamespace(retired=lambda _item, _ns: None)),
            polled=RecordedPolled(machine, callbacks, era.rules.rcu, self.cookies),
            rules=era.rules.kvfree,
            source=HrtimerWork(),
        )
        kvfree.outside = RecordedOutside(works, callbacks)
        kvfree.rcu_works = RecordedRcuWorks(callbacks, works, self)
        kvfree.initialized = True
        return kvfree

    def _works_of(self, krcp: Krc) -> dict[str, Deferred]:
        self.of_lock[krcp.lock] = krcp.cpu_id
        monitor, page = cast("Any", krcp.monitor_work), cast("Any", krcp.page_work)
        works = {"monitor": monitor, "page": page}
        for index, batch in enumerate(krcp.batches):
            work = Deferred(f"krw{index}", function=batch.rcu_work.work.function)
            batch.rcu_work.work = cast("Any", work)
            works[work.role] = work
            self.of_head[batch.rcu_work.rcu] = work
        for work in works.values():
            work.cpu_id = krcp.cpu_id
        return works

    def _mark_functions(self) -> None:
        """Functions whose being called is a line in some recordings say so."""
        kvfree: Any = self.kvfree
        kvfree.monitor.kfree_rcu_monitor = _marked(kvfree.monitor.kfree_rcu_monitor, "kfree_rcu_monitor")
        kvfree.monitor.kvfree_rcu_queue_batch = _marked(kvfree.monitor.kvfree_rcu_queue_batch, "kvfree_rcu_queue_batch")
        free_block, free_list, free_one = kvfree.drain.free_block, kvfree.drain.free_list, kvfree.kvfree

        async def bulk(thread: Any, krcp: Any, block: Any, channel: int) -> None:
            await Ask(Kind.ENTER, krcp.cpu_id, ("kvfree_rcu_bulk", block.page, channel, len(block.records)))
            await free_block(thread, krcp, block, channel)

        async def listed(thread: Any, krcp: Any, head: list[Item]) -> None:
            await Ask(Kind.ENTER, krcp.cpu_id, ("kvfree_rcu_list", head[-1]))
            await free_list(thread, krcp, head)

        async def one(thread: Any, item: Item) -> None:
            await Ask(Kind.ENTER, -1, ("kvfree", item))
            await free_one(thread, item)

        kvfree.drain.free_block, kvfree.drain.free_list, kvfree.kvfree = bulk, listed, one

    def _emit(self, _cpu: Any, name: str, text: str) -> None:
        if name.startswith("rcu_invoke"):
            self.emitted.append((name, text))

    def know_handler(self, cpu_id: int) -> None:
        """What a CPU's refill's hrtimer runs: that is known once one has been started, and then taken back."""
        page = self.works[cpu_id]["page"]
        if page.handler is not None:
            return
        krcp, refill = self.krcs[cpu_id], self.kvfree.refill
        mine, self.held = refill.of(krcp), cpu_id
        kept = mine.work_in_progress, mine.backoff_page_cache_fill, page.hrtimer
        mine.work_in_progress = mine.backoff_page_cache_fill = False
        starts: Any = refill.run_page_cache_worker(cast("Any", self.cpus[cpu_id]), krcp)
        starts.send(None)
        starts.close()
        mine.work_in_progress, mine.backoff_page_cache_fill, page.hrtimer = kept
        self.held = -1

    async def _hrtimer_start(self, _cpu: Any, timer: Any, _delay: int) -> None:
        cpu_id = self.held
        work = self.works[cpu_id]["page"]
        work.hrtimer = True
        work.handler = timer.function
        await Ask(Kind.HRTIMER, cpu_id)


class TakenLock:
    """krcp->lock, of which nobody believes that it is free: so each call is told step by step."""

    owner = "the recording"


class Judge:
    """What the kernel complains of."""

    def might_sleep(self, _cpu: Any) -> None:
        """Nobody asks."""

    def warn_on_once(self, _cpu: Any, _kind: Any, condition: str, function: str) -> None:
        """The mechanism has come to what must not be."""
        raise Complaint(f"{function}(): WARN_ON_ONCE({condition})")

    warn_once = warn_on_once


class Complaint(Exception):
    """The mechanism warns, where a kernel would print so."""


def _marked(function: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
    async def call(thread: Thread, krcp: Krc) -> Any:
        await Ask(Kind.ENTER, krcp.cpu_id, (name,))
        returned = await function(thread, krcp)
        await Ask(Kind.RETURN, krcp.cpu_id, (name, returned))
        return returned

    return call
