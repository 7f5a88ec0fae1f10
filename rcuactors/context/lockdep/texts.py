"""The texts of lockdep's reports, in the kernel's layout and print order (kernel/locking/lockdep.c).

Pure functions from what was found to a text. A lock's place is the function that took it, with file and line when
that is the scenario's; of the classes on a path the place of the dependency is shown, not every use they ever had.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..held import HeldLock
from ..locks import Lock, LockClass
from ..splat import Scene, class_text, held_locks, held_text, instance_text, stack
from .chains import ChainNode
from .graph import Step
from .usage import Inversion, StateConflict, UnsafeOrder, bit_name, state_name

_INFO = "other info that might help us debug this:"
_DEADLOCK = ["", " *** DEADLOCK ***", ""]
_TWO_CPUS = ["       CPU0                    CPU1", "       ----                    ----"]
_RIGHT = " " * 31


def _head(scene: Scene, bar: int, title: str) -> list[str]:
    return ["", "=" * bar, title, scene.ident.line(), "-" * bar]


def _tail(scene: Scene, trace: Sequence[str]) -> list[str]:
    return ["", "stack backtrace:", *stack(scene, trace)]


def _indented(trace: Sequence[str], by: int = 6) -> list[str]:
    return [" " * by + line for line in trace]


def _registered(lock_class: LockClass, bit: int) -> list[str]:
    """Where a class was first used in that way."""
    trace = lock_class.traces.get(bit)
    return _indented(trace.lines(), 2) if trace is not None else []


def _state(scene: Scene) -> str:
    """[HC..:SC..:HE..:SE..]: in hardirq, in softirq, hardirqs enabled, softirqs enabled."""
    ctx = scene.ctx
    hard, soft = ctx.preempt_count >> 16 & 0xF, ctx.preempt_count >> 8 & 0xFF
    in_softirq, enabled = soft & 1, not soft and not ctx.softirq_disable_cnt
    return f"[HC{int(hard > 0)}[{hard}]:SC{in_softirq}[{soft}]:HE{int(not ctx.irqs_disabled)}:SE{int(enabled)}]"


def print_lock_invalid_wait_context(
    scene: Scene, lock_class: LockClass, lock: Lock, site: str, limit: int, trace: Sequence[str]
) -> str:
    """print_lock_invalid_wait_context()."""
    return "\n".join(
        [
            *_head(scene, 29, "[ BUG: Invalid wait context ]"),
            f"{scene.who} is trying to lock:",
            instance_text(scene, lock, lock_class, site),
            _INFO,
            f"context-{{{limit}:{limit}}}",
            *held_locks(scene),
            "stack backtrace:",
            *stack(scene, trace),
        ]
    )


def print_deadlock_bug(
    scene: Scene, lock: Lock, lock_class: LockClass, site: str, held: HeldLock, trace: Sequence[str]
) -> str:
    """print_deadlock_bug(); `held` is the held lock of the same class."""
    return "\n".join(
        [
            *_head(scene, 44, "WARNING: possible recursive locking detected"),
            f"{scene.who} is trying to acquire lock:",
            instance_text(scene, lock, lock_class, site),
            "",
            "but task is already holding lock:",
            held_text(scene, held),
            "",
            _INFO,
            " Possible unsafe locking scenario:",
            "",
            "       CPU0",
            "       ----",
            f"  lock({held.lock_class.shown});",
            f"  lock({lock_class.shown});",
            *_DEADLOCK,
            " May be due to missing lock nesting notation",
            "",
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )


def print_circular_bug(
    scene: Scene, held: HeldLock, lock: Lock, node: ChainNode, site: str, found: Step, trace: Sequence[str]
) -> str:
    """print_circular_bug(); `found` is the held lock's class, reached from the one wanted."""
    outer = held.node
    path = found.path()
    chain: list[str] = []
    for depth in range(len(path) - 1, -1, -1):
        step = path[depth]
        shown = step.edge.trace.lines() if step.edge is not None else trace
        chain += ["", f"-> #{depth} {class_text(scene, step.lock_class)}:", *_indented(shown)]
    middle = path[-2].lock_class if len(path) > 1 else node.lock_class
    want, have, between = node.lock_class.shown, outer.lock_class.shown, middle.shown
    through = ["Chain exists of:", f"  {want} --> {between} --> {have}", ""] if middle is not node.lock_class else []
    lock_have = "rlock" if outer.read else "lock"
    lock_want = "rlock" if node.read else "lock"
    return "\n".join(
        [
            *_head(scene, 54, "WARNING: possible circular locking dependency detected"),
            f"{scene.who} is trying to acquire lock:",
            instance_text(scene, lock, node.lock_class, site),
            "",
            "but task is already holding lock:",
            held_text(scene, held),
            "",
            "which lock already depends on the new lock.",
            "",
            "",
            "the existing dependency chain (in reverse order) is:",
            *chain,
            "",
            _INFO,
            "",
            *through,
            " Possible unsafe locking scenario:",
            "",
            *_TWO_CPUS,
            f"  {lock_have}({have});",
            f"{_RIGHT}lock({between});",
            f"{_RIGHT}lock({have});",
            f"  {lock_want}({want});",
            *_DEADLOCK,
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )


def print_usage_bug(
    scene: Scene, lock: Lock, lock_class: LockClass, site: str, conflict: StateConflict, trace: Sequence[str]
) -> str:
    """print_usage_bug()."""
    old, new = bit_name(conflict.old_bit), bit_name(conflict.new_bit)
    return "\n".join(
        [
            *_head(scene, 32, "WARNING: inconsistent lock state"),
            f"inconsistent {{{old}}} -> {{{new}}} usage.",
            f"{scene.who} {_state(scene)} takes:",
            instance_text(scene, lock, lock_class, site),
            f"{{{old}}} state was registered at:",
            *_registered(lock_class, conflict.old_bit),
            "",
            _INFO,
            " Possible unsafe locking scenario:",
            "",
            "       CPU0",
            "       ----",
            f"  lock({lock_class.shown});",
            "  <Interrupt>",
            f"    lock({lock_class.shown});",
            *_DEADLOCK,
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )


def _print_irq_lock_scenario(safe: LockClass, middle: LockClass, unsafe: LockClass) -> list[str]:
    """print_irq_lock_scenario()."""
    through: list[str] = []
    if middle is not unsafe:
        through = ["Chain exists of:", f"  {safe.shown} --> {middle.shown} --> {unsafe.shown}", ""]
    return [
        *through,
        " Possible interrupt unsafe locking scenario:",
        "",
        *_TWO_CPUS,
        f"  lock({unsafe.shown});",
        f"{_RIGHT}local_irq_disable();",
        f"{_RIGHT}lock({safe.shown});",
        f"{_RIGHT}lock({middle.shown});",
        "  <Interrupt>",
        f"    lock({safe.shown});",
        *_DEADLOCK,
    ]


def _print_shortest_lock_dependencies(scene: Scene, found: Step) -> list[str]:
    """print_shortest_lock_dependencies(): each class of a path and where it was taken under the one before."""
    lines: list[str] = []
    for step in reversed(found.path()):
        lines.append(f"-> {class_text(scene, step.lock_class)}:")
        lines += _indented(step.edge.trace.lines() if step.edge is not None else [], 3)
    return lines


def print_irq_inversion_bug(
    scene: Scene, lock: Lock, lock_class: LockClass, site: str, conflict: Inversion, trace: Sequence[str]
) -> str:
    """print_irq_inversion_bug()."""
    other, irq = conflict.found.lock_class, state_name(conflict.bit)
    # The class itself is found when a reader that can block was seen in an interrupt, and with such interrupts on.
    beside = conflict.found.path()[:2][-1].lock_class
    if conflict.forwards:
        said = f"but this lock took another, {irq}-unsafe lock in the past:"
        scenario = _print_irq_lock_scenario(lock_class, beside, other)
    else:
        said = f"but this lock was taken by another, {irq}-safe lock in the past:"
        scenario = _print_irq_lock_scenario(other, beside if beside is not other else lock_class, lock_class)
    return "\n".join(
        [
            *_head(scene, 56, "WARNING: possible irq lock inversion dependency detected"),
            f"{scene.who} just changed the state of lock:",
            instance_text(scene, lock, lock_class, site),
            said,
            f" {class_text(scene, other)}",
            "",
            "and interrupts could create inverse lock ordering between them.",
            "",
            "",
            _INFO,
            *scenario,
            *held_locks(scene),
            "",
            "the shortest dependencies between 2nd lock and 1st lock:",
            *_print_shortest_lock_dependencies(scene, conflict.found),
            *_tail(scene, trace),
        ]
    )


def unsafe_order_name(found: UnsafeOrder) -> str:
    """HARDIRQ-safe -> HARDIRQ-unsafe, or with SOFTIRQ; the safe lock's bit says whether as a reader, for both."""
    irq = state_name(found.safe_bit)
    return f"{irq}-safe -> {irq}-unsafe"


def print_bad_irq_dependency(
    scene: Scene, held: HeldLock, lock: Lock, node: ChainNode, site: str, found: UnsafeOrder, trace: Sequence[str]
) -> str:
    """print_bad_irq_dependency()."""
    outer, inner = held.lock_class, node.lock_class
    safe, unsafe = found.safe.lock_class, found.unsafe.lock_class
    irq = state_name(found.safe_bit)
    middle = inner if outer is safe else outer
    return "\n".join(
        [
            *_head(scene, 53, f"WARNING: {unsafe_order_name(found)} lock order detected"),
            f"{scene.who} {_state(scene)} is trying to acquire:",
            instance_text(scene, lock, inner, site),
            "",
            "and this task is already holding:",
            held_text(scene, held),
            "which would create a new lock dependency:",
            f" {class_text(scene, outer)} -> {class_text(scene, inner)}",
            "",
            f"but this new dependency connects a {irq}-irq-safe lock:",
            f" {class_text(scene, safe)}",
            "",
            f"... which became {irq}-irq-safe at:",
            *_registered(safe, found.safe_bit),
            "",
            f"to a {irq}-irq-unsafe lock:",
            f" {class_text(scene, unsafe)}",
            "",
            f"... which became {irq}-irq-unsafe at:",
            "...",
            *_registered(unsafe, found.unsafe_bit),
            "",
            _INFO,
            "",
            *_print_irq_lock_scenario(safe, middle, unsafe),
            *held_locks(scene),
            "",
            f"the dependencies between {irq}-irq-safe lock and the holding lock:",
            *_print_shortest_lock_dependencies(scene, found.safe),
            "",
            f"the dependencies between the lock to be acquired and {irq}-irq-unsafe lock:",
            *_print_shortest_lock_dependencies(scene, found.unsafe),
            *_tail(scene, trace),
        ]
    )


def print_lock_nested_lock_not_held(
    scene: Scene, lock: Lock, lock_class: LockClass, site: str, nest: Lock, trace: Sequence[str]
) -> str:
    """print_lock_nested_lock_not_held(), which shows the stack twice."""
    return "\n".join(
        [
            *_head(scene, 34, "WARNING: Nested lock was not taken"),
            f"{scene.who} is trying to lock:",
            instance_text(scene, lock, lock_class, site),
            "",
            "but this task is not holding:",
            nest.name,
            *_tail(scene, trace),
            "",
            _INFO,
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )


def print_unlock_imbalance_bug(scene: Scene, lock: Lock, site: str, trace: Sequence[str]) -> str:
    """print_unlock_imbalance_bug(), which says so too when other locks are held."""
    return "\n".join(
        [
            *_head(scene, 37, "WARNING: bad unlock balance detected!"),
            f"{scene.who} is trying to release lock ({lock.lock_class.shown}) at:",
            site,
            "but there are no more locks to release!",
            "",
            _INFO,
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )


def print_held_locks_bug(scene: Scene, trace: Sequence[str]) -> str:
    """print_held_locks_bug()."""
    title = f"WARNING: {scene.who} still has locks held!"
    return "\n".join([*_head(scene, 36, title), *held_locks(scene), *_tail(scene, trace)])


def print_freed_lock_bug(scene: Scene, held: HeldLock, address: int, size: int, trace: Sequence[str]) -> str:
    """print_freed_lock_bug()."""
    where = f"{address:016x}-{address + size - 1:016x}"
    return "\n".join(
        [
            *_head(scene, 25, "WARNING: held lock freed!"),
            f"{scene.who} is freeing memory {where}, with a lock still held there!",
            held_text(scene, held),
            *held_locks(scene),
            *_tail(scene, trace),
        ]
    )
