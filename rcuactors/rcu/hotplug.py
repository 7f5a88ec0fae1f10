"""RCU and CPUs that come and go (kernel/rcu/tree.c): rcutree_migrate_callbacks() and its kin.

A CPU that is not there is in a quiescent state: the next scan finds its idle thread. Its callbacks go to the CPU that
took it down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .synchronize_rcu import synchronize_rcu

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.messages import Handler
    from ..kernel.thread import Thread
    from .callbacks import Callbacks


class RcuHotplug:
    """What CPU hotplug wants of RCU."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        callbacks.system.hotplug.rcu_is(self)

    async def synchronize_rcu(self, thread: Thread, /) -> None:
        """synchronize_rcu()."""
        await synchronize_rcu(self._callbacks, thread)

    async def call_rcu(self, cpu: Cpu, function: Handler, name: str, /) -> None:
        """call_rcu()."""
        await self._callbacks.call_rcu(cpu, function, name)

    async def rcu_cpu_starting(self, cpu: Cpu, /) -> None:
        """rcu_cpu_starting(): RCU waits for this CPU from the next grace period on."""

    async def rcu_report_dead(self, cpu: Cpu, /) -> None:
        """rcu_report_dead(): a CPU that is dead holds nothing up."""

    async def rcutree_migrate_callbacks(self, thread: Thread, cpu_id: int, /) -> None:
        """rcutree_migrate_callbacks(): those of a dead CPU go to this one."""
        await self._callbacks.take_over(thread, cpu_id)
