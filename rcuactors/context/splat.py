"""The texts of the kernel's reports: the pieces that all share, and those of the scheduler and of RCU.

From kernel/locking/lockdep.c, kernel/sched/core.c, kernel/rcu/tree_plugin.h, lib/dump_stack.c. Pure functions from
what was found to lines of text. Where the kernel prints symbol+offset, these print the function's name, and file and
line when the function is the scenario's. Lockdep's own reports are in lockdep/texts.py.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from ..spelling import counted
from .lockdep.usage import get_usage_chars
from .splat_rules import SplatRules
from .waittype import WaitNumbers

if TYPE_CHECKING:
    from .context import Context
    from .held import HeldLock
    from .locks import Lock, LockClass


@attrs.frozen
class Ident:
    """The kernel's name in a report: release, and the first word of its version; how it words them, and its taints.

    `preemption` is preempt_model_str().
    """

    release: str
    version: str = "#1"
    words: SplatRules = attrs.field(factory=SplatRules)
    preemption: str = "PREEMPT(full)"
    taints: set[str] = attrs.field(factory=set, eq=False)

    @property
    def tainted(self) -> str:
        """print_tainted()."""
        return self.words.taint_text(self.taints)

    def line(self) -> str:
        """`<release> <version> <taint text>`."""
        return f"{self.release} {self.version} {self.tainted}"

    def taint(self, flag: str) -> None:
        """add_taint(), of those that reports may tell of: `W`, `B`, `D`, `L`."""
        self.taints.add(flag)


class LockTracking(enum.Enum):
    """What a report can say of held locks."""

    NOT_BUILT = "a kernel without PROVE_LOCKING prints nothing of them"
    ON = "they are listed"
    TURNED_OFF = "lockdep went off with its first report"


@attrs.frozen(kw_only=True)
class Scene:
    """Who reports, on which kernel."""

    ctx: Context
    cpu_id: int
    ident: Ident
    numbers: WaitNumbers
    tracking: LockTracking

    @property
    def who(self) -> str:
        """comm/pid."""
        return f"{self.ctx.comm}/{self.ctx.pid}"


def class_text(scene: Scene, lock_class: LockClass) -> str:
    """print_lock_name(): class name, usage, wait types."""
    inner = scene.numbers.of(lock_class.inner)
    outer = scene.numbers.of(lock_class.outer) if lock_class.outer is not None else inner
    return f"({lock_class.shown}){{{get_usage_chars(lock_class.usage_mask)}}}-{{{outer}:{inner}}}"


def instance_text(scene: Scene, lock: Lock, lock_class: LockClass, site: str) -> str:
    """print_lock(): instance, class, where it was taken."""
    return f"{lock.address:016x} {class_text(scene, lock_class)}, at: {site}"


def held_text(scene: Scene, held: HeldLock) -> str:
    """The same of a lock that is held."""
    return instance_text(scene, held.lock, held.lock_class, held.site)


def held_locks(scene: Scene) -> list[str]:
    """lockdep_print_held_locks()."""
    ctx = scene.ctx
    if not ctx.held:
        return [f"no locks held by {scene.who}."]
    return [
        f"{counted(len(ctx.held), 'lock')} held by {scene.who}:",
        *(f" #{index}: {held_text(scene, held)}" for index, held in enumerate(ctx.held)),
    ]


def show_held_locks(scene: Scene) -> list[str]:
    """debug_show_held_locks(): for reports that are not lockdep's own."""
    if scene.tracking is LockTracking.NOT_BUILT:
        return []
    return held_locks(scene) if scene.tracking is LockTracking.ON else ["INFO: lockdep is turned off."]


def stack(scene: Scene, trace: Sequence[str]) -> list[str]:
    """dump_stack(): who and where."""
    ctx, ident = scene.ctx, scene.ident
    words = ident.words
    user = "UID: 0 " if words.uid else ""
    head = f"CPU: {scene.cpu_id} {user}PID: {ctx.pid} Comm: {ctx.comm} {ident.tainted} {ident.release} {ident.version}"
    if words.preemption:
        head += f" {ident.preemption}"
    return [head, *words.taint_names(ident.taints), "Call Trace:", *(f" {line}" for line in trace)]


def _disabled_at(ctx: Context) -> list[str]:
    lines: list[str] = []
    if ctx.irqs_disabled and ctx.irqs_disabled_at:
        lines += ["hardirqs last disabled at:", f" {ctx.irqs_disabled_at}"]
    if ctx.preempt_count and ctx.preempt_disabled_at:
        lines += ["Preemption disabled at:", f" {ctx.preempt_disabled_at}"]
    return lines


def _tainting(scene: Scene, flag: str, lines: list[str]) -> str:
    """The kernel is tainted once it has said so."""
    scene.ident.taint(flag)
    return "\n".join(lines)


def scheduling_while_atomic(scene: Scene, count: int, trace: Sequence[str]) -> str:
    """__schedule_bug(), with the preempt_count that it finds."""
    lines = [
        f"BUG: scheduling while atomic: {scene.who}/0x{count:08x}",
        *show_held_locks(scene),
        "Modules linked in:",
        *_disabled_at(scene.ctx),
        *stack(scene, trace),
    ]
    return _tainting(scene, "W", lines)


