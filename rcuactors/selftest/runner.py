"""Runs lock programs on the validator itself: a CPU of which only the context matters, and no lock that really locks.

The kernel's selftest does the same: it calls the lock operations one after the other on one CPU, with the validator's
state and the classes made anew before each case (lib/locking-selftest.c, dotest() and reset_locks()), and looks at
debug_locks, which the first report switches off. Wait types are checked as with PROVE_RAW_LOCK_NESTING.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from ..config import Config
from ..context import preempt
from ..context.context import Context
from ..context.judge import Judge
from ..context.lockdep.validated import Validated
from ..context.lockdep.validator import Lockdep
from ..context.locks import READ, RECURSIVE_READ, WRITE, Lock, LockFactory, LockKind, MapSpec
from ..context.processor import Processor, Sleeper
from ..context.splat import Ident
from ..context.violation import Reporter, Violation
from ..context.waittype import WaitNumbers
from ..engine.choice import Timed
from ..engine.conductor import Conductor
from ..eras import V6_1_STABLE
from ..kernel.locking import queued_read_mode
from ..mm.fs_reclaim import FS_RECLAIM_MAP, may_reclaim_into_fs
from ..mm.gfp import GFP_KERNEL, Gfp
from ..rcu.readers import RCU_BH_MAP, RCU_MAP, RCU_SCHED_MAP
from .program import INITIALISE, LEAVE, MIGHT_ALLOC, NESTED, UNLOCK, Step, lock_class_of, parse
from .rows import Case, sections

CONFIG: Final = Config(PREEMPT=True, PROVE_LOCKING=True, PROVE_RAW_LOCK_NESTING=True)
RULES: Final = V6_1_STABLE.rules.lockdep

_KINDS: Final = {
    "raw_spin_lock": LockKind.RAW_SPINLOCK,
    "spin_lock": LockKind.SPINLOCK,
    "local_lock": LockKind.LOCAL_LOCK,
    "write_lock": LockKind.RWLOCK,
    "read_lock": LockKind.RWLOCK,
    "queued_read_lock": LockKind.RWLOCK,
    "mutex_lock": LockKind.MUTEX,
    "down_write": LockKind.RWSEM,
    "down_read": LockKind.RWSEM,
    "rt_mutex_lock": LockKind.RT_MUTEX,
}


_FLAGS: Final = {"GFP_KERNEL": GFP_KERNEL, "GFP_NOFS": GFP_KERNEL & ~Gfp.FS}


@attrs.frozen(kw_only=True)
class _Surroundings:
    """What a section changes: preempt_count, interrupts, the map that it enters; `nofs` as memalloc_nofs_save()."""

    count: int = 0
    irqs_off: bool = False
    threadable: bool = False
    nofs: bool = False
    map: MapSpec | None = None


_SURROUNDINGS: Final = {
    "HARDIRQ": _Surroundings(count=preempt.HARDIRQ_OFFSET, irqs_off=True, threadable=True),
    "HARDIRQ_NOT_THREADED": _Surroundings(count=preempt.HARDIRQ_OFFSET, irqs_off=True),
    "SOFTIRQ": _Surroundings(count=preempt.SOFTIRQ_OFFSET),
    "RCU": _Surroundings(map=RCU_MAP),
    "RCU_BH": _Surroundings(count=preempt.SOFTIRQ_DISABLE_OFFSET, map=RCU_BH_MAP),
    "RCU_SCHED": _Surroundings(count=preempt.PREEMPT_OFFSET, map=RCU_SCHED_MAP),
    "FS_RECLAIM": _Surroundings(map=FS_RECLAIM_MAP),
    "NOFS": _Surroundings(nofs=True),
}


@attrs.frozen
class Outcome:
    """What came of a case: the first report, if any."""

    case: Case
    report: Violation | None

    @property
    def ok(self) -> bool:
        """The validator's verdict is the one expected."""
        return (self.report is not None) == self.case.reported


def run_case(case: Case, validator: type[Lockdep] = Lockdep) -> Outcome:
    """Run one case on a fresh validator."""
    return Outcome(case, Bench(validator).run(case.program))


def run_selftest(validator: type[Lockdep] = Lockdep) -> dict[Case, Outcome]:
    """Run them all."""
    cases = [case for section in sections() for row in section.rows for case in row.cells if case is not None]
    return {case: run_case(case, validator) for case in cases}


