"""KASAN's auxiliary stack in kvfree_call_rcu(): saved before krcp->lock is taken (commit 84109ab58590, v5.13).

Only where that can do harm: see mm/kasan_aux.py. An object that is queued already is dropped first, where debug objects
watch (debug_rcu_head_queue()), and leaves none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..context.memory import LIVE

if TYPE_CHECKING:
    from ..context.memory import Memory
    from ..kernel.thread import Thread
    from ..mm.objects import KObject
    from .core import KvfreeRcu, Take

    Save = Callable[[Thread, Memory | None], Awaitable[None]]


def recorded(save: Save | None, take: Take | None) -> Take | None:
    """What may take an object before krcp->lock is looked at, behind that. None: nothing is saved."""
    if save is None:
        return take

    async def record(kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
        if item.state == LIVE:
            await save(thread, item)
        return take is not None and await take(kvfree, thread, item, head)

    return record
