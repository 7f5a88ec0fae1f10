"""The validator of one run: lock_acquire(), lock_release(), and what becomes of held locks meanwhile.

A chain of held locks that is known is a look-up; a new one is judged (chain_validation.py).
"""

from __future__ import annotations

import attrs

from ..context import Context
from ..held import HeldLock
from ..locks import RECURSIVE_READ, WRITE, Lock, LockClass
from ..preempt import SOFTIRQ_OFFSET
from ..processor import Processor
from ..trace import KeptTrace, call_trace, caller_site, site_of_unlock
from ..violation import ViolationKind
from . import texts
from .chain_validation import ChainValidation
from .chains import (
    BH_OFF,
    CODES,
    IN_HARDIRQ,
    IN_NMI,
    IN_SOFTIRQ,
    IRQS_OFF,
    NESTED,
    READ_SHIFT,
    TRYLOCK,
    context_code,
)
from .graph import add_usage
from .usage import ENABLED_BIT, USED, usage_bit


@attrs.frozen(kw_only=True)
class LockdepStatistics:
    """Lockdep (/proc/lockdep_stats).

    * `on` (yes or no): debug_locks: it is built, and no report has switched it off.
    * `classes` (classes): of locks, subclasses and lockdep maps included; also in a kernel without lockdep.
    * `used` (classes): of these, that were taken since boot.
    * `dependencies` (pairs of classes): one was taken under the other.
    * `chains` (chains): of held locks, that were validated.
    """

    on: bool
    classes: int
    used: int
    dependencies: int
    chains: int


