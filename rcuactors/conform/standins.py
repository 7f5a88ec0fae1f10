"""Stand-ins for what kvfree_rcu() is given: timers, works, callbacks, pages, locks, CPUs; they answer from a recording.

The mechanism (`kvfree/`) is the one that `run` runs, made with its rules. Nothing here decides anything: what takes no
time and is seen by nobody is done at once, and all else is asked of whoever drives it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ..context.memory import LIVE
from ..kvfree.outside import Outside
from ..rcu.callbacks import SchedulerActive
from ..rcu.rcu_work import RcuWork, RcuWorks
from ..rcu.sequences import PolledSequences
from .asks import Ask, Kind

if TYPE_CHECKING:
    from .place import Place

ROLES: Final = ("monitor", "page", "krw0", "krw1")
CANCEL: Final = "cancel"
FLUSH: Final = "flush"
"""Steps that are about one of a CPU's works alone: its monitor is taken back, a batch is looked at to be waited for."""

WORKQUEUES: Final = {
    "system_wq": "events",
    "system_highpri_wq": "events_highpri",
    "system_unbound_wq": "events_unbound",
}


SOMETIME: Final = 0
"""When a timer is due whose line is not shown, and in a time that nobody knows."""

LONG_AGO: Final = -2
"""Since when a batch waits that did so before the recording began."""


class Item:
    """An object that was given to kvfree_rcu(). Shared by all states in which it is."""

    __slots__ = ("address", "is_vmalloc", "members", "offset", "retired_ns", "serial", "state")

    def __init__(self, serial: int, address: int, offset: int, *, is_vmalloc: bool) -> None:
        self.serial, self.address, self.offset, self.is_vmalloc = serial, address, offset, is_vmalloc
        self.state, self.retired_ns = LIVE, 0
        self.members: tuple[object, ...] = ()

    @property
    def is_from_before(self) -> bool:
        """Its call was not seen: where it lies, and what is freed with it, is not known."""
        return self.serial < 0 and not self.address

    def note_taken(self, who: object) -> None:
        """No recording says who has taken it out of its queue."""

    def __repr__(self) -> str:
        if self.address:
            return f"object {self.address:#x}"
        return f"object {self.serial}" if self.serial >= 0 else "an object from before"


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
    """The CPU that its timer or hrtimer will expire on, or that calls back, -1 for any."""
    queued: bool = False
    on: int = -1
    """The CPU whose worker will run it, -1 for any (an unbound workqueue)."""
    since: int = -1
    """The line after which its grace period was asked for."""
    asked: int = 0
    done: int = 0
    name: int = 0
    """What stands for its address in lines where that is hashed; 0 as long as no line has told."""
    turn: int = -1
    """The line at which a batch is called back, once that is known."""
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
            self.turn,
            self.name,
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
            self.turn,
            self.name,
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

    async def queue_delayed_work(self, _cpu: Cpu, workqueue: str, dwork: Deferred, delay: int, **_named: Any) -> bool:
        """queue_delayed_work(): the timer is a line; without delay the work is queued at once."""
        if dwork.pending or dwork.disabled:
            return False
        dwork.pending = True
        await self.starts(workqueue, dwork, delay)
        return True

    async def queue_delayed_work_irqoff(self, _cpu: Cpu, workqueue: str, dwork: Deferred, delay: int) -> None:
        """__queue_delayed_work(), by whoever has the pending bit."""
        await self.starts(workqueue, dwork, delay)

    async def starts(self, workqueue: str, dwork: Deferred, delay: int) -> None:
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

    async def mod_delayed_work(self, cpu: Any, workqueue: Any, dwork: Any, delay: int) -> None:  # noqa: ARG002
        """mod_delayed_work(): where it was is taken from there."""
        dwork.queued, dwork.expires, dwork.pending = False, None, True
        dwork.done += 1
        await cast("Works", self.workqueues).starts(workqueue, dwork, delay)

    async def cancel_delayed_work_sync(self, _thread: Any, dwork: Any) -> None:
        """cancel_delayed_work_sync(): taken back; what runs is waited for, and nothing queues it until then."""
        await Ask(Kind.GOES_ON, dwork.cpu_id, (CANCEL,))
        if dwork.pending and (dwork.expires is not None or dwork.queued):
            dwork.pending, dwork.expires, dwork.queued = False, None, False
            dwork.done += 1
        dwork.disabled += 1
        if dwork.done < dwork.asked:
            await Ask(Kind.FINISHED, dwork.cpu_id, (dwork.role, dwork.asked))
        await Ask(Kind.GOES_ON, dwork.cpu_id, (CANCEL,))
        dwork.disabled -= 1

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
        await Ask(Kind.GOES_ON, work.cpu_id, (FLUSH,))
        if work.done < work.asked:
            await Ask(Kind.FINISHED, work.cpu_id, (work.role, work.asked))
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
        work.base = self._place.thread.cpu.cpu_id
        self._place.batched.append((work.cpu_id, work.role))

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
