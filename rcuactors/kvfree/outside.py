"""What kvfree_rcu() asks of the rest of the kernel and sleeps or spins in: works taken back, grace periods waited for.

All else it is given as objects, in its constructor; these are functions of those rooms. They are called by way of this
one, so that whoever drives the mechanism without a machine (`conform/`) can answer for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..kernel.workqueue.cancel import cancel_work_sync, mod_delayed_work
from ..marks import machinery
from ..rcu.synchronize_rcu import synchronize_rcu

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kernel.workqueue import DelayedWork, Workqueue, Workqueues
    from ..rcu.callbacks import Callbacks


@attrs.frozen(eq=False)
class Outside:
    """One machine's."""

    workqueues: Workqueues
    callbacks: Callbacks

    @machinery
    async def mod_delayed_work(self, cpu: Cpu, workqueue: Workqueue, dwork: DelayedWork, delay: int) -> None:
        """mod_delayed_work(), with a delay in jiffies."""
        await mod_delayed_work(self.workqueues, cpu.current, workqueue, dwork, delay)

    @machinery
    async def cancel_delayed_work_sync(self, thread: Thread, dwork: DelayedWork) -> None:
        """cancel_delayed_work_sync()."""
        await cancel_work_sync(self.workqueues, thread, dwork.work, dwork)

    @machinery
    async def synchronize_rcu(self, thread: Thread) -> None:
        """synchronize_rcu()."""
        await synchronize_rcu(self.callbacks, thread)
