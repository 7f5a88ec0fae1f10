"""cpu_down() and cpu_up() (kernel/cpu.c), and the thread cpuhp/N, which does what is to be done on the CPU itself.

Down: with cpu_hotplug_lock written, cpuhp/N calls the teardowns of all states above TEARDOWN_CPU; then stop_machine()
has the CPU call those that need interrupts off, and its idle thread reports that it is dead; then whoever called
cpu_down() calls the rest, for a CPU that is not there any more. Up is the same in the other order. A callback that
fails turns it back, as far as it goes.

Lockdep knows cpuhp/N to hold what its caller holds for it, and a map for each direction, cpuhp_state-up and
cpuhp_state-down: so a callback that waits for whoever waits in cpus_read_lock() is told of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from ...context.locks import Lock, LockKind, MapSpec
from ...context.waittype import WaitType
from ...marks import stands_for
from ..completion import complete, wait_for_completion
from .cpus_lock import CpusLock
from .dying import Dying
from .onoff import OnOff
from .sched import SchedHotplug
from .smpboot import SmpbootThreads
from .states import EBUSY, EPERM, Callback, CpuhpState, Step, Steps
from .stop_machine import StopMachine

if TYPE_CHECKING:
    from typing import Protocol

    from ..completion import Completion
    from ..cpu import Cpu
    from ..messages import Handler
    from ..system import System
    from ..thread import Thread

    class RcuOfCpus(Protocol):
        """What CPU hotplug wants of RCU beside its states' callbacks; the RCU floor has it."""

        async def synchronize_rcu(self, thread: Thread, /) -> None:
            """synchronize_rcu()."""

        async def call_rcu(self, cpu: Cpu, function: Handler, name: str, /) -> None:
            """call_rcu()."""

        async def rcu_cpu_starting(self, cpu: Cpu, /) -> None:
            """rcu_cpu_starting(), since v6.7 rcutree_report_cpu_starting(): RCU waits for this CPU from now on."""

        async def rcu_report_dead(self, cpu: Cpu, /) -> None:
            """rcu_report_dead(), since v6.7 rcutree_report_cpu_dead(): and from now on no more."""

        async def rcutree_migrate_callbacks(self, thread: Thread, cpu_id: int, /) -> None:
            """rcutree_migrate_callbacks(): those of a dead CPU go to the one that runs this."""


OnCpu = Callable[["Thread"], Awaitable[int]]
"""What a worker of a CPU is to do: told its thread; it returns 0 or a negative errno."""
WorkOnCpu = Callable[["Thread", "Cpu", OnCpu], Awaitable[int]]
"""work_on_cpu()."""


@attrs.define(eq=False)
class _Ap:
    """struct cpuhp_cpu_state: how far a CPU is, and its thread."""

    state: CpuhpState
    thread: Thread | None = None
    target: CpuhpState = CpuhpState.ONLINE
    result: int = 0
    should_run: bool = False
    single: tuple[Step, bool] | None = None
    """One callback for cpuhp/N, and whether it is the startup: somebody sets up a state, or removes one."""
    done: Completion | None = None


class NoRcu:
    """A machine without RCU: nobody reads, and nobody waits."""

    async def synchronize_rcu(self, _thread: Thread, /) -> None:
        """synchronize_rcu(): at once."""

    async def call_rcu(self, cpu: Cpu, function: Handler, _name: str, /) -> None:
        """call_rcu(): at once."""
        await function(cpu)

    async def rcu_cpu_starting(self, _cpu: Cpu, /) -> None:
        """rcu_cpu_starting(): nobody wants to know."""

    async def rcu_report_dead(self, _cpu: Cpu, /) -> None:
        """rcu_report_dead(): nobody wants to know."""

    async def rcutree_migrate_callbacks(self, _thread: Thread, _cpu_id: int, /) -> None:
        """rcutree_migrate_callbacks(): there are none."""


