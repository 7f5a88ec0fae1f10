"""A chain of held locks that was never seen (kernel/locking/lockdep.c): mark_lock(), validate_chain(), their reports.

The order of the checks is that of __lock_acquire(): wait context, usage in interrupts, nest lock, recursion, then each
new edge of the dependency graph. In an NMI there is one check only, verify_lock_unused(). As in the kernel the first
report switches the validator off (debug_locks_off()), unless the configuration says lockdep_keep_going.
"""

from __future__ import annotations

from ...config import Config
from ...errors import BadInput
from ..held import HeldLock
from ..judge import Judge
from ..locks import READ, RECURSIVE_READ, WRITE, Lock, LockClass, LockFactory
from ..processor import Processor
from ..trace import KeptTrace, call_trace, keep_trace
from ..violation import ViolationKind
from ..waittype import WaitNumbers, WaitType
from . import texts
from .chains import (
    CODES,
    IN_NMI,
    IRQ_CONTEXT,
    NESTED,
    ChainNode,
)
from .graph import add_edge, add_usage, dependency
from .order import check_deadlock, check_noncircular
from .rules import LockdepRules
from .usage import IN_NMI as IN_NMI_BIT
from .usage import USED, USED_READ, Inversion, StateConflict, check_irq_usage, mark_lock_irq, mere_use_of, usage_of
from .wait_context import allowed, held_in, limit_with, task_wait_context


