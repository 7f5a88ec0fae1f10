"""Lockdep's rules as far as this floor needs them: held locks, wait types, recursion (kernel/locking/lockdep.c).

Held locks form a chain. Every chain seen is a node of a tree, keyed by lock class and by the context in which the
lock was taken, so that a chain is validated once and walking along a known one is a dictionary look-up: the kernel's
chain cache, by another name.

The wait-context rule (check_wait_context()): of the held locks of the same irq context, and of the context itself,
the strictest inner type is the limit; a lock whose outer type is above it is reported. Trylocks are not checked, but
count once they are held.
"""

from __future__ import annotations

from typing import Final

import attrs

from . import preempt
from .context import Context
from .judge import Judge
from .locks import Lock, LockClass, LockKind
from .processor import Processor
from .trace import caller_site
from .waittype import WaitNumbers, WaitType

_IRQS_OFF: Final = 1
_BH_OFF: Final = 2
_IN_SOFTIRQ: Final = 4
_IN_HARDIRQ: Final = 8
_THREADABLE: Final = 16
_TRYLOCK: Final = 32
_CODES: Final = 64


@attrs.define(eq=False)
class ChainNode:
    """One chain of held locks. `limit` is the strictest wait number so far in this irq context."""

    lock_class: LockClass | None
    irq_context: int
    limit: int
    parent: ChainNode | None = None
    site: str = ""
    children: dict[int, ChainNode] = attrs.field(factory=dict)


def _code(ctx: Context) -> int:
    """The context of an acquisition as a small number."""
    count = ctx.preempt_count
    code = _IRQS_OFF if ctx.irqs_disabled else 0
    if count < preempt.SOFTIRQ_OFFSET and not ctx.softirq_thread:
        return code
    if preempt.in_serving_softirq(count) or ctx.softirq_thread:
        code |= _IN_SOFTIRQ
    elif count & preempt.SOFTIRQ_MASK:
        code |= _BH_OFF
    if count & preempt.HARDIRQ_MASK:
        code |= _IN_HARDIRQ
        if ctx.hardirq_threadable or ctx.irq_config:
            code |= _THREADABLE
    return code


class Lockdep:
    """The validator of one run. `on` is false in a kernel built without PROVE_LOCKING."""

    def __init__(self, *, on: bool, numbers: WaitNumbers, judge: Judge) -> None:
        self.on = on
        self.numbers = numbers
        self._judge = judge
        self._root = ChainNode(None, 0, numbers.of(WaitType.MAX))

    def acquire(self, cpu: Processor, lock: Lock, *, trylock: bool = False, site: str = "") -> None:
        """Note that the current thread takes a lock; report what is wrong with it."""
        ctx = cpu.ctx
        nodes = ctx.held_nodes
        parent = nodes[-1] if nodes else self._root
        key = lock.lock_class.key * _CODES + _code(ctx) + (_TRYLOCK if trylock else 0)
        node = parent.children.get(key)
        if node is None:
            node = self._extend(cpu, parent, lock, key, site, trylock=trylock)
        ctx.held.append(lock)
        nodes.append(node)
        ctx.held_sites.append(site or node.site)

    def knows(self, ctx: Context, lock: Lock) -> bool:
        """Taking this lock here, with interrupts off, was validated before: nothing new can come of it."""
        if not self.on:
            return True
        nodes = ctx.held_nodes
        parent = nodes[-1] if nodes else self._root
        code = _IRQS_OFF
        if ctx.preempt_count >= preempt.SOFTIRQ_OFFSET or ctx.softirq_thread:
            code |= _code(ctx)
        return lock.lock_class.key * _CODES + code in parent.children

    def release(self, cpu: Processor, lock: Lock) -> None:
        """Note that the current thread lets go of a lock."""
        ctx = cpu.ctx
        held = ctx.held
        if held and held[-1] is lock:
            held.pop()
            ctx.held_nodes.pop()
            ctx.held_sites.pop()
            return
        for index in range(len(held) - 1, -1, -1):
            if held[index] is lock:
                self._take_out(ctx, index)
                return
        self._judge.bad_unlock(cpu, lock)

    def _take_out(self, ctx: Context, index: int) -> None:
        """A lock is let go out of order: those taken after it hang on the chain without it from now on."""
        for column in (ctx.held, ctx.held_nodes, ctx.held_sites):
            del column[index]
        for at in range(index, len(ctx.held)):
            parent = ctx.held_nodes[at - 1] if at else self._root
            old = ctx.held_nodes[at]
            assert old.lock_class is not None
            key = old.lock_class.key * _CODES + _TRYLOCK
            if key not in parent.children:
                limit = self._limit(parent, old.lock_class, old.irq_context)
                parent.children[key] = ChainNode(old.lock_class, old.irq_context, limit, parent, old.site)
            ctx.held_nodes[at] = parent.children[key]

    def _extend(
        self, cpu: Processor, parent: ChainNode, lock: Lock, key: int, site: str, *, trylock: bool
    ) -> ChainNode:
        """A chain that was never seen: validate it, report, remember."""
        ctx, lock_class = cpu.ctx, lock.lock_class
        code = _code(ctx)
        irq_context = code & (_IN_HARDIRQ | _IN_SOFTIRQ)
        node = ChainNode(
            lock_class, irq_context, self._limit(parent, lock_class, irq_context), parent, site or caller_site()
        )
        # Remembered before it is judged, so that one mistake is one report however often it is made.
        parent.children[key] = node
        outer = self.numbers.of(lock_class.outer or lock_class.inner)
        if not trylock and outer and outer > min(self.context_limit(ctx), self._held_limit(parent, irq_context)):
            self._judge.invalid_wait_context(cpu, lock, self, node.site)
        if lock_class.kind is not LockKind.MAP:
            # Between the checks, as in __lock_acquire(); maps are entered unchecked and leave no usage.
            lock_class.note_usage(
                in_hardirq=bool(code & _IN_HARDIRQ) and not trylock,
                in_softirq=bool(code & _IN_SOFTIRQ) and not trylock,
                hardirqs_on=not code & _IRQS_OFF,
                softirqs_on=not code & (_IRQS_OFF | _BH_OFF | _IN_SOFTIRQ),
            )
        if not trylock and not lock_class.recursive_read and any(held.lock_class is lock_class for held in ctx.held):
            self._judge.recursive_locking(cpu, lock, self, node.site)
        return node

    def context_limit(self, ctx: Context) -> int:
        """What the context itself allows: task_wait_context()."""
        if ctx.preempt_count & preempt.HARDIRQ_MASK:
            spinning_only = not (ctx.hardirq_threadable or ctx.irq_config)
            return self.numbers.of(WaitType.SPIN if spinning_only else WaitType.CONFIG)
        if preempt.in_serving_softirq(ctx.preempt_count) or ctx.softirq_thread:
            return self.numbers.of(WaitType.CONFIG)
        return self.numbers.of(WaitType.MAX)

    def _held_limit(self, node: ChainNode, irq_context: int) -> int:
        maximum = self.numbers.of(WaitType.MAX)
        return node.limit if node.lock_class is not None and node.irq_context == irq_context else maximum

    def _limit(self, parent: ChainNode, lock_class: LockClass, irq_context: int) -> int:
        """The limit once this lock is held as well."""
        inner = self.numbers.of(lock_class.inner)
        before = self._held_limit(parent, irq_context)
        return min(before, inner) if inner else before
