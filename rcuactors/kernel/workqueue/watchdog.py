"""The workqueue watchdog (kernel/workqueue.c, wq_watchdog_timer_fn()): "BUG: workqueue lockup".

A pool that has works on its list and has started none for workqueue.watchdog_thresh seconds is reported, and again
every so many seconds. It is silent while another worker can be started: then the pool goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.violation import ViolationKind
from ...marks import MACHINERY

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
                lines = self.text(pool, late // _SECOND_NS)
                cpu.judge.report(cpu, ViolationKind.WORKQUEUE_LOCKUP, lines[0], "\n".join(lines))

    def text(self, pool: Pool, seconds: int) -> list[str]:
        """The report, and show_workqueue_state() of the works that concern it."""
        info = pool.info(self._workqueues.system.config.nr_cpus)
        busy = [worker for worker in pool.workers if worker.current is not None]
        queues = dict.fromkeys([*(worker.workqueue for worker in busy), *(entry.workqueue for entry in pool.worklist)])
        lines = [
            f"BUG: workqueue lockup - pool {info} stuck for {seconds}s!",
            "Showing busy workqueues and worker pools:",
        ]
        for queue in queues:
            if queue is None:
                continue
            running = [w for w in busy if w.workqueue is queue]
            pending = [entry.work.name for entry in pool.worklist if entry.workqueue is queue]
            active = f"active={pool.pwq(queue).active}/{queue.max_active}"
            lines += [f"workqueue {queue.name}: flags=0x{queue.flags:x}", f"  pwq {pool.number}: {info} {active}"]
            if running:
                lines.append(
                    f"    in-flight: {', '.join(f'{w.thread.pid}:{w.current.name}' for w in running if w.current)}"
                )
            if pending:
                lines.append(f"    pending: {', '.join(pending)}")
        idle = " ".join(str(worker.thread.pid) for worker in pool.idle)
        workers = f"hung={seconds}s workers={len(pool.workers)}"
        lines.append(f"pool {pool.number}: {info} {workers}{' idle: ' + idle if idle else ''}")
        return lines
