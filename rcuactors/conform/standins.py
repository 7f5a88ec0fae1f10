"""Stand-ins for what kvfree_rcu() is given: timers, works, callbacks, pages, locks, CPUs; they answer from a recording.

The mechanism (`kvfree/`) is the one that `run` runs, made with its rules. Nothing here decides anything: what takes no
time and is seen by nobody is done at once, and all else is asked of whoever drives it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ..config import Config
from ..context.memory import LIVE
from ..designs.hrtimer_work import HrtimerWork
from ..kernel.percpu import CpuMasks
from ..kvfree.core import KvfreeRcu
from ..kvfree.outside import Outside
from ..rcu.callbacks import SchedulerActive
from ..rcu.polled import PolledGracePeriods
from ..rcu.rcu_work import RcuWork, RcuWorks
from ..rcu.sequences import PolledSequences
from .asks import Ask, Kind

if TYPE_CHECKING:
    from ..eras.era import Era
    from ..kvfree.krc import Krc

ROLES: Final = ("monitor", "page", "krw0", "krw1")
WORKQUEUES: Final = {
    "system_wq": "events",
    "system_highpri_wq": "events_highpri",
    "system_unbound_wq": "events_unbound",
}


class Item:
    """An object that was given to kvfree_rcu(). Shared by all states in which it is."""

    __slots__ = ("address", "is_vmalloc", "members", "offset", "retired_ns", "serial", "state")

    def __init__(self, serial: int, address: int, offset: int, *, is_vmalloc: bool) -> None:
        self.serial, self.address, self.offset, self.is_vmalloc = serial, address, offset, is_vmalloc
        self.state, self.retired_ns = LIVE, 0
        self.members: tuple[object, ...] = ()


@attrs.define(eq=False)
class Deferred:
    """A work, delayed or not, and where it is on its way: with its timer, on a list, running.

    `asked` and `done` count how often it was queued, and how often it has finished.
    """

    role: str
    cpu_id: int = -1
    function: Any = None
    pending: bool = False
    disabled: int = 0
    expires: int | None = None
    """When its timer is due, in jiffies; None where that does not run."""
    hrtimer: bool = False
    """The refill's hrtimer runs."""
    base: int = -1
    """The CPU that its timer or hrtimer will expire on, -1 for any."""
    queued: bool = False
    on: int = -1
    """The CPU whose worker will run it, -1 for any (an unbound workqueue)."""
    since: int = -1
    """The line after which its grace period was asked for."""
    asked: int = 0
    done: int = 0
    handler: Any = None
    """What the refill's hrtimer runs."""

    @property
    def work(self) -> Deferred:
        """Itself: it is its own struct work_struct."""
        return self

    def registers(self) -> tuple[Any, ...]:
        """All that changes."""
        return (
            self.pending,
            self.disabled,
            self.expires,
            self.hrtimer,
            self.base,
            self.queued,
            self.on,
            self.since,
            self.asked,
            self.done,
        )

    def load(self, saved: tuple[Any, ...]) -> None:
        """As it was saved."""
        (
            self.pending,
            self.disabled,
            self.expires,
            self.hrtimer,
            self.base,
            self.queued,
            self.on,
            self.since,
            self.asked,
            self.done,
        ) = saved


class Nothing:
    """What nobody asks anything of: each of its attributes is 0, and can be called for nothing."""

    def __getattr__(self, name: str) -> Any:
        return 0


@attrs.define(eq=False)
class Cpu:
    """struct of a CPU: a number and a clock."""

    cpu_id: int
    place: Place
    clock: int = 0
    system: Any = None
    judge: Any = None

    @property
    def current(self) -> Thread:
        """Whoever runs."""
        return self.place.thread

    @property
    def ctx(self) -> Any:
        """Its context: nothing is told of it."""
        return self.place.thread.ctx

    def local_irq_save(self, _function: str = "") -> bool:
        """local_irq_save()."""
        return False

    def local_irq_restore(self, _flags: bool) -> Awaitable[None]:
        """local_irq_restore(): from here on others may come in between."""
        return Ask(Kind.GOES_ON)

    def point(self) -> Awaitable[None]:
        """Others may come in between."""
        return Ask(Kind.GOES_ON)


@attrs.define(eq=False)
class Thread:
    """Whoever runs."""

    place: Place
    cpu: Cpu
    ctx: Any = None

    def local_irq_save(self, _function: str = "") -> tuple[Cpu, bool]:
        """local_irq_save(), and where that is."""
        return self.cpu, False

    def point(self) -> Awaitable[None]:
        """Others may come in between."""
        return Ask(Kind.GOES_ON)

    async def cond_resched(self) -> None:
        """cond_resched(): that somebody else runs is seen from his lines."""