class ChainValidation:
    """The part of lockdep that judges.

    `built` is false in a kernel without PROVE_LOCKING; `on` is the kernel's debug_locks.
    """

    def __init__(self, *, config: Config, judge: Judge, factory: LockFactory, rules: LockdepRules) -> None:
        self.built = config.lockdep
        self.on = self.built
        self._keep_going = config.lockdep_keep_going
        self._checks_itself = config.DEBUG_LOCKDEP
        self._numbers: WaitNumbers = judge.numbers
        self._judge = judge
        self._factory = factory
        self._rules = rules
        self._known = factory.validated
        self._root = self._known.chains
        self._validated: set[tuple[int, ...]] = set()
        """Chains by their classes alone, where readers make no other chain."""
        self._trace: KeptTrace | None = None
        """Of the acquisition that is being judged, once something of it is remembered."""

    def debug_locks_warn_on(self, cpu: Processor, condition: str, function: str) -> None:
        """DEBUG_LOCKS_WARN_ON(): heard while debug_locks is on, which this ends, also in a kernel without lockdep."""
        if self._judge.debug_locks:
            self.debug_locks_off()
            self._judge.warn(cpu, ViolationKind.BAD_CONTEXT, f"DEBUG_LOCKS_WARN_ON({condition})", function)

    def check_softirq_flags(self, cpu: Processor, *, enabled: bool) -> None:
        """check_flags(): preempt_count says of bottom halves what lockdep does not think (`enabled`); DEBUG_LOCKDEP."""
        if self.on and self._checks_itself:
            self.debug_locks_warn_on(cpu, f"{'' if enabled else '!'}current->softirqs_enabled", "check_flags")

    def debug_locks_off(self) -> None:
        """A report of somebody else's that lockdep does not survive (DEBUG_LOCKS_WARN_ON())."""
        self.on = self._judge.debug_locks = self.built and self._keep_going

    # -- a chain that was never seen ---------------------------------------------------------------------------------

    def _extend(
        self, cpu: Processor, lock: Lock, lock_class: LockClass, code: int, site: str, nest: Lock | None
    ) -> ChainNode:
        """Validate it, report, remember."""
        ctx = cpu.ctx
        self._expect_own(lock)
        parent = ctx.held[-1].node if ctx.held else None
        held = held_in(code & IRQ_CONTEXT, parent)
        limit, overridden = limit_with(held, lock_class, self._numbers)
        node = ChainNode(lock_class, code, limit, overridden, site)
        if code & IN_NMI:
            self._verify_lock_unused(cpu, lock, node, site)
            return node
        # Remembered before it is judged, so that one mistake is one report however often it is made.
        (parent.children if parent is not None else self._root)[lock_class.key * CODES + code] = node
        if parent is not None and self._counted(parent, node):
            return node
        if node.read == READ and node.irq_context:
            # That it is a reader in an interrupt is remembered; that writers may hold it up there, is not.
            self._known.alone = True
        self._check_wait_context(cpu, lock, node, held, site)
        self._trace = None
        mask, bits = usage_of(code) if lock_class.check else mere_use_of(code)
        if mask & ~lock_class.usage_mask:
            for bit in bits:
                self._mark_lock(cpu, lock, lock_class, node.read, bit, site)
        if nest is not None:
            self._check_nest_lock(cpu, lock, lock_class, site, nest)
        if lock_class.check and not node.trylock and self.on:
            self._validate_chain(cpu, lock, node, site, nest)
        return node

    def _expect_own(self, lock: Lock) -> None:
        if not self._factory.made(lock):
            raise BadInput(f"lock {lock.name}: made by another machine; each run has to make its own")

    def _kept_trace(self) -> KeptTrace:
        """Where it is acquired: kept once, and only if somebody wants it, since most chains say nothing new."""
        if self._trace is None:
            self._trace = keep_trace()
        return self._trace

    @staticmethod
    def _counted(below: ChainNode, node: ChainNode) -> bool:
        """With a nest lock, one more of the class on top of the stack is counted and not looked at (`references`)."""
        return bool(node.code & NESTED) and below.lock_class is node.lock_class

    def _verify_lock_unused(self, cpu: Processor, lock: Lock, node: ChainNode, site: str) -> None:
        """verify_lock_unused(): an NMI must not wait for a lock that anybody else takes; only readers may share."""
        lock_class = node.lock_class
        bit = USED if lock_class.usage_mask >> USED & 1 else USED_READ
        if node.trylock or not lock_class.usage_mask >> bit & 1 or (node.read and bit == USED_READ):
            return
        # The report says LOCK_USED, also when that was by readers only.
        lock_class.traces.setdefault(USED, lock_class.traces[bit])
        conflict = StateConflict(USED, IN_NMI_BIT)
        text = texts.print_usage_bug(self._judge.scene(cpu), lock, lock_class, site, conflict, call_trace())
        title = f"WARNING: inconsistent lock state: {lock_class.shown}"
        self._report(cpu, ViolationKind.INCONSISTENT_LOCK_STATE, title, text)

    def _report(self, cpu: Processor, kind: ViolationKind, title: str, text: str) -> None:
        self.on = self._keep_going
        self._judge.report_of_lockdep(cpu, kind, title, text)

    def _check_wait_context(
        self, cpu: Processor, lock: Lock, node: ChainNode, held: ChainNode | None, site: str
    ) -> None:
        """check_wait_context()."""
        lock_class, numbers = node.lock_class, self._numbers
        if node.trylock or lock_class.inner is WaitType.INV:
            return
        if not cpu.ctx.held and not self._rules.first_lock_is_checked:
            return
        if numbers.of(lock_class.outer or lock_class.inner) > allowed(held, node.code, numbers):
            limit = task_wait_context(node.code, numbers)
            text = texts.print_lock_invalid_wait_context(
                self._judge.scene(cpu), lock_class, lock, site, limit, call_trace()
            )
            title = f"BUG: Invalid wait context: {lock_class.shown} at {site}"
            self._report(cpu, ViolationKind.INVALID_WAIT_CONTEXT, title, text)

    def _check_nest_lock(self, cpu: Processor, lock: Lock, lock_class: LockClass, site: str, nest: Lock) -> None:
        """The nest lock has to be held (print_lock_nested_lock_not_held())."""
        if not self.on or cpu.ctx.holds(nest):
            return
        text = texts.print_lock_nested_lock_not_held(self._judge.scene(cpu), lock, lock_class, site, nest, call_trace())
        title = f"WARNING: Nested lock was not taken: {lock_class.shown} without {nest.name}"
        self._report(cpu, ViolationKind.NEST_LOCK_NOT_HELD, title, text)

    def _mark_lock(self, cpu: Processor, lock: Lock, lock_class: LockClass, read: int, bit: int, site: str) -> None:
        """mark_lock()."""
        if not self.on or lock_class.usage_mask >> bit & 1:
            return
        add_usage(lock_class, bit, self._kept_trace())
        if bit >= USED:
            return
        conflict = mark_lock_irq(lock_class, bit, read, self._rules)
        if conflict is None:
            return
        scene, lines = self._judge.scene(cpu), self._kept_trace().lines()
        if isinstance(conflict, StateConflict):
            text = texts.print_usage_bug(scene, lock, lock_class, site, conflict, lines)
            title = f"WARNING: inconsistent lock state: {lock_class.shown}"
            self._report(cpu, ViolationKind.INCONSISTENT_LOCK_STATE, title, text)
        elif isinstance(conflict, Inversion):
            text = texts.print_irq_inversion_bug(scene, lock, lock_class, site, conflict, lines)
            title = f"WARNING: possible irq lock inversion dependency detected: {lock_class.shown}"
            self._report(cpu, ViolationKind.IRQ_LOCK_INVERSION, title, text)

    def _validate_chain(self, cpu: Processor, lock: Lock, node: ChainNode, site: str, nest: Lock | None) -> None:
        """validate_chain(): recursion, then the edges from what is held in this irq context."""
        stack, rules = cpu.ctx.held, self._rules
        if not (rules.chains_tell_readers or self._lookup_chain_cache_add(stack, node)):
            return
        same, done = check_deadlock(stack, node.lock_class, node.read, nest, rules)
        if same is not None:
            scene = self._judge.scene(cpu)
            text = texts.print_deadlock_bug(scene, lock, node.lock_class, site, same, self._kept_trace().lines())
            title = f"WARNING: possible recursive locking detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.RECURSIVE_LOCKING, title, text)
            return
        if done:
            return
        for held in reversed(stack):
            if held.node.irq_context != node.irq_context or not self.on:
                return
            if held.lock_class.check and (rules.readers_are_dependencies or held.node.read != RECURSIVE_READ):
                self._check_prev_add(cpu, held, lock, node, site)
                # One that was waited for has its own edges to those further out.
                if not held.node.trylock:
                    return

    def _lookup_chain_cache_add(self, stack: list[HeldLock], node: ChainNode) -> bool:
        """lookup_chain_cache_add(): whether these classes are a new chain, in whatever way they were taken."""
        classes = [node.lock_class.key]
        for held in reversed(stack):
            if held.node.irq_context != node.irq_context:
                break
            classes.append(held.lock_class.key)
        chain = tuple(classes)
        if chain in self._validated:
            return False
        self._validated.add(chain)
        return True

    def _check_prev_add(self, cpu: Processor, held: HeldLock, lock: Lock, node: ChainNode, site: str) -> None:
        """check_prev_add(): may `node` be taken under a held lock? If so, remember."""
        outer, rules = held.node, self._rules
        # Where no recursive reader is in the graph, every path counts, as one of writers does.
        ways = (outer.read, node.read) if rules.readers_are_dependencies else (WRITE, WRITE)
        ends = (outer.lock_class, ways[0], node.lock_class, ways[1])
        found = check_noncircular(*ends)
        if found is not None:
            lines = self._kept_trace().lines()
            text = texts.print_circular_bug(self._judge.scene(cpu), held, lock, node, site, found, lines)
            title = f"WARNING: possible circular locking dependency detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.CIRCULAR_LOCKING, title, text)
            return
        unsafe = check_irq_usage(*ends, rules)
        if unsafe is not None:
            lines = self._kept_trace().lines()
            text = texts.print_bad_irq_dependency(self._judge.scene(cpu), held, lock, node, site, unsafe, lines)
            title = f"WARNING: {texts.unsafe_order_name(unsafe)} lock order detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.UNSAFE_LOCK_ORDER, title, text)
            return
        if rules.readers_are_dependencies or node.read != RECURSIVE_READ:
            add_edge(outer.lock_class, node.lock_class, dependency(*ways), self._kept_trace)
