"""The rig: one cell on one fresh machine, as the rig of the recordings did it on real ones.

A runner, a thread on CPU 1, prepares what the operation needs, enters the context and does the operation. A contender
on CPU 0 holds the lock for 500 ms, or takes pages and frees them for ever. On each CPU a housekeeper wakes up every
40 ms for a moment, as some thread does on any real machine: it is what makes a busy CPU want to reschedule. A cell is
over when the operation is done, at the first report, or when it has lasted for 9 s.

What a first page is got from: each CPU's page list was refilled before, and the runner's CPU has a slab of the object
size with room; CPU 0 has none, since nobody there has used that size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import attrs

from ..context.violation import Violation
from ..kapi import Kernel
from ..kernel.cpu import Cpu
from ..kernel.locking.deadlock import describe_stuck
from ..kernel.thread import Thread
from ..lab.bystanders import Contender, housekeeper, sleeper
from ..lab.contexts import Context
from ..lab.time_limit import TimeLimit
from ..machine import Machine
from ..runs import RunOptions
from ..runs.run import setup_of
from .cells import Cell
from .contexts import CONTEXTS
from .operations import OBJECT_SIZE, OPERATIONS
from .verdict import Offence, VerdictClass, class_of_line, first_line_of, offence_in

RUNNER_CPU: Final = 1
OTHER_CPU: Final = 0
LIMIT_NS: Final = 9_000_000_000
_MANY: Final = 1_200
_REFILL: Final = 3_000
_ROUNDS: Final = 6
_REFILL_CONTENDED: Final = 120
"""Pages a round: more than the CPU's list keeps."""
_DWELL_NS: Final = 10_000
"""By then the contender has used up what its CPU's list held."""
_PHASE_NS: Final = 350
_LOCK_FUNCTIONS: Final = frozenset({"raw_spin_lock", "spin_lock", "rt_spin_lock", "mutex_lock"})