class Bench:
    """One CPU with one task, a validator, and locks that are made when a program first names them.

    `validated` is what other programs have left, if they may have a part in what this one shows.
    """

    def __init__(self, validator: type[Lockdep], validated: Validated | None = None) -> None:
        numbers = WaitNumbers(CONFIG.PROVE_RAW_LOCK_NESTING)
        self._reporter = Reporter()
        judge = Judge(CONFIG, Ident("selftest"), self._reporter, numbers)
        self._factory = LockFactory(validated)
        self._lockdep = validator(config=CONFIG, judge=judge, factory=self._factory, rules=RULES)
        self._ctx = Context(comm="swapper/0", pid=0)
        self._cpu = Processor(
            name="cpu0",
            index=0,
            cpu_id=0,
            conductor=Conductor(Timed()),
            judge=judge,
            ctx=self._ctx,
            current=Sleeper(comm=self._ctx.comm, pid=self._ctx.pid, ctx=self._ctx),
        )
        self._locks: dict[str, Lock] = {}
        self._open: list[tuple[_Surroundings, bool, bool]] = []

    def run(self, program: str) -> Violation | None:
        """Do what the program says; the first report of the validator, which ends it. Raises ValueError."""
        for step in parse(program):
            self._do(step)
            if not self._lockdep.on:
                return self._reporter.violations[0]
        return None

    def _do(self, step: Step) -> None:
        """One step."""
        action = step.action
        if action in _KINDS:
            lock = self._lock(step.operand, _KINDS[action])
            self._lockdep.acquire(self._cpu, lock, read=self._mode(action), site=str(step))
        elif action == NESTED:
            lock, nest = (self._lock(name, LockKind.SPINLOCK) for name in (step.operand, step.nest))
            self._lockdep.acquire(self._cpu, lock, nest=nest, site=str(step))
        elif action == UNLOCK:
            self._lockdep.release(self._cpu, self._known(step))
        elif action == INITIALISE:
            # debug_check_no_locks_freed() in every lock's initialisation: nobody may hold it.
            self._lockdep.check_no_locks_freed(self._cpu, self._known(step).address, 1)
        elif action == MIGHT_ALLOC:
            self._might_alloc(step)
        elif action == LEAVE:
            self._leave()
        elif action in _SURROUNDINGS:
            self._enter(_SURROUNDINGS[action], str(step))
        else:
            self._switch(action)

    def _mode(self, action: str) -> int:
        """How an operation takes its lock; read_lock_is_recursive() for the readers of a queued rwlock_t."""
        if action == "queued_read_lock":
            return queued_read_mode(self._ctx.preempt_count)
        return {"read_lock": RECURSIVE_READ, "down_read": READ}.get(action, WRITE)

    def _lock(self, name: str, kind: LockKind) -> Lock:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = self._factory.make(lock_class_of(name), kind)
        elif lock.lock_class.kind is not kind:
            raise ValueError(f"lock {name} is of type {lock.lock_class.kind.value}, not {kind.value}")
        return lock

    def _known(self, step: Step) -> Lock:
        if step.operand not in self._locks:
            raise ValueError(f"{step}: no such lock was ever taken")
        return self._locks[step.operand]

    # -- context -----------------------------------------------------------------------------------------------------

    def _set(self, *, count: int, irqs_off: bool) -> None:
        """Change the context; tell the validator what is enabled that was not."""
        ctx = self._ctx
        irqs_come_on = ctx.irqs_disabled and not irqs_off
        bottom_halves_come_on = ctx.preempt_count & preempt.SOFTIRQ_MASK and not count & preempt.SOFTIRQ_MASK
        ctx.preempt_count, ctx.irqs_disabled = count, irqs_off
        if bottom_halves_come_on:
            self._lockdep.softirqs_on(self._cpu)
        if irqs_come_on:
            self._lockdep.hardirqs_on(self._cpu)

    def _switch(self, action: str) -> None:
        ctx = self._ctx
        count = ctx.preempt_count
        if action in ("IRQS_OFF", "IRQS_ON"):
            self._set(count=count, irqs_off=action == "IRQS_OFF")
        else:
            change = preempt.SOFTIRQ_DISABLE_OFFSET if action == "BH_OFF" else -preempt.SOFTIRQ_DISABLE_OFFSET
            self._set(count=count + change, irqs_off=ctx.irqs_disabled)

    def _enter(self, into: _Surroundings, site: str) -> None:
        ctx = self._ctx
        self._open.append((into, ctx.irqs_disabled, ctx.hardirq_threadable))
        ctx.hardirq_threadable = into.threadable or ctx.hardirq_threadable
        self._set(count=ctx.preempt_count + into.count, irqs_off=ctx.irqs_disabled or into.irqs_off)
        if into.map is not None:
            self._lockdep.acquire(self._cpu, self._map(into.map), site=site)

    def _leave(self) -> None:
        out_of, irqs_off, threadable = self._open.pop()
        if out_of.map is not None:
            self._lockdep.release(self._cpu, self._map(out_of.map))
        self._ctx.hardirq_threadable = threadable
        self._set(count=self._ctx.preempt_count - out_of.count, irqs_off=irqs_off)

    def _map(self, spec: MapSpec) -> Lock:
        if spec.name not in self._locks:
            self._locks[spec.name] = self._factory.make_map(spec)
        return self._locks[spec.name]

    def _might_alloc(self, step: Step) -> None:
        """might_alloc(): whoever may reclaim into file systems must not be doing so already."""
        gfp = _FLAGS.get(step.operand)
        if gfp is None:
            raise ValueError(f"{step}: no such flags; there are {', '.join(_FLAGS)}")
        if any(section.nofs for section, *_ in self._open):
            gfp &= ~Gfp.FS  # current_gfp_context()
        if may_reclaim_into_fs(gfp):
            self._lockdep.acquire(self._cpu, self._map(FS_RECLAIM_MAP), site=str(step))
            self._lockdep.release(self._cpu, self._map(FS_RECLAIM_MAP))


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those whose verdict is not the one expected."""
    return [outcome for outcome in outcomes if not outcome.ok]
