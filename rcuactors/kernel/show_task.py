"""A task as the kernel prints it (kernel/sched/core.c, sched_show_task()): the line before its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .thread import ThreadState

if TYPE_CHECKING:
    from .thread import Thread

_KTHREAD: Final = 0x00208040
"""PF_KTHREAD | PF_NOFREEZE | PF_FORKNOEXEC."""
_WORKER: Final = 0x04000020
"""PF_NO_SETAFFINITY | PF_WQ_WORKER."""


def sched_show_task(thread: Thread) -> list[str]:
    """sched_show_task(), less the stack; a stack's depth and parents are not modelled."""
    rules, pid = thread.cpu.system.rules, thread.pid
    state = "R  running task    " if thread.state is ThreadState.RUNNABLE else "D"
    tgid = f"tgid:{pid:<5d} " if rules.tasks_tell_tgid else ""
    flags = f"task_flags:0x{_KTHREAD | (_WORKER if thread.in_work else 0):04x} " if rules.tasks_tell_flags else ""
    ids = f"pid:{pid:<5d} {tgid}ppid:{2:<6d} {flags}flags:0x00004000"
    return [
        f"task:{thread.comm[:15]:15s} state:{state} stack:{0:<5d} {ids}",
        *([f"Workqueue: {thread.in_work}"] if thread.in_work else []),
    ]
