"""A watched machine: how long interrupts were off and raw locks held, who took pages, what a call cost its caller.

All of it is heard from the machine's probes. A section, a page or a lock is kvfree_rcu()'s when one of its functions,
or of the design's, is among the callers: of the caller's own context as well as of a worker or a timer's handler that
acts later. The rest is other users' of the page allocator: slab among them, whose pages come from the same lists. Of
sections that lie in each other, what counts is the outermost that is kvfree_rcu()'s: not its caller's, nor the
interrupt in which a handler of its runs.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from types import CodeType, FrameType

import attrs

from ..context.locks import Lock, LockKind
from ..kernel.cpu import Cpu
from ..kernel.thread import Thread
from ..machine import Machine
from ..marks import Side, side_of
from ..mm.objects import KObject


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
    switch_ns: int = 0
    """What it costs to go on with another thread."""
    design_modules: Container[str] = ()
    """Of a user's design: its own, and those of what it is built on."""
    zone_lock: Lock | None = None
    _entered: dict[int, list[tuple[int, int]]] = attrs.field(factory=dict)
    """By pid: of calls that lie in each other, when each was entered, and how long its thread had been away by then."""
    _interrupts: dict[int, list[int]] = attrs.field(factory=dict)
    """By CPU: of interrupts that lie in each other, how long who is interrupted had been away before."""
    _left: dict[int, int] = attrs.field(factory=dict)
    """By pid: when a thread went off its CPU."""
    _sides: dict[int, tuple[CodeType, Side | None]] = attrs.field(factory=dict)

    def is_own(self) -> bool:
        """Whether kvfree_rcu() or the design is among the callers, up to an interrupt.

        What slab does to free the objects is other users' business; what it does for a design is not.
        """
        frame: FrameType | None = sys._getframe(1)
        by_slab = False
        while frame is not None:
            known = self._sides.get(id(frame.f_code))
            side = known[1] if known is not None else self._look_at(frame)
            if side is Side.DESIGN or (side is Side.KVFREE and not by_slab):
                return True
            if side is Side.NOBODY or side is Side.FREEING:
                return False
            by_slab |= side is Side.ALLOCATOR
            frame = frame.f_back
        return False

    def _look_at(self, frame: FrameType) -> Side | None:
        side = Side.DESIGN if frame.f_globals.get("__name__") in self.design_modules else side_of(frame)
        self._sides[id(frame.f_code)] = frame.f_code, side
        return side

    # -- pages and locks ---------------------------------------------------------------------------------------------

    def page_taken(self, pfn: int) -> None:
        """A page was allocated."""
        if self.is_own():
            self.pages += 1
            self.held.add(pfn)
            self.peak_pages = max(self.peak_pages, len(self.held))

    def page_given_back(self, pfn: int) -> None:
        """A page was freed."""
        self.held.discard(pfn)

    def lock_taken(self, _cpu: Cpu, lock: Lock, _waited_ns: int) -> None:
        """A lock was taken; what counts is zone->lock, of whichever type a design has made it."""
        if lock is not self.zone_lock:
            return
        if self.is_own():
            self.zone_locks_own += 1
        else:
            self.zone_locks_others += 1

    def lock_let_go(self, _cpu: Cpu, lock: Lock, held_ns: int) -> None:
        """It was let go of; what counts is a raw one."""
        if held_ns > self.raw_held_ns and lock.lock_class.kind is LockKind.RAW_SPINLOCK and self.is_own():
            self.raw_held_ns = held_ns

    def irqs_on(self, _cpu: Cpu, _nested: bool, off_ns: int) -> None:
        """A section with interrupts off ends."""
        if off_ns > self.irqs_off_ns and self.is_own():
            self.irqs_off_ns = off_ns

    # -- the caller's time -------------------------------------------------------------------------------------------

    def call_entered(self, thread: Thread, _item: KObject, _head: bool) -> None:
        """A caller enters kvfree_rcu()."""
        entered = thread.cpu.clock, self.away.get(thread.pid, 0)
        self._entered.setdefault(thread.pid, []).append(entered)

    def call_left(self, thread: Thread, _item: KObject, _head: bool) -> None:
        """It comes back."""
        began, away = self._entered[thread.pid].pop()
        self.calls += 1
        self.caller_ns += thread.cpu.clock - began - (self.away.get(thread.pid, 0) - away)

    def interrupt_entered(self, cpu: Cpu) -> None:
        """What runs there does not run now."""
        self._interrupts.setdefault(cpu.cpu_id, []).append(self.away.get(cpu.ctx.pid, 0))

    def interrupt_left(self, cpu: Cpu, lasted_ns: int) -> None:
        """It goes on. What a nested interrupt has added meanwhile is part of it."""
        self.away[cpu.ctx.pid] = self._interrupts[cpu.cpu_id].pop() + lasted_ns

    def switched(self, cpu: Cpu, leaving: Thread, following: Thread, _preempted: bool) -> None:
        """A thread goes off its CPU, another comes onto it."""
        now = cpu.clock
        self._left[leaving.pid] = now - self.switch_ns
        self.away[following.pid] = self.away.get(following.pid, 0) + now - self._left.pop(following.pid, now)


def watch(machine: Machine) -> Watch:
    """Look on from now on; before the run."""
    probes, zone = machine.probes, machine.pages.zone
    own = type(machine.kvfree.source)
    seen = Watch(
        zone_lock=zone.lock,
        switch_ns=machine.setup.costs.context_switch_ns,
        design_modules={base.__module__ for base in own.__mro__ if base is not object},
    )
    probes.mm.page_taken.listen(seen.page_taken)
    probes.mm.page_given_back.listen(seen.page_given_back)
    probes.kernel.lock_taken.listen(seen.lock_taken)
    probes.kernel.lock_let_go.listen(seen.lock_let_go)
    probes.kernel.irqs_on.listen(seen.irqs_on)
    probes.kernel.interrupt_entered.listen(seen.interrupt_entered)
    probes.kernel.interrupt_left.listen(seen.interrupt_left)
    probes.kernel.switched.listen(seen.switched)
    probes.kvfree.call_entered.listen(seen.call_entered)
    probes.kvfree.call_left.listen(seen.call_left)
    if zone.managed - zone.free > len(zone.in_use):
        # Pages were set aside at boot. A CPU that nothing ever touches would not come for its share.
        for cpu_id in range(machine.system.config.nr_cpus):
            machine.kvfree.krc(cpu_id)
    return seen
