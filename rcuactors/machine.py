"""A machine: one kernel version, its configuration and a design, put together on a conductor, and run once.

Everything that a run depends on is an argument here. `run()` brings its own `trio.run`; `arun()` runs inside anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import trio

from .config import Config
from .context import splat
from .context.judge import Judge
from .context.lockdep.validated import Validated
from .context.lockdep.validator import LockdepStatistics
from .context.splat import Ident
from .context.trace import call_trace, keep_trace
from .context.violation import KERNEL, ORACLE, Reporter, ReporterStatistics, Violation, ViolationKind
from .context.waittype import WaitNumbers
from .designs import make_design
from .engine.choice import Strategy, Timed
from .engine.clock import VirtualClock
from .engine.conductor import Conductor
from .engine.errors import InVain, RunOver
from .engine.events import Event, EventStream, Sink
from .engine.host import ConductorStatistics, Host
from .engine.line import DEFAULT_MAX_STEPS
from .engine.probe import EngineProbes, Probe
from .eras import Era
from .kernel.costs import CostModel
from .kernel.cpu import Cpu
from .kernel.irq.softirq import SoftirqStatistics
from .kernel.left_open import LeftOpen
from .kernel.locking.common import LockStatistics
from .kernel.locking.deadlock import describe_stuck
from .kernel.probes import KernelProbes
from .kernel.system import System, SystemStatistics
from .kernel.thread import Thread, ThreadState
from .kernel.time.hrtimer import HrtimerStatistics
from .kernel.time.timer import TimerStatistics
from .kernel.workqueue import Workqueues, WorkqueueStatistics
from .kvfree.core import KvfreeRcu
from .kvfree.figures import KvfreeStatistics
from .kvfree.probes import KvfreeProbes
from .kvfree.rules import EraRules, PageSource, rules_with
from .mm.kasan_aux import save_aux_stacks
from .mm.kernel_memory import DebugObjectMemory, ThreadMemory
from .mm.objects import KasanTrack
from .mm.page.page_alloc import PageAllocator, PageAllocatorStatistics
from .mm.page.zone import ZoneStatistics
from .mm.probes import MmProbes
from .mm.reclaim import ReclaimStatistics
from .mm.slab.cache import SlabStatistics
from .mm.slab.making import make_slab
from .mm.vmalloc import Vmalloc, VmallocStatistics
from .mm.vmstat import start_shepherd
from .rcu.book import ReaderBook
from .rcu.callbacks import Callbacks, SchedulerActive
from .rcu.data import CallbackStatistics
from .rcu.exp_polled import ExpeditedPolling
from .rcu.expedited import expedited_of
from .rcu.gp import GracePeriodMachine, GracePeriodStatistics
from .rcu.gp_workqueue import GpWorkqueue
from .rcu.hotplug import RcuHotplug
from .rcu.nocb import OffloadedCallbacks
from .rcu.oracle import Oracle, OracleStatistics
from .rcu.polled import PolledGracePeriods
from .rcu.probes import RcuProbes
from .rcu.quiescent import QuiescentStates
from .rcu.rcu_barrier import RcuCalls
from .rcu.readers import ReadSide, ReadSideStatistics
from .rcu.rules import RcuRules
from .rcu.sr_normal import take_requests
from .rcu.srcu import Srcu
from .rcu.stall import StallDetector, StallStatistics
from .spelling import counted

Body = Callable[[], Coroutine[Any, Any, None]]


@attrs.frozen(kw_only=True)
class Setup:
    """What a machine is made of: the objects that a run's options name.

    `design` is the version's own unless given. `early_boot`: the scenario begins before the scheduler runs.
    `validated` is what lockdep begins with; where that is from other runs, the first report ends this one (InVain).
    """

    era: Era
    config: Config = attrs.field(factory=Config)
    design: PageSource | None = None
    strategy: Strategy = attrs.field(factory=Timed)
    seed: int = 0
    costs: CostModel = attrs.field(factory=CostModel)
    max_steps: int = DEFAULT_MAX_STEPS
    early_boot: bool = False
    conductor: type[Conductor] = Conductor
    sinks: tuple[Sink, ...] = ()
    validated: Validated = attrs.field(factory=Validated)


@attrs.frozen(kw_only=True)
class MachineStatistics:
    """What every part of a machine has counted so far; docs/results.md lists all figures, with their units."""

    conductor: ConductorStatistics
    system: SystemStatistics
    hrtimers: HrtimerStatistics
    timers: TimerStatistics
    workqueues: WorkqueueStatistics
    softirqs: SoftirqStatistics
    locks: LockStatistics
    lockdep: LockdepStatistics
    gp: GracePeriodStatistics
    stalls: StallStatistics
    callbacks: CallbackStatistics
    readers: ReadSideStatistics
    oracle: OracleStatistics
    zone: ZoneStatistics
    pages: PageAllocatorStatistics
    slab: SlabStatistics
    vmalloc: VmallocStatistics
    reclaim: ReclaimStatistics
    kvfree: KvfreeStatistics
    reporter: ReporterStatistics


@attrs.frozen(kw_only=True)
class MachineProbes:
    """Every way to look on at a machine; docs/looking-on.md lists them. Listeners are added before the run."""

    violation: Probe[[Violation]]
    """(violation) Something was reported."""
    event: Probe[[Event]]
    """(event) A tracepoint was passed."""
    engine: EngineProbes
    kernel: KernelProbes
    mm: MmProbes
    rcu: RcuProbes
    kvfree: KvfreeProbes


class Machine:
    """The floors, wired. Made for one run."""

    def __init__(self, setup: Setup) -> None:
        self.setup, config, self.end_ns = setup, setup.config, 0
        host = Host(on_quiescent=self._quiescent, on_over=self._over, verdict=self._verdict)
        self.conductor = setup.conductor(setup.strategy, seed=setup.seed, max_steps=setup.max_steps, host=host)
        self.events = EventStream(setup.sinks, self.conductor.ended_by)
        self.reporter = self._reporter()
        source = setup.design if setup.design is not None else make_design(setup.era.design)
        rules = rules_with(source, setup.era.rules)
        ident = Ident(setup.era.release, words=rules.splat, preemption=config.preempt_model)
        waits = WaitNumbers(config.PROVE_RAW_LOCK_NESTING)
        self.judge = Judge(config, ident, self.reporter, waits, booting=setup.early_boot)
        self.system = self._new_system(rules)
        self.workqueues = Workqueues(self.system)
        self.oracle = self._new_oracle()
        self.gp = self._new_gp()
        self.book = ReaderBook(self.system, self.oracle)
        self.readers = ReadSide(self.system, QuiescentStates(self.system, self.gp, rules.rcu), self.book)
        self.stalls = StallDetector(self.system, self.gp, rules.rcu, self._hopeless)
        gp_wq = GpWorkqueue(self.workqueues)
        self.callbacks = self._new_callbacks(rules.rcu, gp_wq)
        self.polled = PolledGracePeriods(self.gp, self.callbacks, rules.rcu)
        take_requests(self.polled, self.workqueues)
        self.exp_polled = ExpeditedPolling(self.polled, gp_wq)
        self.rcu_hotplug = RcuHotplug(self.gp, self.callbacks, self.readers.quiescent, rules.rcu)
        self.srcu = Srcu(self.callbacks, gp_wq, self.oracle)
        self.pages = PageAllocator(self.system, rules.mm)
        save_aux_stacks(self.system, self.pages, rules.mm, can_alloc=rules.rcu.aux_stacks_allocate)
        start_shepherd(self.system, self.pages.zone, self.workqueues)
        self.slab = make_slab(
            self.system, self.pages, self.oracle, rules.mm, rcu=RcuCalls(self.callbacks), workqueues=self.workqueues
        )
        self.system.kthreadd.takes_memory_from(ThreadMemory(self.slab, self.pages))
        self.system.debug_objects.takes_memory_from(self.system, DebugObjectMemory(self.slab, rules.mm))
        self.vmalloc = Vmalloc(self.system, self.pages, self.oracle, self.workqueues, rules.mm)
        self.kvfree = KvfreeRcu(
            system=self.system,
            workqueues=self.workqueues,
            callbacks=self.callbacks,
            pages=self.pages,
            slab=self.slab,
            vmalloc=self.vmalloc,
            oracle=self.oracle,
            polled=self.polled,
            rules=rules.kvfree,
            source=source,
        )
        self.kvfree_shrinker = rules.kvfree.shrinker(self.kvfree)
        self.pages.reclaim.shrinkers.registered.append(self.kvfree_shrinker)
        if not setup.early_boot:
            self.kvfree.batch_init()

    def _new_oracle(self) -> Oracle:
        record = self._free_record if self.setup.config.KASAN else None
        probes, access = RcuProbes(self.conductor.ended_by), self.conductor.probes.access
        return Oracle(self._found, probes, access, record=record, retired_in="kvfree_call_rcu")

    def _new_gp(self) -> GracePeriodMachine:
        index, spawned = self.system.next_actor_index(), not self.setup.early_boot
        machine = GracePeriodMachine(self.system, index=index, probes=self.oracle.probes, spawned=spawned)
        self.system.add_device(machine)
        return machine

    def _new_callbacks(self, rules: RcuRules, gp_wq: GpWorkqueue) -> Callbacks:
        expedited = expedited_of(self.gp, self.readers.quiescent, self.stalls, gp_wq)
        if not (early_boot := self.setup.early_boot):
            expedited.rcu_end_inkernel_boot()
        callbacks = (OffloadedCallbacks if self.setup.config.rcu_nocbs else Callbacks)(
            self.system,
            self.gp,
            self.readers,
            self.stalls,
            expedited,
            rules=rules,
            scheduler_active=SchedulerActive.INACTIVE if early_boot else SchedulerActive.RUNNING,
        )
        if isinstance(callbacks, OffloadedCallbacks):
            callbacks.boot()
        return callbacks

    def _new_system(self, rules: EraRules) -> System:
        """The floors of lockdep and of CPUs. What the run leaves open is only so where somebody looks for it."""
        setup, config = self.setup, self.setup.config
        is_open = setup.strategy.order.asks_always or setup.strategy.holds_up
        return System(
            config=config,
            rules=rules.kernel,
            lockdep=rules.lockdep,
            conductor=self.conductor,
            judge=self.judge,
            costs=setup.costs,
            events=self.events,
            on_hung=self._hung,
            left_open=LeftOpen.of(config) if is_open else LeftOpen(),
            validated=setup.validated,
        )

    def _reporter(self) -> Reporter:
        reported: Probe[[Violation]] = Probe(self.conductor.ended_by)
        reported.listen(self._in_vain if self.setup.validated.from_before else self._emit_violation)
        return Reporter(panic_on_warn=self.setup.config.panic_on_warn, reported=reported)

    @property
    def probes(self) -> MachineProbes:
        """What can be listened to."""
        return MachineProbes(
            violation=self.reporter.reported,
            event=self.events,
            engine=self.conductor.probes,
            kernel=self.system.probes,
            mm=self.pages.zone.probes,
            rcu=self.oracle.probes,
            kvfree=self.kvfree.probes,
        )

    def statistics(self) -> MachineStatistics:
        """The figures of all parts, as they are now. Each part has them as `statistics()` of its own, too."""
        system = self.system
        return MachineStatistics(
            conductor=self.conductor.statistics(),
            system=system.statistics(),
            hrtimers=system.hrtimers.statistics(),
            timers=system.timers.statistics(),
            workqueues=self.workqueues.statistics(),
            softirqs=system.softirqs.statistics(),
            locks=system.locks.statistics(),
            lockdep=system.lockdep.statistics(),
            gp=self.gp.statistics(),
            stalls=self.stalls.statistics(),
            callbacks=self.callbacks.statistics(),
            readers=self.readers.statistics(),
            oracle=self.oracle.statistics(),
            zone=self.pages.zone.statistics(),
            pages=self.pages.statistics(),
            slab=self.slab.statistics(),
            vmalloc=self.vmalloc.statistics(),
            reclaim=self.pages.reclaim.statistics(),
            kvfree=self.kvfree.statistics(),
            reporter=self.reporter.statistics(),
        )

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, body: Body, name: str) -> None:
        """Run under our own `trio.run`. Raises what the scenario raised, or the first KernelBug under panic_on_warn."""
        trio.run(self.arun, body, name, clock=VirtualClock(), restrict_keyboard_interrupt_to_checkpoints=True)

    async def arun(self, body: Body, name: str) -> None:
        """The same inside somebody else's `trio.run`."""
        await self.conductor.run(lambda: self.boot(body, name))
        if self.conductor.failure is not None:
            raise self.conductor.failure

    def _verdict(self) -> str:
        return self.reporter.outcome()

    def _over(self) -> None:
        """Take no more reports and events: what unwinds from here on is no part of the run."""
        self.reporter.close()
        self.events.close()
        running = self.conductor.running
        self.end_ns = max(self.conductor.now, running.clock if running is not None else 0)

    def boot(self, body: Body, name: str) -> None:
        """Have the scenario's first thread stand in line: what a conductor is to begin with."""
        boot_cpu = self.system.cpu(0)
        self.system.start()
        main = self.system.create_thread(boot_cpu, name[:15], lambda: self._main(boot_cpu, body), bound=False)
        boot_cpu.make_runnable(main)
        self.pages.inject_failures(True)

    async def _main(self, cpu: Cpu, body: Body) -> None:
        """The scenario's first thread, which is the end of boot unless the scenario begins before that."""
        if not self.setup.early_boot:
            self.pages.reclaim.fs_reclaim.kernel_init_freeable(cpu)
        await body()

    def _quiescent(self) -> None:
        """Nobody can go on and no timer is armed: the end, or a deadlock."""
        stuck = [
            thread for thread in self.system.threads if not thread.service and thread.state is not ThreadState.DEAD
        ]
        locked = [thread for thread in self.system.threads if thread.blocked_on is not None]
        try:
            if stuck or locked:
                lines = describe_stuck(self.system)
                title = f"DEADLOCK: nothing can run; {counted(len(lines), 'thread waits', 'threads wait')}"
                self._report(ViolationKind.DEADLOCK, title, lines, ORACLE)
            self.system.watchdogs.hung_tasks.tell_of_the_stuck(self.reporter)
            waiting, lost = self.slab.waiting_in_sheaves(), self.kvfree.without_monitor()
            self.oracle.end_of_run(machine_idle=not stuck and not locked, waiting=waiting, reasons=lost)
        except Exception as error:
            self.conductor.finish(error)
        self.conductor.finish()

    def _hung(self) -> None:
        """The clock ticks on, but no thread of the scenario has run for two minutes."""
        stuck = describe_stuck(self.system)
        self._report(ViolationKind.DEADLOCK, "DEADLOCK: INFO: tasks blocked for more than 120 seconds", stuck, ORACLE)
        self.system.watchdogs.hung_tasks.tell_of_the_stuck(self.reporter)
        self.conductor.finish()

    def _hopeless(self) -> None:
        """A grace period does not end. One that is still there when the kernel would say so again never will."""
        stuck = describe_stuck(self.system)
        self._report(ViolationKind.DEADLOCK, f"DEADLOCK: {self.gp.name} waits for ever for a reader", stuck, ORACLE)
        self.conductor.finish()

    # -- what runs now -----------------------------------------------------------------------------------------------

    @property
    def this_cpu(self) -> Cpu:
        """The CPU that has the baton.

        Raises RuntimeError when no code of the machine is running, RunOver when its run is over.
        """
        running = self.conductor.running
        if isinstance(running, Cpu):
            return running
        if self.conductor.over:
            raise RunOver
        raise RuntimeError(
            "the kernel's functions can only be called from a thread or handler of a running machine: "
            "start kernel threads with k.kthread_run() or k.open_nursery(), not with trio.open_nursery()"
        )

    @property
    def current(self) -> Thread:
        """The thread whose stack it runs on (the kernel's `current`). Raises as `this_cpu`."""
        return self.this_cpu.current

    # -- boot, when the scenario asked to be there -------------------------------------------------------------------

    async def scheduler_running(self, cpu: Cpu) -> None:
        """rcu_scheduler_active becomes RUNNING, and what waited for that is armed."""
        self.callbacks.rcu_set_runtime_mode(cpu)
        self.judge.booted()
        self.pages.reclaim.fs_reclaim.kernel_init_freeable(cpu)
        await self.kvfree.kfree_rcu_scheduler_running(cpu)

    # -- reports -----------------------------------------------------------------------------------------------------

    def _free_record(self, how: str) -> KasanTrack:
        cpu = self.this_cpu
        return KasanTrack(f"{cpu.ctx.comm}/{cpu.ctx.pid}", cpu.clock, cpu.cpu_id, how, keep_trace())

    def _found(self, kind: ViolationKind, title: str, lines: list[str], touches_freed: bool = False) -> None:
        """What the oracle found; a kernel with KASAN sees it, too, when freed memory is touched."""
        config = self.setup.config
        if touches_freed and kind is ViolationKind.DOUBLE_FREE and config.slub_debug and not config.KASAN:
            # object_err() in free_consistency_checks(); the cache's name stands before that.
            self.judge.lockdep_unreliable()
            self._report(kind, f"BUG kmalloc ({self.judge.ident.tainted}): Object already free", [title, *lines])
            if self.setup.era.rules.mm.object_err_warns and isinstance(self.conductor.running, Cpu):
                self.judge.warn_on(self.conductor.running, kind, "1", "object_err")
            return
        if not touches_freed or not config.KASAN or not isinstance(self.conductor.running, Cpu):
            self._report(kind, title, lines, by=ORACLE)
            return
        self.judge.lockdep_unreliable()
        what = "use-after-free" if kind is ViolationKind.USE_AFTER_FREE else self.setup.era.rules.mm.kasan_double_free
        cpu, trace, said = self.conductor.running, call_trace(), title.removeprefix("BUG: ")
        title = f"BUG: KASAN: {what} in {trace[0]}"
        self.judge.report(cpu, kind, title, splat.use_after_free(self.judge.scene(cpu), title, said, lines, trace))

    def _report(self, kind: ViolationKind, title: str, lines: list[str], by: str = KERNEL) -> None:
        running = self.conductor.running
        if isinstance(running, Cpu):
            text = "\n".join([title, *(f" {line}" for line in lines), *self.judge.stack(running, call_trace())])
            self.judge.report(running, kind, title, text, by)
            return
        text = "\n".join([title, *(f" {line}" for line in lines)])
        violation = Violation(
            kind=kind, title=title, time_ns=self.conductor.now, cpu=-1, context="none", text=text, by=by
        )
        self.reporter.report(violation)

    def _in_vain(self, _violation: Violation) -> None:
        """By itself this run may have had nothing to report: nobody hears of it."""
        self.events.close()
        raise InVain

    def _emit_violation(self, violation: Violation) -> None:
        if self.events.on:
            running = self.conductor.running
            if isinstance(running, Cpu):
                self.system.emit(running, "console", violation.title)
            else:
                self.system.emit_device("rcuactors", 0, violation.time_ns, "console", violation.title)
