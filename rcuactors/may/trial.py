"""One trial: a call in one place and in one condition, on a fresh machine.

A thread on CPU 1 makes what the call needs, brings the machine into the condition, enters the place, and makes the
call, once or in a loop. On CPU 0 somebody holds its lock for a while, or takes pages and frees them, where the
condition says so. CPU 2 is where calls of other CPUs' functions go. A trial is over at the first report, when the call
has come back, or when it has lasted for 9 s.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.locks import Lock, LockKind
from ..context.violation import KernelBug, Violation, ViolationKind
from ..errors import BadInput, StepBoundExceeded
from ..kapi import Kernel
from ..kernel.completion import Completion
from ..kernel.locking.deadlock import describe_stuck
from ..lab import bystanders
from ..lab.elsewhere import nmi_when_held
from ..lab.sections import Body
from ..lab.time_limit import TimeLimit
from ..machine import Machine, Setup
from ..marks import stands_for
from ..mm.objects import PAGE_SIZE, KObject
from ..runs import RunOptions
from ..runs.run import setup_of
from .calls import Asked, Worst
from .conditions import Condition, Lists
from .places import Place
from .sections import Sections
from .seen import CALLER, chain_of, lock_of
from .things import SLAB_OBJECT, Things

_CALLER_CPU: Final = 1
_CONTENDER_CPU: Final = 0
_REMOTE_CPU: Final = 2
_REMOTE: Final = ("hardirq_smpcall", "hardirq_remote")
"""Contexts that the caller enters on the next CPU."""
_HELD_US: Final = 100_000
_DWELL_US: Final = 10
_LIMIT_NS: Final = 9_000_000_000
_MOST_STEPS: Final = 2_000_000
_WARM_MS: Final = 20
_BLOCK_CAPACITY: Final = 4
_MOST_TURNS: Final = 240
_AREAS: Final = 4
_MOST_ROUNDS: Final = 1_000

_HOLDING: Final = {
    LockKind.RAW_SPINLOCK: ("raw_spin_lock_irqsave", "raw_spin_unlock_irqrestore"),
    LockKind.SPINLOCK: ("spin_lock_irqsave", "spin_unlock_irqrestore"),
    LockKind.RWLOCK: ("write_lock_irqsave", "write_unlock_irqrestore"),
    LockKind.MUTEX: ("mutex_lock", "mutex_unlock"),
    LockKind.RT_MUTEX: ("rt_mutex_lock", "rt_mutex_unlock"),
    LockKind.RWSEM: ("down_write", "up_write"),
}
"""How a well-behaved other CPU holds a lock: so that an interrupt may want it, too."""


@attrs.frozen(kw_only=True)
class Finding:
    """What came of a trial: nothing (`kind` is empty), or the first report.

    `chain` is who called whom, from the call to the line that reports. `entering`: the place itself was reported,
    before the call was made. `missing` says why the call could not be made: the version does not have it. `unlocked`:
    the call changed something with interrupts off and no lock that it took there. `absent`: the condition did not come
    about, so that nothing was tried: a call that took no lock was not interrupted with it held.
    """

    condition: Condition
    kind: str = ""
    title: str = ""
    chain: tuple[str, ...] = ()
    lock: str = ""
    text: str = ""
    entering: bool = False
    missing: str = ""
    unlocked: bool = False
    absent: bool = False

    @property
    def clean(self) -> bool:
        """Nothing was reported."""
        return not self.kind


def _setup(options: RunOptions) -> Setup:
    """The machine's. Its blocks hold fewer pointers than the version's, so that few calls need several of them."""
    setup = setup_of(attrs.evolve(options, events=False, max_steps=_MOST_STEPS), options.settings)
    rules = setup.era.rules
    kvfree = attrs.evolve(rules.kvfree, block_capacity=_BLOCK_CAPACITY)
    return attrs.evolve(setup, era=attrs.evolve(setup.era, rules=attrs.evolve(rules, kvfree=kvfree)))


class Trial:
    """One machine, and what its threads share."""

    def __init__(self, asked: Asked, place: Place, condition: Condition, options: RunOptions) -> None:
        self._asked, self._place, self._condition = asked, place, condition
        self.machine = Machine(_setup(attrs.evolve(options, settings={**options.settings, **asked.form.config})))
        self._k = k = Kernel(self.machine)
        self._things = Things(k, asked.given)
        self._limit = TimeLimit(self.machine, _LIMIT_NS, self._out_of_time)
        self.machine.probes.violation.listen(self._reported)
        self._sections = Sections(self.machine, _CALLER_CPU)
        self._asking = self._calling = self._done = False
        self._first: Violation | None = None
        self._entering = False
        self._rounds = 0
        self._areas: list[KObject | None] = []
        self._stuck: list[str] = []

    def run(self) -> Finding:
        """Run it to its end."""
        try:
            self.machine.run(self._main, "init")
        except KernelBug:
            pass  # an oops, which has been reported
        except StepBoundExceeded:
            self._stuck = [f"the run took more than {_MOST_STEPS:,} steps"]
        except BadInput as error:
            return Finding(condition=self._condition, missing=str(error))
        return self._finding()

    def _finding(self) -> Finding:
        first = self._first
        if first is not None:
            return Finding(
                condition=self._condition,
                kind=first.kind.value,
                title=first.title,
                chain=chain_of(first, self._asked.call.name),
                lock=lock_of(first),
                text=first.text,
                entering=self._entering,
            )
        if self._stuck:
            title = f"{self._asked.call.name}() does not come back"
            return Finding(
                condition=self._condition,
                kind=ViolationKind.DEADLOCK.value,
                title=title,
                text="\n".join([title, *(f" {line}" for line in self._stuck)]),
                entering=not self._calling,
            )
        absent = self._condition.interrupts and not self._calling
        return Finding(condition=self._condition, unlocked=self._sections.unlocked, absent=absent)

    # -- threads -------------------------------------------------------------------------------------------------------

    async def _main(self) -> None:
        k = self._k
        for cpu in (_CALLER_CPU, _REMOTE_CPU):
            await k.kthread_run(bystanders.housekeeper, k, cpu=cpu, name=f"housekeeper/{cpu}")
        await k.kthread_run(self._caller, name="caller")

    async def _fill_page_list(self) -> None:
        await self._k.free_page(await self._k.get_free_page())

    async def _caller(self) -> None:
        await self._k.set_cpus_allowed(None, {_CALLER_CPU})
        await self._prepare()
        self._limit.begin("caller")
        self._asking = True
        outermost, body = self._place.outermost, self._place.body_in(self._k, self._body)
        if self._condition.interrupts:
            await self._interrupt(body)
        elif outermost.enter_later is not None:
            await outermost.enter_later(self._k, body, self._contend)
        else:
            await self._contend()
            await outermost.enter(self._k, body)
        self._done = True
        self.machine.conductor.finish()

    async def _body(self) -> None:
        """In the place: make the call."""
        self._calling = True
        with self._sections.watched():
            for _ in range(self._turns()):
                await caller(self._asked, self._things)

    # -- the condition -------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        k, condition, form = self._k, self._condition, self._asked.form
        if condition.warm:
            await self._warm()
        calls = self._turns() + condition.interrupts + (form.worst is Worst.TAKES)
        await self._things.prepare(form.needs, calls, areas=condition.areas)
        of_slab: bool = self._asked.given.get("size", 1) <= PAGE_SIZE
        if condition.lists is Lists.FILLED and form.worst is Worst.TAKES and of_slab:
            await form.act(self._things)  # from now on its slab has room
        if condition.interrupts:
            self._areas = [await k.vmalloc(PAGE_SIZE) for _ in range(_AREAS)]
        bring = self._fill_page_list if condition.lists is Lists.FILLED else k.cold_caches
        if self._place.contexts[0] in _REMOTE:
            await k.kthread_join(await k.kthread_run(bring, cpu=_REMOTE_CPU, name="bring"))
        await bring()
        # As threads are; and one that may not be moved may ask for its CPU's number anywhere.
        await k.set_cpus_allowed(None, {_CALLER_CPU, _REMOTE_CPU})
        if condition.low:
            zone = self.machine.pages.zone
            zone.set_aside(max(zone.free - zone.watermark_low, 0))

    def _turns(self) -> int:
        """How often the call is made; of small objects there are several in a page."""
        turns = self._condition.turns
        size: int = self._asked.given.get("size", PAGE_SIZE)
        if not self._condition.contended or self._asked.form.worst is not Worst.TAKES:
            return turns
        return min(turns * max(PAGE_SIZE // max(size, 1), 1), _MOST_TURNS)

    async def _warm(self) -> None:
        """Miss kvfree_rcu()'s page cache once on each CPU that the call may be made on, so that it is filled."""
        for cpu in (_REMOTE_CPU, _CALLER_CPU):
            await self._k.kthread_join(await self._k.kthread_run(self._miss, cpu=cpu, name=f"warm/{cpu}"))
        await self._k.msleep(_WARM_MS)

    async def _miss(self) -> None:
        await self._k.kvfree_rcu(await self._k.kmalloc(SLAB_OBJECT), "rcu")

    async def _contend(self) -> None:
        """Have CPU 0 work against the call from now on. May sleep."""
        if not self._condition.contended:
            return
        k, word = self._k, self._asked.form.lock
        if word:
            held = k.completion("the lock is held")
            await k.kthread_run(self._hold, self._things[word], held, cpu=_CONTENDER_CPU, name="contender")
            await k.wait_for_completion(held)
            return
        await k.kthread_run(bystanders.neighbour, k, self._goes_on, cpu=_CONTENDER_CPU, name="contender")
        await k.udelay(_DWELL_US)

    async def _interrupt(self, body: Body) -> None:
        """The NMI comes as soon as this thread holds a lock that the call may want, or one that the call has taken."""
        if self._asked.form.worst in (Worst.NOTHING, Worst.AREAS):
            with self._sections.nmi_at_first_lock(lambda _cpu: body()):
                await caller(self._asked, self._things)
        else:
            await nmi_when_held(self._k, body, *self._interrupted())

    def _interrupted(self) -> tuple[Lock, Body]:
        """A lock that the call may want, and what takes it."""
        k, form = self._k, self._asked.form
        if form.lock:
            lock: Lock = self._things[form.lock]
            return lock, lambda: self._hold(lock, k.completion("the lock is held"))
        if form.worst is Worst.QUEUES:
            return self.machine.kvfree.krc(_CALLER_CPU).lock, self._queue_areas
        return k.zone_lock(), lambda: bystanders.stir_zone(k)

    async def _queue_areas(self) -> None:
        """kvfree_rcu() of what goes to krcp->lock on every version: sheaves take none of vmalloc()."""
        for area in self._areas:
            await self._k.kvfree_rcu(area, "rcu")

    def _goes_on(self) -> bool:
        """Whether CPU 0 does it once more: not for ever, where the call waits for long."""
        self._rounds += 1
        return not self._done and self._rounds < _MOST_ROUNDS

    async def _hold(self, lock: Lock, held: Completion) -> None:
        """Hold the call's lock for a while."""
        k = self._k
        take, let_go = (getattr(k, name) for name in _HOLDING[lock.lock_class.kind])
        flags = await take(lock)
        await k.complete(held)
        await k.udelay(_HELD_US)
        await (let_go(lock) if flags is None else let_go(lock, flags))

    # -- what is seen --------------------------------------------------------------------------------------------------

    def _reported(self, violation: Violation) -> None:
        """The first report ends the trial."""
        if self._asking and self._first is None:
            self._first, self._entering = violation, not self._calling
            self.machine.conductor.finish()

    def _out_of_time(self) -> None:
        self._stuck = describe_stuck(self.machine.system)
        self.machine.conductor.finish()


@stands_for(CALLER)
async def caller(asked: Asked, things: Things) -> None:
    """Whoever makes the call."""
    await asked.form.act(things)