class CpuHotplug:
    """CPU hotplug of one machine."""

    def __init__(self, system: System, *, by_decision: bool = False) -> None:
        self._system = system
        self._aps: dict[int, _Ap] = {}
        self.rcu: RcuOfCpus = NoRcu()
        self.cpus = CpusLock(system)
        self.smpboot = SmpbootThreads(system)
        self.on_off = OnOff(system, enabled=by_decision)
        self._sched = SchedHotplug(system)
        self._stop_machine = StopMachine(system)
        self._dying = Dying(system, self._teardown_atomic, self._startup_atomic)
        self._work_on_cpu: WorkOnCpu | None = None
        self.downs = 0
        self.ups = 0
        self._parts: list[Callable[[], None]] = [self._sched.set_up, self.smpboot.set_up, self._dying.set_up]

    def sets_up(self, part: Callable[[], None]) -> None:
        """A part of the kernel sets up its states from boot on: by that function, which is called when one is needed.

        Few machines see a CPU come or go.
        """
        self._parts.append(part)

    @cached_property
    def _steps(self) -> Steps:
        self._steps = steps = Steps()
        for part in self._parts:
            part()
        return steps

    def rcu_is(self, rcu: RcuOfCpus) -> None:
        """The machine has RCU."""
        self.rcu = rcu

    def works_by(self, work_on_cpu: WorkOnCpu) -> None:
        """Who has works run on a CPU."""
        self._work_on_cpu = work_on_cpu

    def setup_state(
        self, state: CpuhpState, name: str, *, startup: Callback | None = None, teardown: Callback | None = None
    ) -> Step:
        """cpuhp_setup_state_nocalls(): from now on these are called for CPUs that come and go."""
        step = Step(name, startup, teardown)
        self._steps.add(state, step)
        return step

    async def issue_calls(self, thread: Thread, state: CpuhpState, step: Step, *, up: bool) -> int:
        """cpuhp_issue_call() for every CPU that is there; one that fails has those undone that went before it."""
        online = self._system.masks.online()
        for at, cpu_id in enumerate(online):
            result = await self._issue_call(thread, cpu_id, state, step, up=up)
            if result:
                for done in reversed(online[:at]):
                    await self._issue_call(thread, done, state, step, up=not up)
                return result
        return 0

    async def _issue_call(self, thread: Thread, cpu_id: int, state: CpuhpState, step: Step, *, up: bool) -> int:
        if state > CpuhpState.TEARDOWN_CPU:
            self.ap(cpu_id).single = step, up
            return await self._kick_ap_work(thread, cpu_id, CpuhpState.ONLINE)
        callback = step.startup if up else step.teardown
        return await callback(thread, cpu_id) or 0 if callback is not None else 0

    def remove_state(self, state: CpuhpState, step: Step) -> None:
        """cpuhp_remove_state_nocalls()."""
        self._steps.remove(state, step)

    def ap(self, cpu_id: int) -> _Ap:
        """per_cpu_ptr(&cpuhp_state)."""
        found = self._aps.get(cpu_id)
        if found is None:
            online = self._system.masks.is_online(cpu_id)
            found = self._aps[cpu_id] = _Ap(CpuhpState.ONLINE if online else CpuhpState.OFFLINE)
        return found

    def was_online(self, cpu_id: int) -> bool:
        """cpu_hotplug_was: it has been online since boot."""
        return self._system.masks.is_online(cpu_id) or cpu_id in self._dying.dead

    @cached_property
    def _add_remove_lock(self) -> Lock:
        return self._system.lock_factory.make("cpu_add_remove_lock", LockKind.MUTEX)

    @cached_property
    def _maps(self) -> dict[bool, Lock]:
        make = self._system.lock_factory.make_map
        return {
            up: make(MapSpec(f"cpuhp_state-{'up' if up else 'down'}", WaitType.INV, check=True)) for up in (True, False)
        }

    def idle_dead(self, cpu: Cpu) -> Awaitable[None]:
        """What the idle thread of a CPU does that is not online."""
        return self._dying.idle_dead(cpu)

    # -- whoever wants it --------------------------------------------------------------------------------------------

    async def cpu_down(self, thread: Thread, cpu_id: int) -> int:
        """cpu_down(), of device_offline(): 0, or a negative errno. The boot CPU cannot go. Sleeps."""
        system, locks = self._system, self._system.locks
        system.judge.might_sleep(thread.cpu)
        if cpu_id == 0:
            return EPERM
        await locks.mutex_lock(thread, self._add_remove_lock)
        result = await self._cpu_down_maps_locked(thread, cpu_id)
        await locks.mutex_unlock(thread, self._add_remove_lock)
        return result

    async def cpu_up(self, thread: Thread, cpu_id: int) -> int:
        """cpu_up(): 0, or a negative errno. Sleeps."""
        system, locks = self._system, self._system.locks
        system.judge.might_sleep(thread.cpu)
        await locks.mutex_lock(thread, self._add_remove_lock)
        await self.cpus.cpus_write_lock(thread)
        result = await self._cpu_up(thread, cpu_id)
        await self.cpus.cpus_write_unlock(thread)
        await locks.mutex_unlock(thread, self._add_remove_lock)
        return result

    # -- down --------------------------------------------------------------------------------------------------------

    @stands_for("cpu_down_maps_locked")
    async def _cpu_down_maps_locked(self, thread: Thread, cpu_id: int) -> int:
        """cpu_down_maps_locked(): here, or in the version that has it so on the first other CPU."""
        system = self._system
        if not system.rules.cpu_down_runs_elsewhere or self._work_on_cpu is None:
            return await self._cpu_down(thread, cpu_id)
        other = next((other for other in system.masks.online() if other != cpu_id), None)
        if other is None:
            return EBUSY
        return await self._work_on_cpu(thread, system.cpu(other), lambda worker: self._cpu_down(worker, cpu_id))

    @stands_for("_cpu_down")
    async def _cpu_down(self, thread: Thread, cpu_id: int) -> int:
        """_cpu_down()."""
        if len(self._system.masks.online()) == 1:
            return EBUSY
        await self.cpus.cpus_write_lock(thread)
        ap = self.ap(cpu_id)
        result = 0
        if ap.state > CpuhpState.TEARDOWN_CPU:
            result = await self._kick_ap_work(thread, cpu_id, CpuhpState.TEARDOWN_CPU)
        if not result and ap.state is not CpuhpState.OFFLINE:
            await self._die(thread, cpu_id)
            self.downs += 1
        await self.cpus.cpus_write_unlock(thread)
        return result

    async def _die(self, thread: Thread, cpu_id: int) -> None:
        """cpuhp_down_callbacks() from TEARDOWN_CPU on."""
        await self._takedown_cpu(thread, self._system.cpu(cpu_id))
        await self._down(thread, cpu_id, CpuhpState.BRINGUP_CPU, CpuhpState.OFFLINE)
        self.ap(cpu_id).state = CpuhpState.OFFLINE

    @stands_for("takedown_cpu")
    async def _takedown_cpu(self, thread: Thread, cpu: Cpu) -> None:
        """takedown_cpu(): the CPU does the rest of its own part, with everybody else standing still, and is dead."""
        done = self._system.new_completion(f"CPU {cpu.cpu_id} to be dead")
        self._dying.awaits(cpu.cpu_id, done)
        await self._stop_machine.stop_machine_cpuslocked(thread, self._dying.take_cpu_down, cpu)
        await wait_for_completion(self._system, thread, done)
        await self.rcu.rcutree_migrate_callbacks(thread, cpu.cpu_id)

    async def _teardown_atomic(self, thread: Thread, cpu_id: int) -> None:
        """cpuhp_invoke_callback_range_nofail() of take_cpu_down()."""
        await self._down(thread, cpu_id, CpuhpState.AP_ONLINE, CpuhpState.AP_OFFLINE)

    async def _down(self, thread: Thread, cpu_id: int, upto: CpuhpState, above: CpuhpState) -> None:
        for _, step in self._steps.going(upto, above):
            if step.teardown is not None:
                await step.teardown(thread, cpu_id)

    # -- up ----------------------------------------------------------------------------------------------------------

    @stands_for("_cpu_up")
    async def _cpu_up(self, thread: Thread, cpu_id: int) -> int:
        """_cpu_up()."""
        ap = self.ap(cpu_id)
        if ap.state is CpuhpState.ONLINE:
            return 0
        result = await self._prepare(thread, cpu_id)
        if result:
            return result
        await self._bringup_cpu(thread, self._system.cpu(cpu_id))
        ap.state = CpuhpState.AP_ONLINE_IDLE
        result = await self._kick_ap_work(thread, cpu_id, CpuhpState.ONLINE)
        if result:
            await self._die(thread, cpu_id)
        self.ups += not result
        return result

    async def _prepare(self, thread: Thread, cpu_id: int) -> int:
        """cpuhp_up_callbacks() below BRINGUP_CPU."""
        way = self._steps.coming(CpuhpState.OFFLINE, CpuhpState.BRINGUP_CPU)
        for at, (_, step) in enumerate(way):
            result = await step.startup(thread, cpu_id) or 0 if step.startup is not None else 0
            if result:
                for _, done in reversed(way[:at]):
                    if done.teardown is not None:
                        await done.teardown(thread, cpu_id)
                return result
        return 0

    async def _bringup_cpu(self, thread: Thread, cpu: Cpu) -> None:
        """bringup_cpu(), bringup_wait_for_ap_online()."""
        done = self._system.new_completion(f"CPU {cpu.cpu_id} to be online")
        self._dying.kick(thread.cpu, cpu, done)
        await wait_for_completion(self._system, thread, done)

    async def _startup_atomic(self, thread: Thread, cpu_id: int) -> None:
        """notify_cpu_starting()."""
        for _, step in self._steps.coming(CpuhpState.AP_OFFLINE, CpuhpState.AP_ONLINE):
            if step.startup is not None:
                await step.startup(thread, cpu_id)

    # -- cpuhp/N -----------------------------------------------------------------------------------------------------

    @stands_for("cpuhp_kick_ap_work")
    async def _kick_ap_work(self, thread: Thread, cpu_id: int, target: CpuhpState) -> int:
        """cpuhp_kick_ap_work(): have the CPU's thread go to that state, and wait for it."""
        system, ap = self._system, self.ap(cpu_id)
        if system.lockdep.on:
            for up in (False, True):
                self._touch(thread.cpu, self._maps[up])
        if ap.thread is None:
            ap.thread = self._new_thread(system.cpu(cpu_id))
        ap.target, ap.should_run = target, True
        ap.done = done = system.new_completion("(&st->done)")
        await thread.cpu.wake_up_process(ap.thread)
        await wait_for_completion(system, thread, done)
        return ap.result

    def _touch(self, cpu: Cpu, lockdep_map: Lock) -> None:
        """cpuhp_lock_acquire(), cpuhp_lock_release()."""
        lockdep = self._system.lockdep
        lockdep.acquire(cpu, lockdep_map, site="cpuhp_kick_ap_work")
        if lockdep.on:
            lockdep.release(cpu, lockdep_map)

    def _new_thread(self, cpu: Cpu) -> Thread:
        comm = f"cpuhp/{cpu.cpu_id}"
        return self._system.create_thread(cpu, comm, lambda: self._cpuhp_thread(cpu), service=True, per_cpu=True)

    @stands_for("smpboot_thread_fn")
    async def _cpuhp_thread(self, cpu: Cpu) -> None:
        """smpboot_thread_fn() around cpuhp_thread_fun()."""
        ap = self.ap(cpu.cpu_id)
        thread = cpu.current
        while True:
            if not ap.should_run:
                await thread.sleep("a CPU to come or go")
                continue
            with thread.working():
                ap.result = await self._cpuhp_thread_fun(thread, cpu.cpu_id, ap)
            ap.should_run = False
            assert ap.done is not None
            await complete(self._system, cpu, ap.done)

    @stands_for("cpuhp_thread_fun")
    async def _cpuhp_thread_fun(self, thread: Thread, cpu_id: int, ap: _Ap) -> int:
        """Callback by callback; one that fails has those undone that were called before it."""
        if ap.single is not None:
            (single, up), ap.single = ap.single, None
            return await self._invoke(thread, cpu_id, single, up=up)
        up = ap.target > ap.state
        way = self._steps.coming(ap.state, ap.target) if up else self._steps.going(ap.state, ap.target)
        for at, (_, step) in enumerate(way):
            result = await self._invoke(thread, cpu_id, step, up=up)
            if result:
                for _, done in reversed(way[:at]):
                    await self._invoke(thread, cpu_id, done, up=not up)
                return result
        ap.state = ap.target
        return 0

    @stands_for("cpuhp_invoke_callback")
    async def _invoke(self, thread: Thread, cpu_id: int, step: Step, *, up: bool) -> int:
        """cpuhp_invoke_callback(), with what lockdep knows its caller to hold."""
        callback = step.startup if up else step.teardown
        if callback is None:
            return 0
        lockdep, maps = self._system.lockdep, (self.cpus.lock, self._maps[up])
        for held in maps if lockdep.on else ():
            lockdep.acquire(thread.cpu, held, trylock=held is self.cpus.lock, site="cpuhp_thread_fun")
        result = await callback(thread, cpu_id) or 0
        for held in reversed(maps):
            if lockdep.on:
                lockdep.release(thread.cpu, held)
        return result
