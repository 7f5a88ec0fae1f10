"""The validator of one run: lock_acquire(), lock_release(), mark_lock(), validate_chain() and what they keep.

The order of the checks is that of __lock_acquire(): wait context, usage in interrupts, nest lock, recursion, then each
new edge of the dependency graph. In an NMI there is one check only, verify_lock_unused(). As in the kernel the first
report switches the validator off (debug_locks_off()), unless the configuration says lockdep_keep_going.
"""

from __future__ import annotations

import attrs

from ...config import Config
from ...errors import BadInput
from ..context import Context
from ..held import HeldLock
from ..judge import Judge
from ..locks import RECURSIVE_READ, WRITE, Lock, LockClass, LockFactory
from ..preempt import SOFTIRQ_OFFSET
from ..processor import Processor
from ..trace import KeptTrace, call_trace, caller_site, keep_trace, site_of_unlock
from ..violation import ViolationKind
from ..waittype import WaitNumbers
from . import texts
from .chains import (
    BH_OFF,
    CODES,
    IN_HARDIRQ,
    IN_NMI,
    IN_SOFTIRQ,
    IRQ_CONTEXT,
    IRQS_OFF,
    NESTED,
    READ_SHIFT,
    TRYLOCK,
    ChainNode,
    context_code,
)
from .graph import add_edge, dependency
from .order import check_deadlock, check_noncircular
from .rules import LockdepRules
from .usage import IN_NMI as IN_NMI_BIT
from .usage import USED, USED_READ, Inversion, StateConflict, check_irq_usage, mark_lock_irq, usage_bit
from .wait_context import allowed, limit_with, task_wait_context


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