class Locks:
    """krcp->lock: each critical section is one step, or what lies between its lines."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def raw_spin_lock(self, _cpu: Cpu, lock: Any, _site: str = "") -> None:
        """raw_spin_lock(): others may come first."""
        await Ask(Kind.LOCK, self._place.of_lock[lock])
        self._place.held = self._place.of_lock[lock]

    async def raw_spin_unlock(self, _cpu: Cpu, _lock: Any) -> None:
        """raw_spin_unlock()."""
        self._place.held = -1


class Works:
    """The workqueues."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.system = place.system
        for name in WORKQUEUES:
            setattr(self, name, name)

    def alloc_workqueue(self, name: str, *_flags: Any, **_named: Any) -> str:
        """alloc_workqueue()."""
        return name

    def new_delayed_work(self, name: str, function: Any, **_named: Any) -> Deferred:
        """INIT_DELAYED_WORK()."""
        return Deferred("monitor" if name == "kfree_rcu_monitor" else "page", function=function)

    async def queue_delayed_work(self, cpu: Cpu, workqueue: str, dwork: Deferred, delay: int, **_named: Any) -> bool:
        """queue_delayed_work(): the timer is a line; without delay the work is queued at once."""
        if dwork.pending or dwork.disabled:
            return False
        dwork.pending = True
        await self.starts(cpu, workqueue, dwork, delay)
        return True

    async def queue_delayed_work_irqoff(self, cpu: Cpu, workqueue: str, dwork: Deferred, delay: int) -> None:
        """__queue_delayed_work(), by whoever has the pending bit."""
        await self.starts(cpu, workqueue, dwork, delay)

    async def starts(self, cpu: Cpu, workqueue: str, dwork: Deferred, delay: int) -> None:
        """The timer, or the list."""
        dwork.asked += 1
        if delay:
            # The line tells when: expires and what is left of it.
            dwork.expires = await Ask(Kind.TIMER, dwork.cpu_id, (dwork.role, delay))
        else:
            dwork.queued = True
            await Ask(Kind.QUEUE, dwork.cpu_id, (dwork.role, workqueue))

    async def queue_work(self, _cpu: Cpu, workqueue: str, work: Deferred) -> bool:
        """queue_work()."""
        if work.pending or work.disabled:
            return False
        work.pending = work.queued = True
        work.asked += 1
        await Ask(Kind.QUEUE, work.cpu_id, (work.role, workqueue))
        return True


class RecordedOutside(Outside):
    """What kvfree_rcu() sleeps or spins in."""

    async def mod_delayed_work(self, cpu: Any, workqueue: Any, dwork: Any, delay: int) -> None:
        """mod_delayed_work(): where it was is taken from there."""
        dwork.queued, dwork.expires, dwork.pending = False, None, True
        dwork.done += 1
        await cast("Works", self.workqueues).starts(cpu, workqueue, dwork, delay)

    async def cancel_delayed_work_sync(self, _thread: Any, dwork: Any) -> None:
        """cancel_delayed_work_sync(): not on its way any more; what runs is waited for, and nothing queues it until then."""
        await Ask(Kind.GOES_ON)
        if dwork.pending and (dwork.expires is not None or dwork.queued):
            dwork.pending, dwork.expires, dwork.queued = False, None, False
            dwork.done += 1
        dwork.disabled += 1
        await Ask(Kind.FINISHED, dwork.cpu_id, (dwork.role, dwork.asked))
        dwork.disabled -= 1
        await Ask(Kind.GOES_ON)

    async def synchronize_rcu(self, _thread: Any) -> None:
        """synchronize_rcu()."""
        await Ask(Kind.GRACE_PERIOD)


@attrs.frozen(eq=False)
class RecordedRcuWorks(RcuWorks):
    """queue_rcu_work() is the real one; its callback is run by the recording."""

    place: Any = None

    async def flush_rcu_work(self, _thread: Any, rwork: RcuWork) -> bool:
        """flush_rcu_work(): until what was queued by now has run."""
        work = cast("Deferred", rwork.work)
        await Ask(Kind.FINISHED, work.cpu_id, (work.role, work.asked))
        await Ask(Kind.GOES_ON)
        return True


class Callbacks:
    """call_rcu()."""

    scheduler_active = SchedulerActive.RUNNING
    flavour = "rcu_preempt"
    callback_map = None
    descr = None

    def __init__(self, place: Place) -> None:
        self._place = place

    async def call_rcu_hurry(self, _cpu: Any, _function: Any, _name: str, head: Any) -> None:
        """call_rcu(), by queue_rcu_work(): a whole grace period from now on."""
        work = self._place.of_head[head]
        work.since, work.asked = self._place.at, work.asked + 1

    def overwrite(self, _members: object) -> None:
        """Nobody looks."""


class Pages:
    """__get_free_page(), free_page()."""

    async def get_free_page(self, _thread: Thread, gfp: Any) -> int | None:
        """A page, as the recording has it."""
        page: int | None = await Ask(Kind.PAGE, -1, (gfp,))
        return page

    async def free_page(self, _thread: Thread, page: int) -> None:
        """One given back."""
        await Ask(Kind.FREE_PAGE, -1, (page,))