@attrs.frozen(kw_only=True)
class SleepCheck:
    """What __might_resched() was asked: where, and whether the kernel has PREEMPT_RCU's nesting depth to print."""

    where: str
    preempt_rcu: bool
    expected_rcu_depth: int = 0


def sleeping_function(scene: Scene, check: SleepCheck, trace: Sequence[str]) -> str:
    """__might_resched()."""
    ctx = scene.ctx
    depth = f"RCU nest depth: {ctx.rcu_nesting}, expected: {check.expected_rcu_depth}"
    return _tainting(
        scene,
        "W",
        [
            f"BUG: sleeping function called from invalid context at {check.where}",
            (
                f"in_atomic(): {int(ctx.in_atomic())}, irqs_disabled(): {int(ctx.irqs_disabled)}, non_block: 0, "
                f"pid: {ctx.pid}, name: {ctx.comm}"
            ),
            f"preempt_count: {ctx.preempt_count:x}, expected: 0",
            *([depth] if check.preempt_rcu else []),
            *show_held_locks(scene),
            *_disabled_at(ctx),
            *stack(scene, trace),
        ],
    )


def warning(scene: Scene, message: str, function: str, trace: Sequence[str]) -> str:
    """A WARN_ONCE() as __warn() prints it, with its message if it has one; `function` is where it stands."""
    return _tainting(
        scene,
        "W",
        [
            "------------[ cut here ]------------",
            *([message] if message else []),
            (
                f"WARNING: at {function}, CPU#{scene.cpu_id}: {scene.who}"
                if scene.ident.words.warning_place_first
                else f"WARNING: CPU: {scene.cpu_id} PID: {scene.ctx.pid} at {function}"
            ),
            "Modules linked in:",
            *stack(scene, trace),
            "---[ end trace 0000000000000000 ]---",
        ],
    )


def kernel_bug(scene: Scene, function: str, trace: Sequence[str]) -> str:
    """BUG() (lib/bug.c, report_bug()); then arch/x86/kernel/traps.c."""
    return _tainting(
        scene,
        "D",
        [
            "------------[ cut here ]------------",
            f"kernel BUG at {function}!",
            "invalid opcode: 0000 [#1] SMP NOPTI",
            *stack(scene, trace),
            f"RIP: 0010:{function}",
        ],
    )


def null_dereference(scene: Scene, address: int, trace: Sequence[str]) -> str:
    """A page fault of the kernel at an address near 0 (arch/x86/mm/fault.c, show_fault_oops())."""
    where = trace[0] if trace else "?"
    return _tainting(
        scene,
        "D",
        [
            f"BUG: kernel NULL pointer dereference, address: {address:016x}",
            "#PF: supervisor read access in kernel mode",
            "#PF: error_code(0x0000) - not-present page",
            "PGD 0 P4D 0",
            "Oops: 0000 [#1] SMP NOPTI",
            *stack(scene, trace),
            f"RIP: 0010:{where}",
        ],
    )


def general_protection(scene: Scene, trace: Sequence[str], address: int | None = None) -> str:
    """A call or access through what is no pointer (arch/x86/kernel/traps.c, exc_general_protection())."""
    at = f" {address:#x}" if address is not None else ""
    oops = "Oops: " if scene.ident.words.oops_prefix else ""
    return _tainting(
        scene,
        "D",
        [
            f"{oops}general protection fault, probably for non-canonical address{at}: 0000 [#1] SMP NOPTI",
            *stack(scene, trace),
            f"RIP: 0010:{trace[0] if trace else '?'}",
        ],
    )


def use_after_free(scene: Scene, title: str, said: str, history: Sequence[str], trace: Sequence[str]) -> str:
    """print_report() (mm/kasan/report.c): what, who, and the life of the object."""
    return "\n".join(
        [
            "=" * 66,
            title,
            f"{said}, by task {scene.who}",
            "",
            *stack(scene, trace),
            "",
            *history,
            "=" * 66,
        ]
    )


def page_fault(scene: Scene, address: int, trace: Sequence[str]) -> str:
    """The same at an address at which nothing is mapped."""
    return _tainting(
        scene,
        "D",
        [
            f"BUG: unable to handle page fault for address: {address:016x}",
            "#PF: supervisor read access in kernel mode",
            "#PF: error_code(0x0000) - not-present page",
            "PGD 0",
            "Oops: 0000 [#1] SMP NOPTI",
            *stack(scene, trace),
            f"RIP: 0010:{trace[0] if trace else '?'}",
        ],
    )


def suspicious_rcu(scene: Scene, where: str, message: str, scheduler_active: int, trace: Sequence[str]) -> str:
    """lockdep_rcu_suspicious()."""
    return "\n".join(
        [
            "",
            "=" * 29,
            "WARNING: suspicious RCU usage",
            scene.ident.line(),
            "-" * 29,
            f"{where} {message}!",
            "",
            "other info that might help us debug this:",
            "",
            "",
            f"rcu_scheduler_active = {scheduler_active}, debug_locks = {int(scene.tracking is LockTracking.ON)}",
            *held_locks(scene),
            "",
            "stack backtrace:",
            *stack(scene, trace),
        ]
    )
