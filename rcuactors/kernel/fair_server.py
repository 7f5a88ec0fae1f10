"""The fair server (kernel/sched/deadline.c and fair.c, v6.12): what a real-time thread leaves to the others.

Until v6.12 a real-time thread that never sleeps keeps its CPU for good; that it may be throttled (sched_rt_runtime_us)
is not modelled. From then on each CPU has a deadline server for all that are not real-time, with 50 ms of every second
(commit 557a6bfc662c). It is deferred (commit a110a81c52a9): while such threads run by themselves it does nothing, and
who is starved waits until no more than these 50 ms of the second are left. From there on they have their 50 ms at the
beginning of each second, for as long as they are starved.

The scheduler asks `Cpu.fair_first` when it picks a thread. All else is seen at ticks, which a hogged CPU always has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .percpu import PerCpu

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System

_PERIOD_NS: Final = 1_000_000_000


@attrs.define
class _Server:
    """rq->fair_server: when it may run next, 0 while nobody is starved; and since when it runs."""

    due_ns: int = 0
    began_ns: int = 0


class FairServers:
    """Those of all CPUs, in a version that has them, unless their runtime is 0."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._runtime_ns = system.config.fair_server_runtime
        self._servers = PerCpu(lambda _: _Server(), system.masks)

    def start(self) -> None:
        """From now on ticks look whether one is due."""
        if self._system.rules.fair_server and self._runtime_ns:
            self._system.hooks.on_tick.append(self._tick)

    def _tick(self, cpu: Cpu) -> None:
        """update_curr_dl_se(), dl_server_timer(): as far as a tick sees it."""
        server, now = self._servers[cpu.cpu_id], cpu.clock
        waits = cpu.runqueue.best_fair() is not None
        starved = waits and not cpu.current.fair
        if cpu.fair_first:
            if now < server.began_ns + self._runtime_ns and (waits or cpu.current.fair):
                return
            # One that has nobody left stops, and is deferred again when somebody comes (dl_server_stop()).
            server.due_ns = server.began_ns + _PERIOD_NS if starved or cpu.current.fair else 0
            cpu.serve_fair_first(False)
        elif not starved:
            server.due_ns = 0
        elif not server.due_ns:
            server.due_ns = now + _PERIOD_NS - self._runtime_ns
        elif now >= server.due_ns:
            server.began_ns = now
            cpu.serve_fair_first(True)
