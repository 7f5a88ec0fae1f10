"""What a scenario finds on its machine: page caches that are cold or warm, and bystanders who are busy meanwhile.

A scenario that runs alone on a machine just booted is lucky: nobody holds its locks, and what the kernel keeps in
reserve is as boot has left it. Three settings of a run say otherwise, none of which touches the scenario.

`cold_caches`: each CPU's page cache of kvfree_rcu() and its page list are emptied, as after a long burst.

`warm_caches`: on each CPU a thread takes a page and gives it back, and gives an object to kvfree_rcu(). That misses the
page cache, and has it filled by the version's own means: a worker refills it, or the block of the object itself goes in
when it has been freed. The scenario begins when all of these objects are freed.

`bystanders`: on each other CPU a thread takes pages and gives its page list back, so that zone->lock is taken from
there, too; and it holds, one after the other, the locks that the scenario has made, for some microseconds each: in
process context and with interrupts off, where that is how such a lock is held safely, so that lockdep has nothing to
say of it. First that is all the time, then ever less often, up to once in four milliseconds, and for some seconds in
all: what a scenario is stuck in for ever is to be seen as that. The first times that the scenario takes a lock it is
late, by some microseconds at most, until a bystander has it: as a CPU is that runs slower. Locks that lie in objects
are left alone, since the object may be freed; so are local locks, since they are of their CPU.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, Final

from ..context.locks import Lock, LockKind
from ..context.memory import FREED
from ..kapi import Kernel
from ..kapi.base import Inside
from ..machine import Machine
from ..marks import MACHINERY
from ..mm.gfp import GFP_NOWAIT, GFP_NOWARN
from .sections import Body, mutex, raw_spin_irqsave, spin_irqsave

__trace__ = MACHINERY

_HOLD_US: Final = 20
_SHORTEST_US: Final = 10
_LONGEST_US: Final = 4_000
_AS_OFTEN: Final = 50
"""So many rounds with one pause between them, before it is twice as long."""

_MOST_ROUNDS: Final = 1_000
_MOST_LOCKS: Final = 8
_LATE: Final = 3
"""So many times the scenario is late for a lock."""

_LOOK_NS: Final = 250
_MOST_LOOKS: Final = 400
_WARM_FOR_US: Final = 20_000
_MOST_WAITS: Final = 9
"""Each twice as long as the one before: ten seconds, twice the time after which a batch is drained at the latest."""


async def _write_irqsave(k: Kernel, body: Body, lock: Lock) -> None:
    flags = await k.write_lock_irqsave(lock)
    await body()
    await k.write_unlock_irqrestore(lock, flags)


async def _write(k: Kernel, body: Body, lock: Lock) -> None:
    await k.down_write(lock)
    await body()
    await k.up_write(lock)


async def _rt_mutex(k: Kernel, body: Body, lock: Lock) -> None:
    await k.rt_mutex_lock(lock)
    await body()
    await k.rt_mutex_unlock(lock)


HELD_BY: Final[Mapping[LockKind, Callable[[Kernel, Body, Lock], Awaitable[None]]]] = MappingProxyType(
    {
        LockKind.RAW_SPINLOCK: raw_spin_irqsave,
        LockKind.SPINLOCK: spin_irqsave,
        LockKind.RWLOCK: _write_irqsave,
        LockKind.MUTEX: mutex,
        LockKind.RWSEM: _write,
        LockKind.RT_MUTEX: _rt_mutex,
    }
)
"""How a bystander holds a lock of each type, for exclusive use."""


class NotingKernel(Kernel):
    """The API of a scenario with bystanders: it notes the locks that are made, and is late for them."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.shared: list[Lock] = []
        """Those that others can take, too; the one that the scenario wants now is the last."""
        self.at_it = False
        """Whether there are bystanders on other CPUs."""
        self._late: dict[int, int] = {}

    def _make(self, name: str, kind: LockKind, inside: Inside | None) -> Lock:
        lock = super()._make(name, kind, inside)
        if inside is None and kind in HELD_BY:
            self.shared.append(lock)
            self._late[id(lock)] = 0
        return lock

    async def be_late_for(self, lock: object) -> None:
        """Until somebody else has it, if there is one who will: nobody sleeps for that."""
        times = self._late.get(id(lock), _LATE)
        if times == _LATE or not self.at_it or not isinstance(lock, Lock):
            return
        self._late[id(lock)] = times + 1
        self.shared.remove(lock)
        self.shared.append(lock)
        for _ in range(_MOST_LOOKS):
            if lock.owner is not None or not self.at_it:
                return
            await self.ndelay(_LOOK_NS)


_TAKING: Final = (
    *(f"{kind}_lock{how}" for kind in ("raw_spin", "spin", "read", "write") for how in ("", "_irqsave", "_irq", "_bh")),
    *("mutex_lock", "rt_mutex_lock", "down_read", "down_write"),
)


def _late(name: str) -> Callable[..., Awaitable[Any]]:
    take = getattr(Kernel, name)

    @wraps(take)
    async def take_late(self: NotingKernel, lock: object, *others: object, **named: object) -> Any:
        await self.be_late_for(lock)
        return await take(self, lock, *others, **named)

    return take_late


for _name in _TAKING:
    setattr(NotingKernel, _name, _late(_name))


async def run_surrounded(machine: Machine, body: Callable[[Kernel], Awaitable[None]]) -> None:
    """Run a scenario's body, called with the API, in the surroundings that the configuration asks for."""
    config = machine.setup.config
    if config.cold_caches:
        k = Kernel(machine)
        await _on_each_cpu(k, k.cold_caches)
    if config.warm_caches:
        await _warm(Kernel(machine))
    if not config.bystanders:
        await body(Kernel(machine))
        return
    k = NotingKernel(machine)
    here = k.raw_smp_processor_id()
    others = [cpu for cpu in k.online_cpus() if cpu != here]
    k.at_it = bool(others)
    for cpu in others:
        await k.kthread_run(bystander, Kernel(machine), k, cpu=cpu, name=f"bystander/{cpu}")
    try:
        await body(k)
    finally:
        k.at_it = False


async def _on_each_cpu(k: Kernel, act: Body) -> None:
    for cpu in k.online_cpus():
        await k.kthread_join(await k.kthread_run(act, cpu=cpu, name=f"before/{cpu}"))


async def _warm(k: Kernel) -> None:
    given = []

    async def use() -> None:
        await k.free_page(await k.get_free_page())
        if (area := await k.vmalloc(64)) is not None:
            given.append(area)
            await k.kvfree_rcu(area, "rcu")

    await _on_each_cpu(k, use)
    for turn in range(_MOST_WAITS):
        await k.usleep_range(_WARM_FOR_US << turn, _WARM_FOR_US << turn)
        if all(area.state == FREED for area in given):
            return


async def bystander(k: Kernel, others: NotingKernel) -> None:
    """One thread, at it as long as the scenario is, which has the other API."""
    pause_us = _SHORTEST_US
    for rounds in range(1, _MOST_ROUNDS + 1):
        if not others.at_it:
            return
        page = await k.get_free_page(GFP_NOWAIT | GFP_NOWARN)
        if page is not None:
            await k.free_page(page)
        await k.drain_local_pages()
        for lock in others.shared[: -_MOST_LOCKS - 1 : -1]:
            if others.at_it:
                await HELD_BY[lock.lock_class.kind](k, partial(k.udelay, _HOLD_US), lock)
        await k.usleep_range(pause_us, pause_us)
        if not rounds % _AS_OFTEN:
            pause_us = min(2 * pause_us, _LONGEST_US)
    others.at_it = False
