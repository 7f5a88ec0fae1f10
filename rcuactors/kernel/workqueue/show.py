"""What the kernel prints of workqueues (kernel/workqueue.c): show_pwq(), show_one_workqueue() and more.

v5.9 and v5.11 have one function for all, show_workqueue_state(), and call what waits for max_active "delayed"; 6.1
calls it "inactive". Barriers of flushes are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context.trace import call_trace, suspended_trace
from ...marks import MACHINERY
from ..show_task import sched_show_task
from ..thread import ThreadState

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .core import Workqueues
    from .pool import Pool
    from .workqueue import Workqueue

__trace__ = MACHINERY


def show_pwq(workqueues: Workqueues, pool: Pool, workqueue: Workqueue) -> list[str]:
    """show_pwq(): one workqueue's part of a pool."""
    system, pwq = workqueues.system, pool.pwq(workqueue)
    mayday = " MAYDAY" if pool in workqueue.maydays else ""
    limit = f"/{workqueue.max_active}" if system.rules.pwq_shows_limit else ""
    count = f"active={pwq.active}{limit} refcnt={1 + pwq.active + len(pwq.inactive) + bool(mayday)}"
    lines = [f"  pwq {pool.number}: {pool.info(system.config.nr_cpus)} {count}{mayday}"]
    running = [
        f"{worker.thread.pid}{'(RESCUER)' if worker.rescue_wq is not None else ''}:{worker.current.name}"
        + "".join(f" {entry.work.name}" for entry in worker.scheduled)
        for worker in pool.workers
        if worker.current is not None and worker.workqueue is workqueue
    ]
    pending = [entry.work.name for entry in pool.worklist if entry.workqueue is workqueue]
    inactive = [entry.work.name for entry in pwq.inactive]
    word = system.rules.inactive_works
    for what, names in (("in-flight", running), ("pending", pending), (word, inactive)):
        if names:
            lines.append(f"    {what}: {', '.join(names)}")
    return lines


def show_workqueue(workqueues: Workqueues, workqueue: Workqueue) -> list[str]:
    """show_one_workqueue(): nothing for an idle one."""
    parts = [pool for pool in workqueues.pools() if (pwq := pool.pwqs.get(workqueue)) and (pwq.active or pwq.inactive)]
    if not parts:
        return []
    lines = [f"workqueue {workqueue.name}: flags=0x{workqueue.flags:x}"]
    for pool in parts:
        lines += show_pwq(workqueues, pool, workqueue)
    return lines


def show_pool(workqueues: Workqueues, pool: Pool, hung_seconds: int) -> list[str]:
    """show_one_worker_pool(): nothing for an idle one."""
    if len(pool.workers) == len(pool.idle):
        return []
    manager = f" manager: {pool.manager.thread.pid}" if pool.manager is not None else ""
    idle = " ".join(str(worker.thread.pid) for worker in reversed(pool.idle))
    info = pool.info(workqueues.system.config.nr_cpus)
    idles = f" idle: {idle}" if idle else ""
    return [f"pool {pool.number}: {info} hung={hung_seconds}s workers={len(pool.workers)}{manager}{idles}"]


def show_cpu_pools_hogs(cpu: Cpu, pools: list[Pool]) -> list[str]:
    """show_cpu_pools_hogs(): of stalled pools of CPUs, the stacks of the workers that run."""
    lines = ["Showing backtraces of running workers in stalled CPU-bound worker pools:"]
    for pool in pools:
        for worker in pool.workers:
            thread = worker.thread
            if worker.current is not None and thread.state is ThreadState.RUNNABLE:
                trace = call_trace() if thread is cpu.current else suspended_trace(thread.strand.coroutine)
                lines += [
                    f"pool {pool.number}:",
                    *sched_show_task(thread),
                    "Call Trace:",
                    *(f" {line}" for line in trace),
                ]
    return lines
