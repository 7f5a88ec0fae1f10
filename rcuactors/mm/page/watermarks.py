"""How far below the min watermark a request may go: gfp_to_alloc_flags() and __zone_watermark_ok() (mm/page_alloc.c).

An era picks one of the three rules. In each __GFP_HIGH is good for half of what is kept. v5.9 to v6.1.0: __GFP_ATOMIC
is good for a quarter of the rest (ALLOC_HARDER), unless __GFP_NOMEMALLOC forbids it; so is being a real-time task,
outside of interrupts: by !in_interrupt() until v5.11, by in_task() in v6.1.0. v6.1-stable has the later series of
January 2023 in it, as all that follow: whoever cannot reclaim directly may go on by that quarter (ALLOC_NON_BLOCK), but
only from __GFP_HIGH; a real-time task that can reclaim gets the half instead (ALLOC_MIN_RESERVE). Read in 5.10.228, 6.1
(v6.1.0), 6.1.166, 6.6.80, 6.12.0 and 6.18.44.

Who has PF_MEMALLOC, or says __GFP_MEMALLOC, ignores the watermarks (__gfp_pfmemalloc_flags(), the same in all of them):
a task's PF_MEMALLOC counts in its own context only, not in an interrupt of it, nor with bottom halves off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context import preempt
from ...kernel.thread import Urgency
from ..gfp import Gfp, may_block

if TYPE_CHECKING:
    from ...kernel.thread import Thread


def _rt_task(thread: Thread) -> bool:
    """rt_task(current)."""
    return thread.urgency is Urgency.REALTIME


def _is_interrupt(thread: Thread) -> bool:
    """What in_interrupt() says, with bottom halves off, too; on PREEMPT_RT the task's own counter says that."""
    ctx = thread.cpu.ctx
    return preempt.in_interrupt(ctx.preempt_count) or bool(ctx.softirq_disable_cnt)


def _outside_of_interrupts(thread: Thread) -> bool:
    """What in_task() says; a thread that runs a softirq on PREEMPT_RT is in none."""
    return preempt.in_task(thread.cpu.ctx.preempt_count) and not thread.cpu.ctx.softirq_thread


def alloc_harder(thread: Thread, gfp: Gfp, mark: int) -> int:
    """v5.9 to v5.11: what the zone must keep of `mark` pages."""
    return _harder(gfp, mark, urgent=_rt_task(thread) and not _is_interrupt(thread))


def alloc_harder_in_task(thread: Thread, gfp: Gfp, mark: int) -> int:
    """v6.1.0: what the zone must keep of `mark` pages."""
    return _harder(gfp, mark, urgent=_rt_task(thread) and _outside_of_interrupts(thread))


def _harder(gfp: Gfp, mark: int, *, urgent: bool) -> int:
    if gfp & Gfp.HIGH:
        mark -= mark // 2
    harder = not gfp & Gfp.NOMEMALLOC if gfp & Gfp.ATOMIC else urgent
    return mark - mark // 4 if harder else mark


def alloc_reserves(thread: Thread, gfp: Gfp, mark: int) -> int:
    """v6.1-stable and later: what the zone must keep of `mark` pages."""
    non_block = not may_block(gfp) and not gfp & Gfp.NOMEMALLOC
    if gfp & Gfp.HIGH or (may_block(gfp) and _rt_task(thread) and _outside_of_interrupts(thread)):
        mark -= mark // 2
        if non_block:
            mark -= mark // 4
    return mark


def no_watermarks(thread: Thread, gfp: Gfp, *, memalloc: bool) -> bool:
    """__gfp_pfmemalloc_flags(): ALLOC_NO_WATERMARKS. `memalloc`: the task has PF_MEMALLOC."""
    if gfp & Gfp.NOMEMALLOC:
        return False
    return bool(gfp & Gfp.MEMALLOC) or (memalloc and not _is_interrupt(thread))
