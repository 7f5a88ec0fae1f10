"""rcu_barrier() (kernel/rcu/tree.c): sleep until the callbacks that are queued now have run; on each CPU one more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from ..kernel.completion import complete, wait_for_completion
from .data import RcuHead

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks


async def rcu_barrier(callbacks: Callbacks, thread: Thread) -> None:
    """rcu_barrier(): sleep until every callback queued so far, on any CPU, has been invoked."""
    cpu, system = thread.cpu, callbacks.system
    cpu.judge.might_sleep(cpu)
    done = system.new_completion("rcu_barrier()")
    count = 0
    for cpu_id, rdp in callbacks.data.touched():
        mine = rdp.cblist
        if mine.n_cbs():
            target = system.cpu(cpu_id)
            mine.entrain(RcuHead(lambda on: complete(system, on, done), "rcu_barrier_callback"))
            cpu.clock += system.costs.ipi_ns
            if target.idle:
                target.kick()
            count += 1
    count += await callbacks.entrain_offloaded(
        thread, lambda: RcuHead(lambda on: complete(system, on, done), "rcu_barrier_callback")
    )
    for _ in range(count):
        await wait_for_completion(system, thread, done)


@attrs.frozen
class RcuCalls:
    """call_rcu() and rcu_barrier() of one machine, for who is told them and knows no more of RCU."""

    callbacks: Callbacks

    async def call_rcu(self, cpu: Cpu, function: Callable[[Cpu], Awaitable[None]], name: str) -> None:
        """call_rcu()."""
        await self.callbacks.call_rcu(cpu, function, name)

    async def rcu_barrier(self, thread: Thread) -> None:
        """rcu_barrier()."""
        await rcu_barrier(self.callbacks, thread)
