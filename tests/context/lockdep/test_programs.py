"""Random lock programs: silence for those that keep to the rules, a report for a planted mistake, never a crash.

A lawful program has one global order: sleeping locks, then spinlocks, then raw locks, and last the raw locks that
interrupt handlers take too, which threads take with interrupts off only. Threads on two CPUs take ascending selections
of them, exclusively, shared or by trylock, and let go in any order, while interrupts and tasklets come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Result, StepBoundExceeded
from rcuactors.context.locks import Lock
from rcuactors.testing import RcuLab

SLEEPING = ("mutex", "rwsem", "rt_mutex")
SPINNING = ("spinlock", "rwlock")
KINDS = (*SLEEPING, *SPINNING, "raw_spinlock")
SHARED = {"rwsem": ("down_read", "up_read"), "rwlock": ("read_lock", "read_unlock")}
EXCLUSIVE = {
    "mutex": ("mutex_lock", "mutex_unlock", "mutex_trylock"),
    "rwsem": ("down_write", "up_write", "down_write_trylock"),
    "rt_mutex": ("rt_mutex_lock", "rt_mutex_unlock", "rt_mutex_trylock"),
    "spinlock": ("spin_lock", "spin_unlock", "spin_trylock"),
    "rwlock": ("write_lock", "write_unlock", "write_trylock"),
    "raw_spinlock": ("raw_spin_lock", "raw_spin_unlock", "raw_spin_trylock"),
}


@attrs.frozen
class LockSpec:
    """A lock of the program; `in_irq` says that handlers take it."""

    name: str
    kind: str
    in_irq: bool = False

    def make(self, k: Kernel) -> Lock:
        lock: Lock = getattr(k, self.kind)(self.name)
        return lock


@attrs.frozen
class Take:
    """One acquisition: exclusive, shared, or by trylock."""

    spec: LockSpec
    how: str

    @property
    def shared(self) -> bool:
        return self.how == "shared" and self.spec.kind in SHARED

    async def take(self, k: Kernel, lock: Lock) -> bool:
        if self.shared:
            await getattr(k, SHARED[self.spec.kind][0])(lock)
            return True
        names = EXCLUSIVE[self.spec.kind]
        if self.how == "try":
            return bool(getattr(k, names[2])(lock))
        await getattr(k, names[0])(lock)
        return True

    async def release(self, k: Kernel, lock: Lock) -> None:
        await getattr(k, SHARED[self.spec.kind][1] if self.shared else EXCLUSIVE[self.spec.kind][1])(lock)


@attrs.frozen
class Section:
    """Locks taken one in the other, let go in the order `release`; `irqs_off` before that one (-1: not at all)."""

    takes: tuple[Take, ...]
    release: tuple[int, ...]
    irqs_off: int = -1

    async def run(self, k: Kernel) -> None:
        locks = [take.spec.make(k) for take in self.takes]
        held: set[int] = set()
        flags = False
        for at, take in enumerate(self.takes):
            if at == self.irqs_off:
                flags = k.local_irq_save()
            if await take.take(k, locks[at]):
                held.add(at)
        for at in self.release:
            if at in held:
                await self.takes[at].release(k, locks[at])
        if self.irqs_off >= 0:
            await k.local_irq_restore(flags)


@attrs.frozen
class Program:
    """What each thread does, one section after the other; between sections an interrupt may be raised."""

    threads: tuple[tuple[Section, ...], ...]
    handlers: tuple[tuple[bool, Section], ...]

    async def run(self, k: Kernel) -> None:
        async def thread(number: int) -> None:
            for at, section in enumerate(self.threads[number]):
                await section.run(k)
                if self.handlers:
                    await self._interrupt(k, *self.handlers[(number + at) % len(self.handlers)])
            await k.udelay(20)

        async with k.open_nursery() as nursery:
            for number in range(len(self.threads)):
                await nursery.start_soon(thread, number, cpu=number % 2)

    @staticmethod
    async def _interrupt(k: Kernel, hard: bool, section: Section) -> None:
        async def handler() -> None:
            await section.run(k)

        await (k.raise_irq(handler) if hard else k.tasklet_schedule(handler))


@st.composite
def lock_specs(draw: st.DrawFn) -> list[LockSpec]:
    """Locks in their global order."""
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=7)), key=_rank)
    in_irq = draw(st.integers(0, 2))
    threads = [LockSpec(f"{kind}_{number}", kind) for number, kind in enumerate(kinds)]
    return threads + [LockSpec(f"irq_{number}", "raw_spinlock", in_irq=True) for number in range(in_irq)]


def _rank(kind: str) -> int:
    return 0 if kind in SLEEPING else 1 if kind in SPINNING else 2


@st.composite
def sections(draw: st.DrawFn, specs: Sequence[LockSpec], *, irqs_off: bool = False) -> Section:
    """An ascending selection of locks."""
    chosen = [spec for spec in specs if draw(st.booleans())]
    takes = tuple(Take(spec, draw(st.sampled_from(("exclusive", "shared", "try")))) for spec in chosen)
    release = tuple(draw(st.permutations(range(len(takes)))))
    first_irq = next((at for at, spec in enumerate(chosen) if spec.in_irq), -1)
    if irqs_off and takes:
        first_irq = 0
    return Section(takes, release, first_irq)


@st.composite
def lawful(draw: st.DrawFn) -> Program:
    """A program that keeps to the rules."""
    specs = draw(lock_specs())
    threads = draw(st.lists(st.lists(sections(specs), max_size=4).map(tuple), min_size=1, max_size=4).map(tuple))
    shared = [spec for spec in specs if spec.in_irq]
    handler = st.tuples(st.booleans(), sections(shared, irqs_off=True))
    return Program(threads, tuple(draw(st.lists(handler, max_size=2))) if shared else ())


def run_program(program: Program, **options: object) -> Result:
    async def program_thread(k: Kernel) -> None:
        await program.run(k)

    return RcuLab().run(program_thread, PROVE_RAW_LOCK_NESTING=True, **options)


@given(program=lawful(), rt=st.booleans())
@settings(max_examples=120, deadline=None)
def test_never_a_splat_for_a_program_that_keeps_to_the_rules(program: Program, rt: bool) -> None:
    result = run_program(program, PREEMPT_RT=rt)
    assert result.outcome() == "clean", "\n".join(one.text for one in result.violations)


def _one(kind: str, name: str, *, irqs_off: bool = False) -> Section:
    return Section((Take(LockSpec(name, kind), "exclusive"),), (0,), 0 if irqs_off else -1)


def _nested(*locks: tuple[str, str]) -> Section:
    takes = tuple(Take(LockSpec(name, kind), "exclusive") for kind, name in locks)
    return Section(takes, tuple(reversed(range(len(takes)))))


def inversion(kind: str) -> tuple[list[Section], list[tuple[bool, Section]]]:
    """P, then Q in it; Q, then P in it."""
    return [_nested((kind, "P"), (kind, "Q")), _nested((kind, "Q"), (kind, "P"))], []


def recursion(kind: str) -> tuple[list[Section], list[tuple[bool, Section]]]:
    """Two locks of one class: never a deadlock here, since they are two."""
    return [_nested((kind, "P"), (kind, "P"))], []


def nesting(kind: str) -> tuple[list[Section], list[tuple[bool, Section]]]:
    """A lock that may sleep, sooner than a raw one does, under a raw one."""
    return [_nested(("raw_spinlock", "P"), (kind, "Q"))], []


def unsafe(_kind: str) -> tuple[list[Section], list[tuple[bool, Section]]]:
    """A handler takes what a thread takes with interrupts on."""
    return [_one("raw_spinlock", "P")], [(True, _one("raw_spinlock", "P"))]


MISTAKES: dict[str, tuple[Callable[[str], tuple[list[Section], list[tuple[bool, Section]]]], tuple[str, ...]]] = {
    "circular-locking": (inversion, KINDS),
    "recursive-locking": (recursion, KINDS),
    "invalid-wait-context": (nesting, (*SLEEPING, *SPINNING)),
    "inconsistent-lock-state": (unsafe, ("raw_spinlock",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_always_a_splat_for_a_planted_mistake(mistake: str, data: st.DataObject) -> None:
    """Wherever in an otherwise lawful program it stands."""
    plant, kinds = MISTAKES[mistake]
    program = data.draw(lawful())
    more, handlers = plant(data.draw(st.sampled_from(kinds)))
    threads = [list(one) for one in program.threads]
    victim = data.draw(st.sampled_from(threads))
    at = sorted(data.draw(st.lists(st.integers(0, len(victim)), min_size=len(more), max_size=len(more))), reverse=True)
    for place, section in zip(at, reversed(more), strict=True):
        victim.insert(place, section)
    planted = Program(tuple(tuple(one) for one in threads), (*handlers, *program.handlers))
    if handlers:
        # Raised after the first section of each thread: the mistake's own handler comes for certain.
        planted = attrs.evolve(planted, handlers=handlers)
    assert mistake in [one.kind.value for one in run_program(planted).violations]


STEPS = st.sampled_from(
    (
        "lock",
        "unlock",
        "trylock",
        "read",
        "read_unlock",
        "init",
        "free",
        "irq",
        "tasklet",
        "preempt_disable",
        "preempt_enable",
        "local_irq_disable",
        "local_irq_enable",
        "local_bh_disable",
        "local_bh_enable",
        "rcu_read_lock",
        "rcu_read_unlock",
        "synchronize_rcu",
        "msleep",
        "udelay",
    )
)


async def wild_step(k: Kernel, step: str, locks: Sequence[Lock], specs: Sequence[LockSpec], number: int) -> None:
    """One step of a program that knows no rules."""
    spec, lock = specs[number % len(specs)], locks[number % len(specs)]
    names = EXCLUSIVE[spec.kind]
    if step in ("lock", "unlock", "trylock"):
        outcome = getattr(k, names[("lock", "unlock", "trylock").index(step)])(lock)
    elif step in ("read", "read_unlock"):
        outcome = getattr(k, SHARED.get(spec.kind, names)[step == "read_unlock"])(lock)
    elif step == "init":
        outcome = k.lock_init(lock)
    elif step == "free":
        outcome = k.kfree(await k.kmalloc(64))
    elif step in ("irq", "tasklet"):

        async def handler() -> None:
            await wild_step(k, "lock", locks, specs, number)

        outcome = k.raise_irq(handler) if step == "irq" else k.tasklet_schedule(handler)
    elif step in ("msleep", "udelay"):
        outcome = getattr(k, step)(1)
    else:
        outcome = getattr(k, step)()
    if isinstance(outcome, Awaitable):
        await outcome


@given(
    specs=lock_specs(),
    threads=st.lists(st.lists(st.tuples(STEPS, st.integers(0, 8)), max_size=8), min_size=1, max_size=3),
    keep_going=st.booleans(),
    rt=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_no_program_makes_the_model_fall_over(
    specs: list[LockSpec], threads: list[list[tuple[str, int]]], keep_going: bool, rt: bool
) -> None:
    async def wild(k: Kernel) -> None:
        locks = [spec.make(k) for spec in specs]

        async def thread(steps: list[tuple[str, int]]) -> None:
            for step, number in steps:
                await wild_step(k, step, locks, specs, number)

        async with k.open_nursery() as nursery:
            for number, steps in enumerate(threads):
                await nursery.start_soon(thread, steps, cpu=number % 2)

    try:
        result = RcuLab().run(
            wild,
            PROVE_RAW_LOCK_NESTING=True,
            DEBUG_ATOMIC_SLEEP=True,
            lockdep_keep_going=keep_going,
            PREEMPT_RT=rt,
            max_steps=200_000,
        )
    except StepBoundExceeded:
        # A grace period that waits for its own waiter is given up after 84 s of ticks.
        return
    assert result.violation_count == len(result.violations)
