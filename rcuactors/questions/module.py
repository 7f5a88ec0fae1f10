"""The questions' module on the model: its locks, workqueues and helpers, by the names that they have in questions.c.

What it prints goes to a console of its own, among the reports of the kernel, in the order in which they come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final, Protocol

from ..context.splat import held_locks
from ..kapi import Kernel
from ..kernel.workqueue import WqFlags
from ..marks import machinery
from .before import Before
from .command import Command

_POLL_US: Final = 10
_PATIENT_NS: Final = 1_000_000
"""By as many microseconds it looks less often as it has waited for milliseconds."""

Function = Callable[[], Awaitable[None]]


class Asked(Protocol):
    """Who asks."""

    @property
    def poison(self) -> bool:
        """Whether freed memory is poisoned."""

    @property
    def before(self) -> Before | None:
        """The zone and the CPU's list when pages are asked for, if that is known."""

    @property
    def batches(self) -> int:
        """How many runs of rcu_do_batch() have ended."""

    def say(self, line: str) -> None:
        """A line for the console."""


class NotExpressible(Exception):
    """The model has no words for the question. The message is the reason."""


class Module:
    """q.ko: one question on one machine."""

    def __init__(self, kernel: Kernel, command: Command, asked: Asked) -> None:
        self.kernel = kernel
        self.k = kernel
        self.command, self.question = command, command.question
        self.asked = asked
        self.runs = 0
        self.raw = kernel.raw_spinlock("q_raw")
        self.spin, self.spin2 = kernel.spinlock("q_spin"), kernel.spinlock("q_spin2")
        self.rw = kernel.rwlock("q_rw")
        self.mutex, self.mutex2 = kernel.mutex("q_mutex"), kernel.mutex("q_mutex2")
        self.rwsem = kernel.rwsem("q_rwsem")
        self.never = kernel.completion("q_never")

    def api(self, name: str) -> Any:
        """A function of the kernel's API that it may not have yet: then the question cannot be put."""
        if not hasattr(type(self.k), name):
            raise NotExpressible(f"the API has no {name}()")
        return getattr(self.k, name)

    # -- the words of the question -----------------------------------------------------------------------------------

    @property
    def v(self) -> str:
        """v=..."""
        return self.question.word("v")

    def has(self, name: str, value: str = "1") -> bool:
        """has()."""
        return self.question.word(name) == value

    def arg(self, name: str) -> int:
        """arg()."""
        return self.question.number(name)

    @property
    def cmd(self) -> str:
        """cmdbuf: the question's line as it was given, with the blank behind it."""
        return f"{self.question} "

    # -- workqueues --------------------------------------------------------------------------------------------------

    @cached_property
    def wq(self) -> Any:
        """q_wq."""
        return self.k.alloc_workqueue("q_wq")

    @cached_property
    def wqr(self) -> Any:
        """q_wqr: WQ_MEM_RECLAIM."""
        return self.k.alloc_workqueue("q_wqr", WqFlags.MEM_RECLAIM)

    @cached_property
    def wqo(self) -> Any:
        """q_wqo: an ordered one."""
        return self.k.alloc_ordered_workqueue("q_wqo")

    @cached_property
    def srcu(self) -> Any:
        """q_srcu."""
        return self.k.srcu_struct("q_srcu")

    # -- what it is written with -------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """P()."""
        self.asked.say(f"q: {text}")

    def us(self) -> int:
        """US(): microseconds of ktime_get_ns()."""
        return self.kernel.now // 1000

    @property
    def nr_cpus(self) -> int:
        """num_online_cpus()."""
        return self.kernel.machine.setup.config.nr_cpus

    @property
    def debug_locks(self) -> int:
        """DL: debug_locks, or -1 in a kernel without lockdep."""
        judge = self.kernel.machine.judge
        return int(judge.debug_locks) if judge.config.lockdep else -1

    @machinery
    async def start(self, function: Function, cpu: int, name: str, *, fifo: bool = False) -> Any:
        """start(): a thread bound to a CPU, if there is that one."""
        bound = cpu if cpu < self.nr_cpus else None
        return await self.kernel.kthread_run(function, cpu=bound, name=name, urgent=fifo)

    @machinery
    async def join(self, task: Any) -> None:
        """join()."""
        await self.kernel.kthread_join(task)

    @machinery
    async def busy(self, us: int) -> None:
        """busy(): until the clock has moved on by so much."""
        await self.kernel.udelay(us)

    @machinery
    async def spin_until(self, come: Callable[[], bool], poll_us: int = _POLL_US) -> None:
        """Spin: while (!...) cpu_relax() in the module. Who spins for long looks more rarely."""
        began = self.kernel.now
        while not come():
            await self.kernel.udelay(max(poll_us, (self.kernel.now - began) // _PATIENT_NS))

    @machinery
    async def msleep_until(self, come: Callable[[], bool]) -> None:
        """Sleep: while (!...) msleep(1) in the module."""
        while not come():
            await self.kernel.msleep(1)

    # -- what it prints of a context ---------------------------------------------------------------------------------

    def dump(self) -> None:
        """Who this is, what is off, which readers RCU's own checks see, and debug_show_held_locks(current)."""
        machine = self.kernel.machine
        if not machine.setup.config.lockdep:
            raise NotExpressible("op=dump is not built into the module without lockdep")
        cpu = machine.this_cpu
        ctx = cpu.ctx
        names = {held.lock_class.shown for held in ctx.held}
        bh_off = self.kernel.in_interrupt() and not self.kernel.in_hardirq()
        atomic = bool(ctx.preempt_count) or ctx.irqs_disabled
        held, bh, sched = (
            "rcu_read_lock" in names,
            bh_off or ctx.irqs_disabled or "rcu_read_lock_bh" in names,
            atomic or "rcu_read_lock_sched" in names,
        )
        self.say(
            f"pid {ctx.pid} {ctx.comm} preempt_count {ctx.preempt_count:x} irqs_disabled {int(ctx.irqs_disabled)} "
            f"rcu depth {ctx.rcu_nesting} rcu_read_lock_held {int(held)} bh_held {int(bh)} sched_held {int(sched)}"
        )
        for line in held_locks(machine.judge.scene(cpu)):
            self.asked.say(line)


def returned(value: object, function: str) -> int:
    """What a function returned, as %d prints it. Raises NotExpressible for one that returns nothing here."""
    if value is None:
        raise NotExpressible(f"the API's {function}() does not tell what it returns")
    assert isinstance(value, int)
    return int(value)
