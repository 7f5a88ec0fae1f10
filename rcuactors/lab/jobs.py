"""Work over several processes. The answers come back as they are done, each with the number of its item."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import Final, Protocol, TypeVar

from ..errors import BadInput

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class WorkerDied(BadInput):
    """A process that did a part of the work has ended by itself."""


_MOST: Final = 1000

_EARLY: Final = 16
"""So many answers a process may wait for an earlier one."""

_ENDING: Final = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


def in_this_process(items: Sequence[object], jobs: int) -> bool:
    """Whether no other process is needed."""
    return jobs == 1 or len(items) <= 1


def do_all(work: Callable[[Item], Answer], items: Sequence[Item], jobs: int) -> Generator[tuple[int, Answer]]:
    """(number of the item, what `work` returns for it), the first items begun first.

    `work`, items and answers can be pickled. Close the generator to end it early: nothing is waited for. Raises
    WorkerDied, and what `work` raises.
    """
    if in_this_process(items, jobs):
        for number, item in enumerate(items):
            yield number, work(item)
        return
    with workers(jobs, most=len(items)) as submit:
        futures = {submit(work, item): number for number, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()


class Submit(Protocol):
    """Have a process do some work."""

    def __call__(self, work: Callable[[Item], Answer], item: Item, /) -> Future[Answer]:
        """The answer will be there."""
        ...


@contextlib.contextmanager
def workers(jobs: int, *, most: int = _MOST) -> Iterator[Submit]:
    """So many processes, but no more than `most`; nothing is waited for where the block ends early.

    Raises WorkerDied where a future says that its process has died.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(jobs, most), mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )

    def submit(work: Callable[[Item], Answer], item: Item) -> Future[Answer]:
        # Here, too, somebody may end it: a signal that was held back comes at the end of the block.
        with _signals_held_back():
            return pool.submit(work, item)

    complete = False
    try:
        yield submit
        complete = True
    except BrokenProcessPool:
        raise WorkerDied(
            f"--jobs {jobs}: a process that did a part of the work died (killed, or out of memory); "
            "fewer jobs need less memory, --jobs 1 needs no process"
        ) from None
    finally:
        if not complete:
            # Work that hangs must not keep anybody from leaving.
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(work: Callable[[Item], Answer], items: Sequence[Item], jobs: int) -> Generator[Answer]:
    """What `work` returns for each item, in their order; this process is one of those that work.

    `work`, items and answers can be pickled. Close the generator to end it early. Raises as `do_all`.
    """
    if in_this_process(items, jobs):
        yield from map(work, items)
        return
    with workers(jobs - 1, most=len(items)) as submit:
        yield from shared_out(work, items, submit, jobs - 1)


def shared_out(work: Callable[[Item], Answer], items: Sequence[Item], submit: Submit, others: int) -> Generator[Answer]:
    """The same with so many other processes that are there already, and stay."""
    begun, answers = 0, deque[Future[Answer]]()
    while begun < len(items) or answers:
        busy = sum(not answer.done() for answer in answers)
        while begun < len(items) and busy <= others:
            answers.append(submit(work, items[begun]))
            begun, busy = begun + 1, busy + 1
        if answers[0].done() or len(answers) > _EARLY * (others + 1) or begun == len(items):
            yield answers.popleft().result()
        else:
            answers.append(done_here(work, items[begun]))
            begun += 1


def done_here(work: Callable[[Item], Answer], item: Item) -> Future[Answer]:
    """The answer of this process, as those of others come."""
    future = Future[Answer]()
    future.set_result(work(item))
    return future


def first_done(futures: Iterable[Future[Answer]]) -> set[Future[Answer]]:
    """Wait until one of them has an answer, or an error; those that have."""
    return wait(futures, return_when=FIRST_COMPLETED).done


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Have processes begin deaf, where the system can, and let nothing come between while they are begun.

    One that is still importing would complain aloud of a Ctrl-C. And an exception in the midst of it, before the pool's
    own thread runs, leaves a pool that nobody waits for, or that waits for ever.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # When that is begun it lets these signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Ctrl-C goes to every process of the terminal; the first one tells the others. And none outlives the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However the first process ends, also where it can tell nobody: then there is nobody to work for."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


__all__ = [
    "Future",
    "Submit",
    "WorkerDied",
    "do_all",
    "done_here",
    "first_done",
    "in_order",
    "in_this_process",
    "shared_out",
    "workers",
]
