"""A watched machine: how long interrupts were off and raw locks held, who took pages, what a call cost its caller.

Nothing of this is in the machine itself, and a machine that is not watched pays nothing: the CPUs, the lock operations,
the set of allocated pages and kvfree_rcu() of a watched one are made instances of subclasses that look on.

A section, a page or a lock is kvfree_rcu()'s when one of its functions, or of the design's, is among the callers: of
the caller's own context as well as of a worker or a timer's handler that acts later. The rest is other users' of the
page allocator: slab among them, whose pages come from the same lists. Of sections that lie in each other, what counts
is the outermost that is kvfree_rcu()'s: not its caller's, nor the interrupt in which a handler of its runs.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, Final

import attrs

from ..context.locking import Locks
from ..context.locks import Lock, LockKind
from ..kernel.cpu import Cpu
from ..kernel.messages import HardIrq
from ..kvfree.core import KvfreeRcu
from ..machine import Machine
from ..marks import machinery
from ..mm.objects import KObject

_PACKAGE: Final = __name__.partition(".")[0]
_OF_KVFREE: Final = f"{_PACKAGE}.kvfree."
_OF_DESIGNS: Final = f"{_PACKAGE}.designs."
_OF_SLAB: Final = (f"{_PACKAGE}.mm.slab", f"{_PACKAGE}.mm.vmalloc")
_FREE_OBJECTS: Final = ("kfree", "kfree_bulk", "vfree")
_STRAND: Final = f"{_PACKAGE}.engine.strand"
_CPU: Final = f"{_PACKAGE}.kernel.cpu"
_INTERRUPTED: Final = ("hardirq", "_nmi")


@attrs.define(eq=False)
class Watch:
    """What was seen on one machine."""

    irqs_off_ns: int = 0
    """Longest time that kvfree_rcu() kept interrupts off."""
    raw_held_ns: int = 0
    """Longest time that kvfree_rcu() held a raw spinlock."""
    pages: int = 0
    peak_pages: int = 0
    """Pages taken for kvfree_rcu(), and the most of them at one time."""
    zone_locks_own: int = 0
    zone_locks_others: int = 0
    """How often zone->lock was taken for kvfree_rcu(), and for everybody else."""
    calls: int = 0
    caller_ns: int = 0
    """CPU time of the callers inside kvfree_rcu(): not of who interrupts or preempts them, nor while they sleep."""
    held: set[int] = attrs.field(factory=set)
    away: dict[int, int] = attrs.field(factory=dict)
    """By pid: how long the thread was interrupted or off its CPU so far."""
    design_modules: tuple[str, ...] = (_OF_DESIGNS,)
    zone_lock: Lock | None = None
    _held_since: dict[int, int] = attrs.field(factory=dict)
    _sides: dict[CodeType, str] = attrs.field(factory=dict)

    def is_own(self) -> bool:
        """Whether kvfree_rcu() or the design is among the callers, up to an interrupt.

        What slab does to free the objects is other users' business; what it does for a design is not.
        """
        frame: FrameType | None = sys._getframe(1)
        by_slab = False
        while frame is not None:
            side = self._sides.get(frame.f_code) or self._side_of(frame)
            if side == "design" or (side == "kvfree" and not by_slab):
                return True
            if side in ("bottom", "freeing"):
                return False
            by_slab |= side == "slab"
            frame = frame.f_back
        return False

    def _side_of(self, frame: FrameType) -> str:
        name, code = frame.f_globals.get("__name__", ""), frame.f_code
        if name == _STRAND or (name == _CPU and code.co_name in _INTERRUPTED):
            side = "bottom"
        elif name.startswith(self.design_modules):
            side = "design"
        elif name.startswith(_OF_KVFREE):
            side = "kvfree"
        elif name.startswith(_OF_SLAB):
            side = "freeing" if code.co_name in _FREE_OBJECTS else "slab"
        else:
            side = "other"
        self._sides[code] = side
        return side

    def page_taken(self, pfn: int) -> None:
        """A page was allocated."""
        if self.is_own():
            self.pages += 1
            self.held.add(pfn)
            self.peak_pages = max(self.peak_pages, len(self.held))

    def page_given_back(self, pfn: int) -> None:
        """A page was freed."""
        self.held.discard(pfn)

    def lock_taken(self, lock: Lock, now: int) -> None:
        """A raw spinlock, or on other kernels than PREEMPT_RT a spinlock_t, was taken."""
        self._held_since[lock.address] = now

    def lock_let_go(self, lock: Lock, now: int) -> None:
        """It was let go of; what counts is a raw one."""
        lasted = now - self._held_since.pop(lock.address, now)
        if lasted > self.raw_held_ns and lock.lock_class.kind is LockKind.RAW_SPINLOCK and self.is_own():
            self.raw_held_ns = lasted

    def zone_lock_taken(self, lock: Lock) -> None:
        """A lock was taken; what counts is zone->lock, of whichever type a design has made it."""
        if lock is not self.zone_lock:
            return
        if self.is_own():
            self.zone_locks_own += 1
        else:
            self.zone_locks_others += 1

    def was_away(self, pid: int, ns: int) -> None:
        """The thread did not run for so long."""
        self.away[pid] = self.away.get(pid, 0) + ns


class _WatchedPages(set[int]):
    """Zone.in_use: the frames that are allocated."""

    def __init__(self, watch: Watch, pages: set[int]) -> None:
        super().__init__(pages)
        self._watch = watch

    def add(self, pfn: int) -> None:
        self._watch.page_taken(pfn)
        super().add(pfn)

    def remove(self, pfn: int) -> None:
        self._watch.page_given_back(pfn)
        super().remove(pfn)


def watch(machine: Machine) -> Watch:
    """Look on from now on; before the run."""
    seen = Watch(zone_lock=machine.pages.zone.lock)
    own = type(machine.kvfree.source)
    seen.design_modules = (_OF_DESIGNS, *(base.__module__ for base in own.__mro__ if _is_users(base.__module__)))
    _change(machine.system.locks, _watched_locks(seen))
    _change(machine.kvfree, _watched_kvfree(seen))
    cpu_class = _watched_cpu(seen)
    for cpu in machine.system.cpus.values():
        _change(cpu, cpu_class)
    machine.system.hooks.on_new_cpu.append(lambda cpu: _change(cpu, cpu_class))
    zone = machine.pages.zone
    zone.in_use = _WatchedPages(seen, zone.in_use)
    if zone.managed - zone.free > len(zone.in_use):
        # Pages were set aside at boot. A CPU that nothing ever touches would not come for its share.
        for cpu_id in range(machine.system.config.nr_cpus):
            machine.kvfree.krc(cpu_id)
    return seen


def _is_users(module: str) -> bool:
    return module != "builtins" and not module.startswith(f"{_PACKAGE}.")


def _change(thing: Any, to: type) -> None:
    """Make it an instance of a subclass of its class, one that has no fields of its own."""
    thing.__class__ = to


def _watched_cpu(seen: Watch) -> type[Cpu]:
    sections: dict[int, list[int]] = {}
    """By CPU: when each of the sections began that lie in each other."""

    class WatchedCpu(Cpu):
        __slots__ = ()

        def local_irq_save(self, site: str = "") -> bool:
            flags = super().local_irq_save(site)
            if not flags:
                sections[self.cpu_id] = []
            sections.setdefault(self.cpu_id, []).append(self.clock)
            return flags

        async def local_irq_restore(self, flags: bool) -> None:
            begun = sections.get(self.cpu_id)
            if begun and self.ctx.irqs_disabled:
                lasted = self.clock - begun.pop()
                if lasted > seen.irqs_off_ns and seen.is_own():
                    seen.irqs_off_ns = lasted
            await super().local_irq_restore(flags)

        @machinery
        async def hardirq(self, message: HardIrq) -> None:
            pid, began = self.ctx.pid, self.clock
            away = seen.away.get(pid, 0)
            await super().hardirq(message)
            # What a nested interrupt has added meanwhile is part of it.
            seen.away[pid] = away + self.clock - began

        async def schedule(self, *, preempt: bool = False, rtlock: bool = False) -> None:
            pid, began = self.ctx.pid, self.clock
            await super().schedule(preempt=preempt, rtlock=rtlock)
            seen.was_away(pid, self.clock - began)

    return WatchedCpu


def _watched_locks(seen: Watch) -> type[Locks]:
    class WatchedLocks(Locks):
        __slots__ = ()

        async def raw_spin_lock(self, cpu: Any, lock: Lock, site: str = "", *, subclass: int = 0) -> None:
            await super().raw_spin_lock(cpu, lock, site, subclass=subclass)
            seen.lock_taken(lock, cpu.clock)
            seen.zone_lock_taken(lock)

        def raw_spin_trylock(self, cpu: Any, lock: Lock, site: str = "") -> bool:
            taken = super().raw_spin_trylock(cpu, lock, site)
            if taken:
                seen.lock_taken(lock, cpu.clock)
                seen.zone_lock_taken(lock)
            return taken

        async def raw_spin_unlock(self, cpu: Any, lock: Lock) -> None:
            seen.lock_let_go(lock, cpu.clock)
            await super().raw_spin_unlock(cpu, lock)

        async def spin_lock(self, cpu: Any, lock: Lock, *, subclass: int = 0, nest: Lock | None = None) -> None:
            await super().spin_lock(cpu, lock, subclass=subclass, nest=nest)
            seen.zone_lock_taken(lock)

        def spin_trylock(self, cpu: Any, lock: Lock) -> bool:
            taken = super().spin_trylock(cpu, lock)
            # On other kernels than PREEMPT_RT that was a raw_spin_trylock(), and is counted.
            if taken and self.rt:
                seen.zone_lock_taken(lock)
            return taken

    return WatchedLocks


def _watched_kvfree(seen: Watch) -> type[KvfreeRcu]:
    class WatchedKvfree(KvfreeRcu):
        async def kvfree_call_rcu(self, cpu: Cpu, item: KObject, *, head: bool) -> None:
            pid, began = cpu.ctx.pid, cpu.clock
            away = seen.away.get(pid, 0)
            await super().kvfree_call_rcu(cpu, item, head=head)
            seen.calls += 1
            seen.caller_ns += cpu.clock - began - (seen.away.get(pid, 0) - away)

    return WatchedKvfree
