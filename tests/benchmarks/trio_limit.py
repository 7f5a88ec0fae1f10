"""The limit: two bare Trio tasks that hand over to each other, in the form that the conductor uses.

Nothing else happens.
"""

from __future__ import annotations

import trio


async def ping_pong(hand_overs: int) -> None:
    """Reschedule the other task and wait, so many times in all."""
    tasks: list[trio.lowlevel.Task] = []
    ready = trio.Event()

    def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
        return trio.lowlevel.Abort.SUCCEEDED

    async def player(me: int) -> None:
        tasks.append(trio.lowlevel.current_task())
        if me == 0:
            ready.set()
            await trio.lowlevel.wait_task_rescheduled(abort)
        for _ in range(hand_overs // 2):
            trio.lowlevel.reschedule(tasks[1 - me])
            await trio.lowlevel.wait_task_rescheduled(abort)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(player, 0)
        await ready.wait()
        nursery.start_soon(player, 1)


def run_limit(hand_overs: int) -> None:
    """One run of its own."""
    trio.run(ping_pong, hand_overs)
