"""The workqueue watchdog (kernel/workqueue.c, wq_watchdog_timer_fn()): "BUG: workqueue lockup".

A pool that has works on its list and has started none for workqueue.watchdog_thresh seconds is reported, and again
every so many seconds. It is silent while another worker can be started: then the pool goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.violation import ViolationKind
from ...marks import MACHINERY
from .show import show_cpu_pools_hogs, show_pool, show_workqueue

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .core import Workqueues
    from .pool import Pool

__trace__ = MACHINERY

_SECOND_NS: Final = 1_000_000_000


class WorkqueueWatchdog:
    """wq_watchdog_timer. Its first look at a pool that is late comes up to one period after it is."""

    def __init__(self, workqueues: Workqueues) -> None:
        self._workqueues = workqueues
        config = workqueues.system.config
        self._thresh_ns = config.watchdog_thresh * _SECOND_NS
        if config.WQ_WATCHDOG:
            workqueues.system.watchdogs.every(config.watchdog_thresh, self.look)

    def look(self, cpu: Cpu, now: int) -> None:
        """wq_watchdog_timer_fn()."""
        for pool in self._workqueues.pools():
            late = now - pool.watchdog_ns
            if pool.worklist and late > self._thresh_ns:
                lines = self.text(cpu, pool)
                cpu.judge.report(cpu, ViolationKind.WORKQUEUE_LOCKUP, lines[0], "\n".join(lines))

    def text(self, cpu: Cpu, pool: Pool) -> list[str]:
        """The report, and show_all_workqueues(), which was show_workqueue_state()."""
        workqueues, now = self._workqueues, cpu.clock
        info = pool.info(workqueues.system.config.nr_cpus)
        seconds = (now - pool.watchdog_ns) // _SECOND_NS
        lines = [
            f"BUG: workqueue lockup - pool {info} stuck for {seconds}s!",
            "Showing busy workqueues and worker pools:",
        ]
        pools = workqueues.pools()
        for workqueue in dict.fromkeys(workqueue for each in pools for workqueue in each.pwqs):
            lines += show_workqueue(workqueues, workqueue)
        for each in pools:
            hung = (now - each.watchdog_ns) // _SECOND_NS if each.worklist else 0
            lines += show_pool(workqueues, each, hung)
        if workqueues.system.rules.lockup_shows_running and pool.cpu is not None:
            lines += show_cpu_pools_hogs(cpu, [pool])
        return lines
