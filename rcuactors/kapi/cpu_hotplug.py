"""CPUs that come and go (include/linux: cpu.h, cpuhotplug.h, cpumask.h)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, get_args

import attrs

from ..errors import BadInput
from ..kernel.hotplug.states import CpuhpState
from ..spelling import no_such
from .base import KernelBase, begun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..kernel.hotplug.states import Callback, Step
    from ..kernel.thread import Thread

CpuCallback = Callable[[int], Awaitable[int | None]]
"""A scenario's callback: told the number of the CPU; what it returns is 0, None, or a negative errno."""

StateName = Literal["CPUHP_BP_PREPARE_DYN", "CPUHP_AP_PERF_X86_STARTING", "CPUHP_AP_ONLINE_DYN"]
_STATES: Final = {
    "CPUHP_BP_PREPARE_DYN": CpuhpState.BP_PREPARE_DYN,
    "CPUHP_AP_PERF_X86_STARTING": CpuhpState.AP_PERF_X86_STARTING,
    "CPUHP_AP_ONLINE_DYN": CpuhpState.AP_ONLINE_DYN,
}


@attrs.frozen(eq=False)
class CpuhpSetup:
    """What `k.cpuhp_setup_state()` has set up."""

    name: str
    place: CpuhpState
    step: Step


class CpuHotplugs(KernelBase):
    """CPU hotplug. A function that takes a CPU raises BadInput when the machine cannot have it."""

    def _possible(self, what: str, cpu: int) -> int:
        if cpu.__class__ is not int or cpu not in self._system.masks.possible:
            last = len(self._system.masks.possible) - 1
            raise BadInput(f"{what}({cpu!r}): the machine has CPUs 0 to {last}")
        return cpu

    async def cpu_down(self, cpu: int) -> int:
        """cpu_down(), as remove_cpu() calls it: 0, also for a CPU that is gone already, or a negative errno. Sleeps.

        The boot CPU cannot go: -EPERM.
        """
        return await self._system.hotplug.cpu_down(self._thread, self._possible("cpu_down", cpu))

    async def cpu_up(self, cpu: int) -> int:
        """cpu_up(), as add_cpu() calls it: 0, also for a CPU that is there already, or a negative errno. Sleeps."""
        return await self._system.hotplug.cpu_up(self._thread, self._possible("cpu_up", cpu))

    async def remove_cpu(self, cpu: int) -> int:
        """remove_cpu(): the same, as drivers call it; 1 for a CPU that is gone already (device_offline())."""
        return await self.cpu_down(cpu) if self.cpu_online(cpu) else 1

    async def add_cpu(self, cpu: int) -> int:
        """add_cpu(): cpu_up(), as drivers call it; 1 for a CPU that is there already (device_online())."""
        return 1 if self.cpu_online(cpu) else await self.cpu_up(cpu)

    def cpu_online(self, cpu: int) -> bool:
        """cpu_online(): only who has cpus_read_lock() can rely on it."""
        return self._system.masks.is_online(self._possible("cpu_online", cpu))

    def online_cpus(self) -> list[int]:
        """for_each_online_cpu()."""
        return self._system.masks.online()

    def num_online_cpus(self) -> int:
        """num_online_cpus()."""
        return len(self._system.masks.online())

    async def cpus_read_lock(self) -> None:
        """cpus_read_lock(), once get_online_cpus(): no CPU comes or goes meanwhile. May sleep."""
        await self._system.hotplug.cpus.cpus_read_lock(self._thread)

    def cpus_read_trylock(self) -> bool:
        """cpus_read_trylock()."""
        return self._system.hotplug.cpus.cpus_read_trylock(self._cpu)

    async def cpus_read_unlock(self) -> None:
        """cpus_read_unlock()."""
        await self._system.hotplug.cpus.cpus_read_unlock(self._thread)

    @asynccontextmanager
    async def cpus_read_locked(self) -> AsyncIterator[None]:
        """cpus_read_lock() and cpus_read_unlock() around a block."""
        await self.cpus_read_lock()
        yield
        await self.cpus_read_unlock()

    def lockdep_assert_cpus_held(self) -> None:
        """lockdep_assert_cpus_held(): a warning unless whatever runs here holds cpu_hotplug_lock."""
        self._system.hotplug.cpus.lockdep_assert_cpus_held(self._cpu)

    async def cpuhp_setup_state_nocalls(
        self,
        state: StateName,
        name: str,
        *,
        startup: CpuCallback | None = None,
        teardown: CpuCallback | None = None,
    ) -> CpuhpSetup:
        """cpuhp_setup_state_nocalls(): functions that are called for CPUs that come and go from now on.

        CPUHP_AP_ONLINE_DYN: on the CPU itself, when it has come and before it goes. CPUHP_BP_PREPARE_DYN: by whoever
        brings it up or takes it down, before it comes and when it is gone. CPUHP_AP_PERF_X86_STARTING, or any other of
        those that drivers have there: on the CPU with interrupts off, before it is online and when it is no more.
        Raises BadInput for another state.
        """
        if state not in _STATES:
            raise no_such("cpuhp_setup_state_nocalls():", str(state), get_args(StateName))
        hotplug = self._system.hotplug
        async with self.cpus_read_locked():
            step = hotplug.setup_state(
                _STATES[state], name, startup=_as_callback(startup), teardown=_as_callback(teardown)
            )
        return CpuhpSetup(name, _STATES[state], step)

    async def cpuhp_setup_state(
        self,
        state: StateName,
        name: str,
        *,
        startup: CpuCallback | None = None,
        teardown: CpuCallback | None = None,
    ) -> CpuhpSetup | int:
        """cpuhp_setup_state(): the same, and `startup` is called for each CPU that is there; or a negative errno.

        Raises BadInput as cpuhp_setup_state_nocalls(), and for a state of CPUs that have their interrupts off.
        """
        if state == "CPUHP_AP_PERF_X86_STARTING":
            raise BadInput(f"cpuhp_setup_state({state}): cpuhp_setup_state_nocalls() is there for that")
        setup = await self.cpuhp_setup_state_nocalls(state, name, startup=startup, teardown=teardown)
        async with self.cpus_read_locked():
            result = await self._system.hotplug.issue_calls(self._thread, setup.place, setup.step, up=True)
            if result:
                self._system.hotplug.remove_state(setup.place, setup.step)
        return result or setup

    async def cpuhp_remove_state(self, setup: CpuhpSetup) -> None:
        """cpuhp_remove_state(): they are not called any more, and `teardown` now, for each CPU that is there."""
        async with self.cpus_read_locked():
            await self._system.hotplug.issue_calls(self._thread, setup.place, setup.step, up=False)
            self._system.hotplug.remove_state(setup.place, setup.step)

    async def cpuhp_remove_state_nocalls(self, setup: CpuhpSetup) -> None:
        """cpuhp_remove_state_nocalls(): they are not called any more."""
        async with self.cpus_read_locked():
            self._system.hotplug.remove_state(setup.place, setup.step)


def _as_callback(function: CpuCallback | None) -> Callback | None:
    if function is None:
        return None

    async def callback(_thread: Thread, cpu_id: int) -> int | None:
        return await begun(function, cpu_id)

    return callback
