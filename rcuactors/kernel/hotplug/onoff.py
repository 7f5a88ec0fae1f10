"""CPUs that go off- and online because the strategy decides so (kernel/torture.c, torture_onoff()): `hotplug=y`.

The kernel's torture tests have a thread for that, which draws a CPU every now and then. Here it waits to be told: when
a thread of the scenario gives up its CPU, it is a decision whether a CPU is to go or to come, and which one; option 0
is that none does. One operation goes on at a time, and only CPUs that something has touched are offered, the boot CPU
not. Runs that obey time never ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...engine.decision import Alternatives, DecisionKind

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

HOTPLUG: Final = DecisionKind("a CPU goes or comes")

_NONE: Final = 32
"""Nature's weight of no CPU, against 1 for each that could go or come."""


class OnOff:
    """torture_onoff() of one machine, if that is asked for."""

    def __init__(self, system: System, *, enabled: bool) -> None:
        self._system = system
        self.enabled = enabled
        self._thread: Thread | None = None
        self._wanted: int | None = None
        if enabled:
            system.hooks.on_switch.append(self._switched)

    def _switched(self, cpu: Cpu, leaving: Thread, _preempted: bool) -> None:
        """Some thread gives up some CPU: now, perhaps."""
        system = self._system
        if leaving.service or self._wanted is not None or system.judge.booting:
            return
        masks = system.masks
        known = [cpu_id for cpu_id in sorted(system.cpus) if cpu_id]
        offline = [cpu_id for cpu_id in masks.possible if not masks.is_online(cpu_id) and cpu_id not in system.cpus]
        cpus = [*known, *offline[:1]]
        if not cpus:
            return
        options = ("none", *(f"cpu{cpu_id} {'goes' if masks.is_online(cpu_id) else 'comes'}" for cpu_id in cpus))
        picked = system.conductor.choose(Alternatives(HOTPLUG, options, (_NONE,) + (1,) * len(cpus)))
        if picked:
            self._wanted = cpus[picked - 1]
            cpu.post_wake_up(self._torture_task())

    def _torture_task(self) -> Thread:
        if self._thread is None:
            boot_cpu = self._system.cpu(0)
            self._thread = self._system.create_thread(
                boot_cpu, "torture_onoff", self._torture_onoff, service=True, bound=False
            )
        return self._thread

    async def _torture_onoff(self) -> None:
        """torture_onoff(): torture_offline() and torture_online()."""
        thread, hotplug = self._thread, self._system.hotplug
        assert thread is not None
        while True:
            cpu_id = self._wanted
            if cpu_id is None:
                await thread.sleep("a CPU to take down or bring up")
                continue
            with thread.working():
                if self._system.masks.is_online(cpu_id):
                    await hotplug.cpu_down(thread, cpu_id)
                else:
                    await hotplug.cpu_up(thread, cpu_id)
            self._wanted = None
