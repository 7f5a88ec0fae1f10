"""Floor 2 put together: CPUs, their threads, and the machinery that they share.

CPUs come into being when something first touches them, so that a machine of 1,024 CPUs of which four are busy is a
machine of four.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Final

import attrs

from ..config import Config
from ..context import preempt
from ..context.context import Context
from ..context.judge import Judge
from ..context.lockdep.rules import LockdepRules
from ..context.lockdep.validated import Validated
from ..context.lockdep.validator import Lockdep
from ..context.locks import LockFactory, LockKind
from ..context.memory import Memory
from ..context.nursery import ContextNursery
from ..engine.actor import Actor
from ..engine.conductor import Conductor
from ..engine.device import Device
from ..engine.events import Event, EventStream
from ..errors import BadInput
from .completion import Completion
from .costs import CostModel
from .cpu import Cpu
from .debugobjects import DebugObjects
from .exit import do_exit
from .fair_server import FairServers
from .hooks import CpuHooks, call_hooks
from .hotplug.cpuhp import CpuHotplug
from .hung_task import Watchdogs
from .irq.irq_work import IrqWorks
from .irq.irqthread import IrqThreads
from .irq.softirq import Softirq, Softirqs
from .irq.spurious import SpuriousInterrupts
from .kcsan import Kcsan
from .kthread import Kthreadd
from .left_open import LeftOpen
from .locking import Locks
from .lockup import LockupDetectors
from .migration import Migration
from .percpu import CpuMasks
from .probes import KernelProbes, Since
from .rules import KernelRules
from .smp import CrossCalls
from .thread import RunQueue, Thread, ThreadState, Urgency
from .time.hrtimer import Hrtimers
from .time.lateness import LATE_TIMER, Lateness
from .time.tick import Ticks
from .time.timer import Timers

Body = Callable[[], Coroutine[Any, Any, None]]

_FIRST_PID: Final = 20
_FIRST_CPU_INDEX: Final = 1000
"""Devices stand before CPUs in the stable order, so there is room for their indices below."""


@attrs.frozen(kw_only=True)
class SystemStatistics:
    """CPUs, threads and the scheduler.

    * `cpus` (CPUs): that something has touched; the others hold nothing.
    * `threads` (threads): that live, the idle threads left out.
    * `threads_created` (threads): since boot.
    * `runnable` (threads): that wait on run queues.
    * `context_switches` (times): a CPU went on with another thread, the idle one included.
    * `migrations` (times): a thread was moved to another CPU.
    """

    cpus: int
    threads: int
    threads_created: int
    runnable: int
    context_switches: int
    migrations: int


class System:
    """One machine's CPUs, threads, timers and softirqs."""

    __slots__ = (
        "_actor_indices",
        "_devices",
        "_lazy",
        "_next_pid",
        "_started",
        "conductor",
        "config",
        "costs",
        "cpus",
        "cross_calls",
        "debug_objects",
        "events",
        "hooks",
        "hotplug",
        "hrtimers",
        "irq_threads",
        "irq_works",
        "judge",
        "kcsan",
        "kthreadd",
        "lateness",
        "left_open",
        "lock_factory",
        "lockdep",
        "locks",
        "lockups",
        "masks",
        "migration",
        "nursery",
        "on_hung",
        "overwritten",
        "probes",
        "rules",
        "since",
        "softirqs",
        "spurious",
        "threads",
        "ticks",
        "timers",
        "watchdogs",
    )

    def __init__(
        self,
        *,
        config: Config,
        rules: KernelRules,
        lockdep: LockdepRules,
        conductor: Conductor,
        judge: Judge,
        costs: CostModel,
        events: EventStream,
        on_hung: Callable[[], None],
        left_open: LeftOpen,
        validated: Validated,
    ) -> None:
        self.config = config
        self.rules = rules
        self.conductor = conductor
        self.judge = judge
        self.costs = costs
        self.events = events
        self.hooks = CpuHooks()
        self.probes = KernelProbes(conductor.ended_by)
        self.since = Since(self.probes, conductor.probes.access)
        self.masks = CpuMasks(config.nr_cpus, config.maxcpus)
        self.lock_factory = LockFactory(validated)
        self.lockdep = Lockdep(config=config, judge=judge, factory=self.lock_factory, rules=lockdep)
        self.locks = self._lock_operations()
        self.debug_objects = DebugObjects(config, rules)
        self.kcsan = Kcsan(self) if config.KCSAN else None
        self.overwritten: dict[int, Memory] = {}
        """What was free and full of poison when somebody wrote there (kernel/locking/poison.py), by address."""
        self.on_hung = on_hung
        self.cpus: dict[int, Cpu] = {}
        self.nursery = ContextNursery(conductor)
        self.migration = Migration(self, enabled=left_open.migrate)
        self.left_open = left_open
        self.lateness = Lateness(conductor, LATE_TIMER, enabled=left_open.late_timers)
        self.spurious = SpuriousInterrupts(self, irqs=left_open.spurious_irqs, nmis=left_open.spurious_nmis)
        self.threads: list[Thread] = []
        self._next_pid = _FIRST_PID
        self._actor_indices = itertools.count(1)
        self._devices: list[Device] = []
        self._started = False
        self.hotplug = CpuHotplug(self, by_decision=left_open.hotplug)
        self._make_parts()

    def all_cpus_seen(self, by: Actor, thing: object) -> None:
        """Each CPU has been seen where it holds nothing up: what it has done is known to `by`, who writes that down."""
        if self.kcsan is not None:
            self.kcsan.knows_all(by, thing)

    def handed_over(self, cpu: Cpu, thing: object) -> None:
        """What this CPU has done so far is known to who finds that thing as it is now."""
        if self.kcsan is not None:
            self.kcsan.releases(cpu, thing)

    def taken_over(self, cpu: Cpu, thing: object) -> None:
        """This one has found it."""
        if self.kcsan is not None:
            self.kcsan.acquires(cpu, thing)

    def _make_parts(self) -> None:
        """What each CPU has of interrupts and timers, and who watches. Raises BadInput for what the version has not."""
        self._lazy = self.config.PREEMPT_LAZY
        if self._lazy and not self.rules.lazy_preemption:
            raise BadInput("PREEMPT_LAZY=y: this version has none; it came with v6.13")
        if self.config.timer_migration and not self.rules.timer_migration:
            raise BadInput("timer_migration=y: this version's timers stay where they are; it came with v6.9")
        self.softirqs = Softirqs(self)
        self.irq_threads = IrqThreads(self)
        self.irq_works = IrqWorks(self)
        self.cross_calls = CrossCalls(self)
        self.hrtimers = Hrtimers(self)
        self.timers = Timers(self)
        self.ticks = Ticks(self)
        self.watchdogs = Watchdogs(self)
        self.lockups = LockupDetectors(self)
        self.kthreadd = Kthreadd(self)
        self._connect_timers()

    def _connect_timers(self) -> None:
        self.add_device(self.hrtimers.device)
        self.hooks.softirqs[Softirq.TIMER] = self.timers.run_softirq
        self.hooks.softirqs[Softirq.TASKLET] = self.softirqs.tasklet_action
        self.hooks.softirqs[Softirq.HRTIMER] = self.hrtimers.run_softirq
        FairServers(self).start()

    def _lock_operations(self) -> Locks:
        config = self.config
        return Locks(
            rt=config.PREEMPT_RT,
            preempt_offset=preempt.PREEMPT_OFFSET if config.preempt_count else 0,
            lockdep=self.lockdep,
            judge=self.judge,
            uncontended_ns=self.costs.lock_ns,
            since=self.since,
            rt_section_ends_last=self.rules.rt_section_ends_last,
        )

    def statistics(self) -> SystemStatistics:
        """Their figures, as they are now."""
        return SystemStatistics(
            cpus=len(self.cpus),
            threads=len(self.threads),
            threads_created=self._next_pid - _FIRST_PID,
            runnable=sum(cpu.runqueue.length() for cpu in self.cpus.values()),
            context_switches=sum(cpu.switches for cpu in self.cpus.values()),
            migrations=self.migration.moved,
        )

    # -- actors ------------------------------------------------------------------------------------------------------

    def next_actor_index(self) -> int:
        """The next device's place in the stable order."""
        return next(self._actor_indices)

    def add_device(self, device: Device) -> None:
        """A device takes part in the run from its start."""
        self.conductor.add_actor(device)
        self._devices.append(device)

    def start(self) -> None:
        """Spawn the devices and every CPU that exists already."""
        self._started = True
        self.nursery.open()
        for device in self._devices:
            device.strand = self.conductor.new_strand(device.name, machinery=True)
            self.conductor.spawn(device.strand, device.main, device)
            self.conductor.enqueue(device, 0)
        for cpu in self.cpus.values():
            self._start_cpu(cpu)

    def _start_cpu(self, cpu: Cpu) -> None:
        self.conductor.spawn(cpu.idle_thread.strand, cpu.main, cpu.idle_thread)
        self.conductor.enqueue(cpu, max(cpu.clock, self.conductor.now))

    # -- CPUs --------------------------------------------------------------------------------------------------------

    def cpu(self, cpu_id: int) -> Cpu:
        """The CPU of that number. Raises BadInput when the machine has no such CPU."""
        cpu = self.cpus.get(cpu_id)
        if cpu is None:
            if cpu_id not in self.masks.possible:
                raise BadInput(
                    f"cpu={cpu_id}: the machine has CPUs 0 to {self.config.nr_cpus - 1} (nr_cpus={self.config.nr_cpus})"
                )
            cpu = self._new_cpu(cpu_id)
        return cpu

    def _new_cpu(self, cpu_id: int) -> Cpu:
        ctx = Context(comm=f"swapper/{cpu_id}", pid=0, preempt_count=self.locks.preempt_offset)
        strand = self.conductor.new_strand(f"cpu{cpu_id}", root=True)
        rq_lock = self.lock_factory.make("&rq->lock", LockKind.RAW_SPINLOCK)
        pi_lock = self.lock_factory.make("&p->pi_lock", LockKind.RAW_SPINLOCK)
        idle = Thread(comm=ctx.comm, pid=0, ctx=ctx, urgency=Urgency.IDLE, strand=strand, pi_lock=pi_lock, service=True)
        cpu = Cpu(
            name=f"cpu{cpu_id}",
            index=_FIRST_CPU_INDEX + cpu_id,
            clock=self.conductor.now,
            cpu_id=cpu_id,
            conductor=self.conductor,
            judge=self.judge,
            ctx=ctx,
            current=idle,
            system=self,
            hooks=self.hooks,
            since=self.since,
            spurious=self.spurious if self.spurious.enabled else None,
            runqueue=RunQueue(rq_lock),
            lazy=self._lazy,
            online=self.masks.is_online(cpu_id),
            active=cpu_id in self.masks.active,
        )
        idle.cpu = cpu
        cpu.idle_thread = idle
        cpu.strand = strand
        self.conductor.add_actor(cpu)
        self.cpus[cpu_id] = cpu
        call_hooks(self.conductor, self.hooks.on_new_cpu, cpu)
        if self._started:
            self._start_cpu(cpu)
        return cpu

    # -- threads -----------------------------------------------------------------------------------------------------

    def create_thread(
        self,
        cpu: Cpu,
        comm: str,
        body: Body,
        *,
        urgency: Urgency = Urgency.NORMAL,
        service: bool = False,
        fair: bool = True,
        bound: bool = True,
        per_cpu: bool = False,
        pid: int | None = None,
    ) -> Thread:
        """kthread_create_on_cpu(): a sleeping thread; wake it to start it. Unless `bound`, it may leave it.

        One that is urgent is real-time unless it is `fair`, as a worker of high priority is. `per_cpu`: it belongs to
        the CPU, and stays when that goes.

        `pid` is that of a thread that the kernel has had since boot under a number that everybody knows.
        """
        if pid is None:
            pid = self._next_pid
            self._next_pid += 1
        # Who first needs a service thread is chance: its name alone says which it is.
        strand = self.conductor.new_strand(f"{comm}/{pid}", label=comm, root=service)
        thread = Thread(
            comm=comm,
            pid=pid,
            ctx=Context(comm=comm, pid=pid),
            urgency=urgency,
            strand=strand,
            pi_lock=self.lock_factory.make("&p->pi_lock", LockKind.RAW_SPINLOCK),
            state=ThreadState.SLEEPING,
            service=service,
            fair=fair and urgency is not Urgency.REALTIME,
            bound=bound,
            per_cpu=per_cpu,
        )
        thread.cpu = cpu
        self.threads.append(thread)

        async def kthread() -> None:
            await body()
            await do_exit(thread)

        self.nursery.start_soon(strand, kthread, thread)
        return thread

    def thread_exited(self, thread: Thread) -> None:
        """Forget a thread that has ended."""
        self.threads.remove(thread)
        self.migration.thread_exited(thread)

    def new_completion(self, name: str) -> Completion:
        """init_completion()."""
        return Completion(name, self.lock_factory.make("&x->wait", LockKind.RAW_SPINLOCK))

    # -- events ------------------------------------------------------------------------------------------------------

    def emit(self, cpu: Cpu, name: str, text: str) -> None:
        """An event of what runs on a CPU now; test `events.on` before building the text.

        The tracer has a name of its own for the idle threads (kernel/trace/trace.c, trace_find_cmdline()).
        """
        ctx = cpu.ctx
        comm = ctx.comm if ctx.pid else "<idle>"
        self.events(Event(cpu.clock, cpu.cpu_id, comm, ctx.pid, ctx.flags(need_resched=cpu.need_resched), name, text))

    def emit_device(self, name: str, pid: int, time_ns: int, event: str, text: str) -> None:
        """An event of an actor that is no CPU."""
        self.events(Event(time_ns, 0, name, pid, ".....", event, text))
