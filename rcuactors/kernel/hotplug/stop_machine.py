"""stop_machine() (kernel/stop_machine.c): one CPU does something while all others stand still with interrupts off.

Each CPU has a stopper, the thread migration/N, more urgent than anybody else. Woken on every online CPU, they step
through multi_cpu_stop() together: nobody goes on to the next state before the last has come to this one. So whoever has
preemption or interrupts off anywhere holds all of them up.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from ...context.locks import Lock, LockKind
from ...marks import stands_for
from ..completion import complete, wait_for_completion
from ..locking import contention
from ..thread import Urgency

if TYPE_CHECKING:
    from ..completion import Completion
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

Function = Callable[["Cpu"], Awaitable[None]]


class _State(enum.IntEnum):
    """enum multi_stop_state."""

    PREPARE = 1
    DISABLE_IRQ = 2
    RUN = 3
    EXIT = 4


@attrs.define(eq=False)
class _MultiStop:
    """struct multi_stop_data."""

    function: Function
    active: Cpu
    num_threads: int
    done: Completion
    state: _State = _State.PREPARE
    acked: int = 0
    left: int = attrs.field(init=False)
    spinners: list[Thread] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.left = self.num_threads


@attrs.define(eq=False)
class _Stopper:
    """struct cpu_stopper."""

    thread: Thread
    works: deque[_MultiStop] = attrs.field(factory=deque)


class StopMachine:
    """The stoppers of one machine, each made when it is first wanted."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stoppers: dict[int, _Stopper] = {}

    @cached_property
    def _stop_cpus_mutex(self) -> Lock:
        return self._system.lock_factory.make("stop_cpus_mutex", LockKind.MUTEX)

    async def stop_machine_cpuslocked(self, thread: Thread, function: Function, active: Cpu) -> None:
        """stop_machine_cpuslocked(): have a function run on a CPU while the others stand still; sleeps until then.

        CPUs that nothing has touched stand still anyway.
        """
        system = self._system
        await system.locks.mutex_lock(thread, self._stop_cpus_mutex)
        online = [cpu for _, cpu in sorted(system.cpus.items()) if cpu.online]
        stop = _MultiStop(function, active, len(online), system.new_completion("stop_machine()"))
        cpu = thread.preempt_disable("stop_machine_cpuslocked")
        for target in online:
            stopper = self._stopper(target)
            stopper.works.append(stop)
            await cpu.wake_up_process(stopper.thread)
        await cpu.preempt_enable()
        await wait_for_completion(system, thread, stop.done)
        await system.locks.mutex_unlock(thread, self._stop_cpus_mutex)

    def _stopper(self, cpu: Cpu) -> _Stopper:
        found = self._stoppers.get(cpu.cpu_id)
        if found is None:
            cpu.runqueue.has_stopper()
            comm = f"migration/{cpu.cpu_id}"
            thread = self._system.create_thread(
                cpu, comm, lambda: self._cpu_stopper_thread(cpu), urgency=Urgency.STOP, service=True, per_cpu=True
            )
            found = self._stoppers[cpu.cpu_id] = _Stopper(thread)
        return found

    @stands_for("cpu_stopper_thread")
    async def _cpu_stopper_thread(self, cpu: Cpu) -> None:
        """cpu_stopper_thread()."""
        stopper = self._stoppers[cpu.cpu_id]
        while True:
            if not stopper.works:
                await stopper.thread.sleep("something to stop for")
                continue
            cpu.preempt_disable("cpu_stopper_thread")
            await self._multi_cpu_stop(cpu, stopper.works.popleft())
            await cpu.preempt_enable()

    @stands_for("multi_cpu_stop")
    async def _multi_cpu_stop(self, cpu: Cpu, stop: _MultiStop) -> None:
        """multi_cpu_stop()."""
        flags = cpu.ctx.irqs_disabled
        for state in _State:
            await self._until(cpu, stop, state)
            if state is _State.DISABLE_IRQ:
                cpu.local_irq_save("multi_cpu_stop")
            elif state is _State.RUN and cpu is stop.active:
                await stop.function(cpu)
            self._ack_state(cpu, stop)
        await cpu.local_irq_restore(flags)
        stop.left -= 1
        if not stop.left:
            await complete(self._system, cpu, stop.done)

    async def _until(self, cpu: Cpu, stop: _MultiStop, state: _State) -> None:
        if stop.state >= state:
            return
        me = cpu.current
        stop.spinners.append(me)
        await contention.busy_wait(me, lambda: stop.state >= state, "stop_machine()")
        stop.spinners.remove(me)

    @staticmethod
    def _ack_state(cpu: Cpu, stop: _MultiStop) -> None:
        """ack_state(): the last one has all go on to the next state."""
        stop.acked += 1
        if stop.acked == stop.num_threads and stop.state is not _State.EXIT:
            stop.acked, stop.state = 0, _State(stop.state + 1)
            for spinner in stop.spinners:
                contention.poke(cpu, spinner)
