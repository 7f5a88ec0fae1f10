"""On which CPU the grace-period kthread runs that is woken (kernel/sched/fair.c; on PREEMPT_RT kernel/sched/rt.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..kernel.thread import Urgency

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .nodes import RcuTree


def select_idle_sibling(waker: Cpu, cpus: Mapping[int, Cpu], tree: RcuTree) -> Cpu:
    """select_idle_sibling(): where it was woken if nothing else runs there, else on an idle CPU if there is one."""
    if waker.idle and tree.is_online(waker.cpu_id):
        return waker
    return next((cpu for _, cpu in sorted(cpus.items()) if cpu.idle and tree.is_online(cpu.cpu_id)), waker)


def select_task_rq_rt(host: Cpu, cpus: Mapping[int, Cpu], tree: RcuTree) -> Cpu:
    """select_task_rq_rt() (kernel/sched/rt.c): where it was, unless a thread runs there that it cannot preempt."""
    if host.current.urgency < Urgency.HIGH and tree.is_online(host.cpu_id):
        return host
    online = (cpu for cpu in cpus.values() if tree.is_online(cpu.cpu_id))
    return min(online, key=lambda cpu: (cpu.current.urgency, cpu is not host, cpu.cpu_id))
