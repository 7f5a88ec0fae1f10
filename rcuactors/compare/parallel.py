"""Tasks over several processes. The answers come back as they are done, each with its task's number."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from ..errors import BadInput
from .tasks import Answer, Task, do


class WorkerDied(BadInput):
    """A process of the comparison has ended by itself."""


def in_this_process(tasks: Sequence[Task], jobs: int) -> bool:
    """Whether no other process is needed."""
    return jobs == 1 or len(tasks) <= 1


def run_tasks(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Answer, float]]:
    """(number of the task, answer, seconds) of each, in no order. Raises BadInput, WorkerDied, what a task raises."""
    # One seed after the other, and the quick ones first: who stops us early shall have seen a little of everything.
    order = sorted(range(len(tasks)), key=lambda number: (tasks[number].seed, tasks[number].weight))
    if in_this_process(tasks, jobs):
        for number in order:
            yield number, *_good(*do(tasks[number]))
        return
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(jobs, len(tasks)), mp_context=multiprocessing.get_context("spawn"), initializer=_deaf_to_ctrl_c
    ) as pool:
        futures = {pool.submit(do, tasks[number]): number for number in order}
        complete = False
        try:
            for future in as_completed(futures):
                yield futures[future], *_good(*future.result())
            complete = True
        except BrokenProcessPool:
            raise WorkerDied(
                f"--jobs {jobs}: a process of the comparison died (killed, or out of memory); "
                "fewer jobs need less memory, --jobs 1 needs no process"
            ) from None
        finally:
            if not complete:
                # A task that hangs must not keep anybody from leaving.
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


def _good(answer: Answer | BadInput, seconds: float) -> tuple[Answer, float]:
    if isinstance(answer, BadInput):
        raise answer
    return answer, seconds


def _deaf_to_ctrl_c() -> None:
    """Ctrl-C goes to every process of the terminal; the first one tells the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