class Lockdep(ChainValidation):
    """Lockdep of one machine."""

    def statistics(self) -> LockdepStatistics:
        """Its figures, as they are now. Looks at every chain."""
        classes = self._factory.lock_classes()
        chains, below = 0, list(self._root.values())
        while below:
            chains += 1
            below += below.pop().children.values()
        return LockdepStatistics(
            on=self.on,
            classes=len(classes),
            used=sum(bool(lock_class.usage_mask) for lock_class in classes),
            dependencies=sum(len(lock_class.after) for lock_class in classes),
            chains=chains,
        )

    # -- taking and letting go ---------------------------------------------------------------------------------------

    def acquire(
        self,
        cpu: Processor,
        lock: Lock,
        *,
        read: int = 0,
        trylock: bool = False,
        subclass: int = 0,
        nest: Lock | None = None,
        site: str = "",
    ) -> None:
        """lock_acquire(), __lock_acquire(): the current thread takes a lock; report what is wrong with it."""
        ctx = cpu.ctx
        code = context_code(ctx) + (read << READ_SHIFT)
        if trylock:
            code += TRYLOCK
        lock_class = lock.lock_class if not subclass else self._factory.class_of(lock, subclass)
        if nest is None:
            self._push(cpu, lock, lock_class, code, site)
        else:
            self._push_nested(cpu, lock, lock_class, code + NESTED, site or caller_site(), nest)

    def _push(
        self, cpu: Processor, lock: Lock, lock_class: LockClass, code: int, site: str, nest: Lock | None = None
    ) -> None:
        stack = cpu.ctx.held
        children = stack[-1].node.children if stack else self._root
        node = children.get(lock_class.key * CODES + code)
        if node is None:
            node = self._extend(cpu, lock, lock_class, code, site or caller_site(), nest)
            if not self.on:
                return
        held, site = node.last, site or node.site
        if held is None or held.lock is not lock or held.site != site or held.nest is not nest:
            if self._known.from_before:
                self._expect_own(lock)
            held = node.last = HeldLock(lock, node, site, nest)
        stack.append(held)

    def _push_nested(self, cpu: Processor, lock: Lock, lock_class: LockClass, code: int, site: str, nest: Lock) -> None:
        """One that was taken with a nest lock, which has to be held each time: no chain remembers that."""
        self._known.alone = True
        stack = cpu.ctx.held
        known = (stack[-1].node.children if stack else self._root).get(lock_class.key * CODES + code)
        if known is not None and not (stack and self._counted(stack[-1].node, known)):
            self._check_nest_lock(cpu, lock, lock_class, site, nest)
            if not self.on:
                return
        self._push(cpu, lock, lock_class, code, site, nest)

    def sync(self, cpu: Processor, lock: Lock, site: str) -> None:
        """lock_sync(): as if it were taken by a writer and let go at once; it leaves no usage with interrupts on.

        What is told of it is that it would wait for who waits for what is held (commit 2f1f043e7bea, v6.4).
        """
        if self.on:
            self._push(cpu, lock, lock.lock_class, context_code(cpu.ctx) | IRQS_OFF, site)
            if self.on:
                cpu.ctx.held.pop()

    def mode_of_read_lock(self, mode: int) -> int:
        """rwlock_acquire_read(): how a reader of a rwlock_t is noted, which really waits as `mode` says."""
        return mode if self._rules.read_lock_may_queue else RECURSIVE_READ

    def knows(self, ctx: Context, lock: Lock) -> bool:
        """Taking this lock here, with interrupts off, was validated before: nothing new can come of it."""
        if not self.on:
            return True
        children = ctx.held[-1].node.children if ctx.held else self._root
        if ctx.preempt_count < SOFTIRQ_OFFSET and not ctx.softirq_disable_cnt:
            # As by context_code(), which would be one call more for each object that is freed.
            return lock.lock_class.key * CODES + IRQS_OFF in children
        return lock.lock_class.key * CODES + (context_code(ctx) | IRQS_OFF) in children

    def release(self, cpu: Processor, lock: Lock) -> None:
        """lock_release(): the current thread lets go of a lock."""
        ctx = cpu.ctx
        if ctx.held and ctx.held[-1].lock is lock:
            ctx.held.pop()
            return
        index = self._find_held(ctx, lock)
        if index >= 0:
            self._take_out(cpu, index)
            return
        title = f"WARNING: bad unlock balance detected: {lock.lock_class.shown}"
        text = texts.print_unlock_imbalance_bug(self._judge.scene(cpu), lock, site_of_unlock(), call_trace())
        self._report(cpu, ViolationKind.BAD_UNLOCK, title, text)

    @staticmethod
    def _find_held(ctx: Context, lock: Lock) -> int:
        """find_held_lock(): its place, or -1. What the interrupted context holds is not found below something else."""
        stack = ctx.held
        for index in range(len(stack) - 1, -1, -1):
            if stack[index].lock is lock:
                return index
            if index and stack[index - 1].node.irq_context != stack[index].node.irq_context:
                break
        return -1

    def _take_out(self, cpu: Processor, index: int) -> None:
        """A lock is let go out of order: those taken after it are taken anew without it (reacquire_held_locks())."""
        stack = cpu.ctx.held
        gone, following = stack[index], stack[index + 1]
        if self._counted(gone.node, following.node):
            # One less of those that count as one: the rest stays as it is.
            stack[index : index + 2] = [attrs.evolve(gone, lock=following.lock, nest=following.nest)]
            return
        later = stack[index + 1 :]
        del stack[index:]
        for held in later:
            if not self.on:
                return
            if held.nest is not None:
                self._push_nested(cpu, held.lock, held.lock_class, held.node.code, held.site, held.nest)
            else:
                self._push(cpu, held.lock, held.lock_class, held.node.code, held.site)

    # -- what else happens to held locks -----------------------------------------------------------------------------

    def hardirqs_on(self, cpu: Processor) -> None:
        """lockdep_hardirqs_on_prepare(): what is held now is held with interrupts enabled."""
        if not self.on:
            return
        code = context_code(cpu.ctx)
        if code & IN_NMI:
            return
        if code & IN_HARDIRQ:
            self.debug_locks_warn_on(cpu, "lockdep_hardirq_context()", "lockdep_hardirqs_on_prepare")
            return
        self._mark_held(cpu, 0)
        if not code & (BH_OFF | IN_SOFTIRQ):
            self._mark_held(cpu, 1)

    def softirqs_on(self, cpu: Processor) -> None:
        """lockdep_softirqs_on(): the same for bottom halves."""
        if self.on and cpu.ctx.held and not cpu.ctx.irqs_disabled:
            self._mark_held(cpu, 1)

    def _mark_held(self, cpu: Processor, state: int) -> None:
        """mark_held_locks(). Once all of a chain are marked, they stay so."""
        held_locks = cpu.ctx.held
        if not held_locks or held_locks[-1].node.marked >> state & 1:
            return
        for held in list(held_locks):
            node = held.node
            lock_class, read = node.lock_class, node.read
            bit = state * 4 + ENABLED_BIT + (read != WRITE)
            if lock_class.check and not lock_class.usage_mask >> bit & 1:
                self._trace = None
                self._mark_lock(cpu, held.lock, lock_class, read, bit, held.site)
        if self.on:
            held_locks[-1].node.marked |= 1 << state

    def is_held(self, ctx: Context, lock: Lock) -> bool:
        """lock_is_held(). True when lockdep cannot know."""
        return not self.on or ctx.holds(lock)

    def check_no_locks_held(self, cpu: Processor) -> None:
        """debug_check_no_locks_held(): a task ends."""
        if not self.on or not cpu.ctx.held:
            return
        scene = self._judge.scene(cpu)
        title = f"WARNING: {cpu.ctx.comm}/{cpu.ctx.pid} still has locks held!"
        self._report(cpu, ViolationKind.LOCK_HELD_AT_EXIT, title, texts.print_held_locks_bug(scene, call_trace()))

    def check_no_locks_freed(self, cpu: Processor, address: int, size: int) -> None:
        """debug_check_no_locks_freed(): memory goes, or a lock is made anew, `size` bytes at `address`."""
        if not self.on:
            return
        for held in cpu.ctx.held:
            if address <= held.lock.address < address + size:
                text = texts.print_freed_lock_bug(self._judge.scene(cpu), held, address, size, call_trace())
                title = f"WARNING: held lock freed: {held.lock_class.shown}"
                self._report(cpu, ViolationKind.HELD_LOCK_FREED, title, text)
                return

    def used_at_boot(self, lock: Lock, *, irqs_on: bool) -> None:
        """Some thread has taken it long before the run began, with nothing held, and interrupts off or on."""
        lock_class = lock.lock_class
        bits = [USED, *((usage_bit(0, enabled=True, read=False), usage_bit(1, enabled=True, read=False)) * irqs_on)]
        for bit in bits if self.built else ():
            add_usage(lock_class, bit, lock_class.traces.get(bit, KeptTrace()))