@attrs.frozen(kw_only=True)
class Measured:
    """What the body found in its context before the operation."""

    irqs_off: bool
    preempt_count: int
    in_hardirq: bool
    in_serving_softirq: bool
    in_task: bool


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a cell. `text` is the report in full; `refills` counts calls of rmqueue_bulk() meanwhile.

    `reason` says what the operation met that may make a thread sleep, and why that was reported or not.
    """

    cell: Cell
    verdict: VerdictClass
    title: str = ""
    text: str = ""
    reason: str = ""
    offence: Offence | None = None
    measured: Measured | None = None
    refills: int = 0


class Rig:
    """One cell's machine, and what its threads share."""

    def __init__(self, cell: Cell, options: RunOptions) -> None:
        self.cell = cell
        # All settings are the configuration's, since a cell has no parameters; nobody looks at its events.
        self.machine = Machine(setup_of(attrs.evolve(options, events=False), options.settings))
        self.k = k = Kernel(self.machine)
        self.op_raw, self.op_spin, self.op_mutex = k.raw_spinlock("op_raw"), k.spinlock("op_spin"), k.mutex("op_mutex")
        self.work, self.delayed_work = k.work(self.nothing), k.delayed_work(self.nothing)
        self.timer, self.irq_work = k.timer_setup(self.nothing), k.irq_work(self.nothing)
        self.hrtimer, self.hrtimer_hard = k.hrtimer(self.nothing), k.hrtimer(self.nothing, hard=True)
        self.supplies: list[Any] = []
        self.pages: list[int | None] = []
        self.objects: list[Any] = []
        self._operation = OPERATIONS[cell.op]
        self._contender = Contender(
            k,
            holds=getattr(self, self._operation.holds) if self._operation.holds else None,
            with_areas=cell.op == "vfree",
        )
        self._limit = TimeLimit(self.machine, LIMIT_NS, self._out_of_time)
        self.machine.probes.violation.listen(self._reported)
        self.machine.probes.kernel.switched.listen(self._switched)
        self._turn = 0
        self._limiting = False
        self._first: Violation | None = None
        self._blocked_on = ""
        self._slept_on: Counter[str] = Counter()
        self._measured: Measured | None = None
        self._hang: list[str] = []
        self._refills = 0

    async def nothing(self) -> None:
        """What a work, a timer or a callback of the rig does."""

    def run(self) -> Outcome:
        """Run the cell to its end."""
        self.machine.run(self._main, "nest_main")
        return self._outcome()

    # -- threads -----------------------------------------------------------------------------------------------------

    async def _main(self) -> None:
        k, cell = self.k, self.cell
        await self._fill_page_list()
        for cpu in (OTHER_CPU, RUNNER_CPU):
            await k.kthread_run(housekeeper, k, cpu=cpu, name=f"housekeeper/{cpu}")
        self.sleeper = await k.kthread_run(sleeper, k, cpu=RUNNER_CPU, name="nest_sleeper")
        await k.kthread_run(self._runner, cpu=RUNNER_CPU, name="nest_runner")
        if cell.contended:
            await k.kthread_run(self._contender.main, cpu=OTHER_CPU, name="nest_contender")

    async def _fill_page_list(self) -> None:
        await self.k.free_page(await self.k.get_free_page())

    async def _runner(self) -> None:
        k, cell = self.k, self.cell
        await self._fill_page_list()
        await k.kfree(await k.kmalloc(OBJECT_SIZE))
        if cell.variant.startswith("warm"):
            await self._warm()
        await self._supply()
        self._begin()
        for turn in range(self._rounds()):
            self._turn = turn
            await self._enter(CONTEXTS[cell.context])
            self._limiting = False
            await self._contender.stop()
            await self._clean_up()
        self._refills = self.machine.pages.zone.refills - self._refills
        self.machine.conductor.finish()

    async def _enter(self, context: Context) -> None:
        """Have the body run in the context, with the contender at it by then."""
        if context.enter_later is not None:
            self._limiting = True
            await context.enter_later(self.k, self._body, self._contend)
            return
        await self._contend()
        self._limiting = True
        await context.enter(self.k, self._body)

    async def _contend(self) -> None:
        """Have the contender work against the operation from now on, if the cell wants that. May sleep.

        Each round meets it at another point of its loop.
        """
        if self.cell.contended:
            await self._contender.start()
            await self.k.ndelay(_DWELL_NS + self._turn * _PHASE_NS)

    async def _warm(self) -> None:
        """Miss kvfree_rcu()'s page cache once on each CPU, so that it is filled."""
        for cpu in (OTHER_CPU, RUNNER_CPU):
            task = await self.k.kthread_run(self._miss, cpu=cpu, name=f"nest_warm/{cpu}")
            await self.k.kthread_join(task)
        await self.k.msleep(20)

    async def _miss(self) -> None:
        await self.k.kvfree_rcu(await self.k.kmalloc(OBJECT_SIZE // 2), "rcu")

    def _begin(self) -> None:
        self._refills = self.machine.pages.zone.refills
        self._limit.begin("nest_runner")

    # -- a turn ------------------------------------------------------------------------------------------------------

    def _rounds(self) -> int:
        return _ROUNDS if self.cell.contended and not self._operation.holds else 1

    def _count(self) -> int:
        """How often the operation is done in one round."""
        variant = self.cell.variant
        if "many" in variant:
            return _MANY if self._rounds() == 1 else _MANY // _ROUNDS
        if "refill" in variant:
            return _REFILL if self._rounds() == 1 else _REFILL_CONTENDED * self._operation.from_a_page
        return 1

    async def _supply(self) -> None:
        supply = self._operation.supply
        if supply is not None:
            self.supplies = [await supply(self) for _ in range(self._count())]

    async def _clean_up(self) -> None:
        """Between two rounds, in process context: give back what was got, get what is needed."""
        if self._rounds() == 1:
            return
        while self.pages:
            await self.k.free_page(self.pages.pop())
        while self.objects:
            await self.k.kfree(self.objects.pop())
        await self._supply()

    async def _body(self) -> None:
        """In the context: look around, then do it."""
        k = self.k
        if self._measured is None:
            self._measured = Measured(
                irqs_off=k.irqs_disabled(),
                preempt_count=k.preempt_count(),
                in_hardirq=k.in_hardirq(),
                in_serving_softirq=k.in_serving_softirq(),
                in_task=not (k.in_nmi() or k.in_hardirq() or k.in_serving_softirq()),
            )
        act = self._operation.act
        for _ in range(self._count()):
            await act(self)

    # -- what is seen ------------------------------------------------------------------------------------------------

    def _reported(self, violation: Violation) -> None:
        """The first report while the operation runs is the cell's verdict, and its end."""
        if not self._limiting or self._first is not None:
            return
        self._first = violation
        running = self.machine.conductor.running
        if isinstance(running, Cpu) and running.current.blocked_on is not None:
            self._blocked_on = running.current.blocked_on.name
        self.machine.conductor.finish()

    def _switched(self, _cpu: Cpu, leaving: Thread, _following: Thread, _preempted: bool) -> None:
        if self._limiting and leaving.blocked_on is not None:
            self._slept_on[leaving.blocked_on.name] += 1

    def _out_of_time(self) -> None:
        """The operation has lasted for as long as the rig waits."""
        self._hang = describe_stuck(self.machine.system)
        self.machine.conductor.finish()

    def _outcome(self) -> Outcome:
        text, first = "", self._first
        if first is not None:
            text = first.text
        elif self._hang:
            text = "\n".join(["HANG: nest_runner did not finish in 9 s", *self._hang])
        title = first_line_of(text)
        return Outcome(
            cell=self.cell,
            verdict=class_of_line(title),
            title=title,
            text=text,
            reason=self._reason(title),
            offence=offence_in(text),
            measured=self._measured,
            refills=self._refills,
        )

    def _reason(self, title: str) -> str:
        if title:
            if not self._blocked_on or self._first is None:
                return "reported at once"
            return f"has to wait for {self._blocked_on} in {_caller_of_lock(self._first.trace)}"
        if self._slept_on:
            slept = ", ".join(f"on {name} ({count}x)" for name, count in sorted(self._slept_on.items()))
            return f"slept {slept}, without a preempt count: nothing to complain about"
        return "never had to sleep"


def _caller_of_lock(trace: Sequence[str]) -> str:
    """The function that took the lock: what stands behind the lock's own functions in a trace, innermost first."""
    taking = [at for at, name in enumerate(trace) if name.removesuffix("_irqsave") in _LOCK_FUNCTIONS]
    return trace[taking[-1] + 1] if taking and taking[-1] < len(trace) - 1 else "an unknown place"


def run_cell(cell: Cell, options: RunOptions) -> Outcome:
    """Try one cell on a fresh machine."""
    return Rig(cell, options).run()