class Slab:
    """kfree_bulk(), kfree()."""

    rcu_sheaves = None
    sheaf_flush = None

    def hands_on_to(self, _whom: object) -> None:
        """No sheaves."""

    def barriers_are(self, _barriers: object) -> None:
        """No caches are destroyed."""

    async def kfree_bulk(self, _thread: Thread, records: list[Item]) -> None:
        """kfree_bulk()."""
        await Ask(Kind.BULK, -1, (len(records),))

    async def kfree(self, _thread: Thread, item: Item, _how: str = "") -> None:
        """kvfree() of an object of the slab."""
        await Ask(Kind.FREE, -1, (item,))


class Vmalloc:
    """vfree()."""

    async def vfree(self, _thread: Thread, item: Item) -> None:
        """vfree()."""
        await Ask(Kind.FREE, -1, (item,))


@attrs.define(eq=False)
class GracePeriods:
    """The counters that cookies are taken of, and looked for in."""

    gp_seq: int = 0
    root: Any = attrs.field(factory=lambda: SimpleNamespace(gp_seq=0))
    sequences: PolledSequences = attrs.field(factory=PolledSequences)

    def watched(self) -> None:
        """Nobody listens."""

    def looked_at(self) -> None:
        """Nobody listens."""

    def registers(self) -> tuple[int, ...]:
        """All that changes."""
        s = self.sequences
        return (
            self.gp_seq,
            self.root.gp_seq,
            s.gp_seq_polled,
            s.gp_seq_polled_snap,
            s.gp_seq_polled_exp_snap,
            s.expedited_sequence,
        )

    def load(self, saved: tuple[int, ...]) -> None:
        """As they were saved."""
        s = self.sequences
        self.gp_seq, self.root.gp_seq = saved[:2]
        s.gp_seq_polled, s.gp_seq_polled_snap, s.gp_seq_polled_exp_snap, s.expedited_sequence = saved[2:]


class Place:
    """One mechanism with its stand-ins: the registers into which a state is loaded, and in which steps are run."""

    def __init__(self, era: Era, params: dict[str, str], nr_cpus: int) -> None:
        self.at, self.held = -1, -1
        self.emitted: list[tuple[str, str]] = []
        self.of_lock: dict[Any, int] = {}
        self.of_head: dict[Any, Deferred] = {}
        self.system = self._system(params, nr_cpus)
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
        self.kvfree = self._kvfree(era)
        self.krcs = [self.kvfree.krc(cpu_id) for cpu_id in range(nr_cpus)]
        self.shrinker = era.rules.kvfree.shrinker(self.kvfree)
        self.works = [self._works_of(krcp) for krcp in self.krcs]
        self._mark_functions()

    def _system(self, params: dict[str, str], nr_cpus: int) -> Any:
        config = Config(
            nr_cpus=nr_cpus,
            HZ=250,
            rcu_min_cached_objs=int(params.get("rcutree.rcu_min_cached_objs", -1)),
            rcu_delay_page_cache_fill_msec=int(params.get("rcutree.rcu_delay_page_cache_fill_msec", 5000)),
        )
        quiet = SimpleNamespace(reaches=lambda _told: None)
        return SimpleNamespace(
            config=config,
            costs=Nothing(),
            conductor=SimpleNamespace(ended_by=None, horizon=-1),
            lockdep=SimpleNamespace(on=False, knows=lambda _ctx, _lock: True),
            probes=SimpleNamespace(locks=quiet, irqs=quiet),
            hooks=SimpleNamespace(hints=[]),
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
            polled=PolledGracePeriods(machine, callbacks, era.rules.rcu),
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
        free_block, free_list, free_one = kvfree.drain._free_block, kvfree.drain._free_list, kvfree.kvfree

        async def kvfree_rcu_bulk(thread: Any, krcp: Any, block: Any, channel: int) -> None:
            await Ask(Kind.ENTER, krcp.cpu_id, ("kvfree_rcu_bulk", block.page, channel, len(block.records)))
            await free_block(thread, krcp, block, channel)

        async def kvfree_rcu_list(thread: Any, krcp: Any, head: list[Item]) -> None:
            await Ask(Kind.ENTER, krcp.cpu_id, ("kvfree_rcu_list", head[-1]))
            await free_list(thread, krcp, head)

        async def one(thread: Any, item: Item) -> None:
            await Ask(Kind.ENTER, -1, ("kvfree", item))
            await free_one(thread, item)

        kvfree.drain._free_block, kvfree.drain._free_list, kvfree.kvfree = kvfree_rcu_bulk, kvfree_rcu_list, one

    def _emit(self, _cpu: Any, name: str, text: str) -> None:
        if name.startswith("rcu_invoke"):
            self.emitted.append((name, text))

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