class Lockdep:
    """Lockdep of one machine.

    `built` is false in a kernel without PROVE_LOCKING; `on` is the kernel's debug_locks.
    """

    def __init__(self, *, config: Config, judge: Judge, factory: LockFactory, rules: LockdepRules) -> None:
        self.built = config.lockdep
        self.on = self.built
        self._keep_going = config.lockdep_keep_going
        self._numbers: WaitNumbers = judge.numbers
        self._judge = judge
        self._factory = factory
        self._rules = rules
        self._root: dict[int, ChainNode] = {}
        self._validated: set[tuple[int, ...]] = set()
        """Chains by their classes alone, where readers make no other chain."""

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
            held = node.last = HeldLock(lock, node, site, nest)
        stack.append(held)

    def _push_nested(self, cpu: Processor, lock: Lock, lock_class: LockClass, code: int, site: str, nest: Lock) -> None:
        """One that was taken with a nest lock, which has to be held each time: no chain remembers that."""
        stack = cpu.ctx.held
        known = (stack[-1].node.children if stack else self._root).get(lock_class.key * CODES + code)
        if known is not None and not (stack and self._counted(stack[-1].node, known)):
            self._check_nest_lock(cpu, lock, lock_class, site, nest)
            if not self.on:
                return
        self._push(cpu, lock, lock_class, code, site, nest)

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
            self.debug_locks_off()
            message = "DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())"
            self._judge.warn(cpu, ViolationKind.BAD_CONTEXT, message, "lockdep_hardirqs_on_prepare")
            return
        self._mark_held(cpu, 0)
        if not code & (BH_OFF | IN_SOFTIRQ):
            self._mark_held(cpu, 1)

    def softirqs_on(self, cpu: Processor) -> None:
        """lockdep_softirqs_on(): the same for bottom halves."""
        if self.on and cpu.ctx.held and not cpu.ctx.irqs_disabled:
            self._mark_held(cpu, 1)

    def _mark_held(self, cpu: Processor, state: int) -> None:
        """mark_held_locks()."""
        for held in list(cpu.ctx.held):
            lock_class, read = held.lock_class, held.node.read
            bit = usage_bit(state, enabled=True, read=bool(read))
            if lock_class.check and not lock_class.usage_mask >> bit & 1:
                self._mark_lock(cpu, held.lock, lock_class, read, bit, held.site, keep_trace())

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

    def debug_locks_off(self) -> None:
        """A report of somebody else's that lockdep does not survive (DEBUG_LOCKS_WARN_ON())."""
        self.on = self._judge.debug_locks = self.built and self._keep_going

    # -- a chain that was never seen ---------------------------------------------------------------------------------

    def _extend(
        self, cpu: Processor, lock: Lock, lock_class: LockClass, code: int, site: str, nest: Lock | None
    ) -> ChainNode:
        """Validate it, report, remember."""
        ctx = cpu.ctx
        if not self._factory.made(lock):
            raise BadInput(f"lock {lock.name}: made by another machine; each run has to make its own")
        parent = ctx.held[-1].node if ctx.held else None
        limit, overridden = limit_with(parent, lock_class, code & IRQ_CONTEXT, self._numbers)
        node = ChainNode(lock_class, code, limit, overridden, site)
        if code & IN_NMI:
            self._verify_lock_unused(cpu, lock, node, site)
            return node
        # Remembered before it is judged, so that one mistake is one report however often it is made.
        (parent.children if parent is not None else self._root)[lock_class.key * CODES + code] = node
        if parent is not None and self._counted(parent, node):
            return node
        self._check_wait_context(cpu, lock, node, parent, site)
        trace = keep_trace()
        if lock_class.check:
            self._mark_usage(cpu, lock, node, site, trace)
        self._mark_lock(cpu, lock, lock_class, node.read, USED_READ if node.read else USED, site, trace)
        if nest is not None:
            self._check_nest_lock(cpu, lock, lock_class, site, nest)
        if lock_class.check and not node.trylock and self.on:
            self._validate_chain(cpu, lock, node, site, nest, trace)
        return node

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
        self, cpu: Processor, lock: Lock, node: ChainNode, parent: ChainNode | None, site: str
    ) -> None:
        """check_wait_context()."""
        lock_class, numbers = node.lock_class, self._numbers
        outer = numbers.of(lock_class.outer or lock_class.inner)
        if node.trylock or not numbers.of(lock_class.inner):
            return
        if not cpu.ctx.held and not self._rules.first_lock_is_checked:
            return
        if outer > allowed(parent, node.code, node.irq_context, numbers):
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

    def _mark_usage(self, cpu: Processor, lock: Lock, node: ChainNode, site: str, trace: KeptTrace) -> None:
        """mark_usage()."""
        read, code = bool(node.read), node.code
        bits: list[int] = []
        if not node.trylock:
            bits += [usage_bit(0, enabled=False, read=read)] if code & IN_HARDIRQ else []
            bits += [usage_bit(1, enabled=False, read=read)] if code & IN_SOFTIRQ else []
        if not code & IRQS_OFF:
            bits.append(usage_bit(0, enabled=True, read=read))
            if not code & (BH_OFF | IN_SOFTIRQ):
                bits.append(usage_bit(1, enabled=True, read=read))
        known = node.lock_class.usage_mask
        for bit in bits:
            if not known >> bit & 1:
                self._mark_lock(cpu, lock, node.lock_class, node.read, bit, site, trace)

    def _mark_lock(
        self, cpu: Processor, lock: Lock, lock_class: LockClass, read: int, bit: int, site: str, trace: KeptTrace
    ) -> None:
        """mark_lock()."""
        if not self.on or lock_class.usage_mask >> bit & 1:
            return
        lock_class.usage_mask |= 1 << bit
        lock_class.traces[bit] = trace
        if bit >= USED:
            return
        conflict = mark_lock_irq(lock_class, bit, read, self._rules)
        if conflict is None:
            return
        scene, lines = self._judge.scene(cpu), trace.lines()
        if isinstance(conflict, StateConflict):
            text = texts.print_usage_bug(scene, lock, lock_class, site, conflict, lines)
            title = f"WARNING: inconsistent lock state: {lock_class.shown}"
            self._report(cpu, ViolationKind.INCONSISTENT_LOCK_STATE, title, text)
        elif isinstance(conflict, Inversion):
            text = texts.print_irq_inversion_bug(scene, lock, lock_class, site, conflict, lines)
            title = f"WARNING: possible irq lock inversion dependency detected: {lock_class.shown}"
            self._report(cpu, ViolationKind.IRQ_LOCK_INVERSION, title, text)

    def _validate_chain(
        self, cpu: Processor, lock: Lock, node: ChainNode, site: str, nest: Lock | None, trace: KeptTrace
    ) -> None:
        """validate_chain(): recursion, then the edges from what is held in this irq context."""
        stack, rules = cpu.ctx.held, self._rules
        if not (rules.chains_tell_readers or self._lookup_chain_cache_add(stack, node)):
            return
        same, done = check_deadlock(stack, node.lock_class, node.read, nest, rules)
        if same is not None:
            scene = self._judge.scene(cpu)
            text = texts.print_deadlock_bug(scene, lock, node.lock_class, site, same, trace.lines())
            title = f"WARNING: possible recursive locking detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.RECURSIVE_LOCKING, title, text)
            return
        if done:
            return
        for held in reversed(stack):
            if held.node.irq_context != node.irq_context or not self.on:
                return
            if held.lock_class.check and (rules.readers_are_dependencies or held.node.read != RECURSIVE_READ):
                self._check_prev_add(cpu, held, lock, node, site, trace)
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

    def _check_prev_add(
        self, cpu: Processor, held: HeldLock, lock: Lock, node: ChainNode, site: str, trace: KeptTrace
    ) -> None:
        """check_prev_add(): may `node` be taken under a held lock? If so, remember."""
        outer, rules = held.node, self._rules
        # Where no recursive reader is in the graph, every path counts, as one of writers does.
        ways = (outer.read, node.read) if rules.readers_are_dependencies else (WRITE, WRITE)
        ends = (outer.lock_class, ways[0], node.lock_class, ways[1])
        found = check_noncircular(*ends)
        if found is not None:
            text = texts.print_circular_bug(self._judge.scene(cpu), held, lock, node, site, found, trace.lines())
            title = f"WARNING: possible circular locking dependency detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.CIRCULAR_LOCKING, title, text)
            return
        unsafe = check_irq_usage(*ends, rules)
        if unsafe is not None:
            text = texts.print_bad_irq_dependency(self._judge.scene(cpu), held, lock, node, site, unsafe, trace.lines())
            title = f"WARNING: {texts.unsafe_order_name(unsafe)} lock order detected: {node.lock_class.shown}"
            self._report(cpu, ViolationKind.UNSAFE_LOCK_ORDER, title, text)
            return
        if rules.readers_are_dependencies or node.read != RECURSIVE_READ:
            add_edge(outer.lock_class, node.lock_class, dependency(*ways), trace)
