"""Workqueues and works (include/linux/workqueue.h): making them, queueing, flushing, cancelling."""

from __future__ import annotations

from typing import Final

from ..errors import BadInput
from ..kernel.cpu import Cpu
from ..kernel.workqueue import DelayedWork, Work, Workqueue, WqFlags
from ..kernel.workqueue import cancel as cancelling
from ..kernel.workqueue import destroy as destruction
from ..kernel.workqueue import flush as flushing
from ..kernel.workqueue.workqueue import NO_FLAGS
from ..rcu.rcu_work import RcuWork
from .arguments import WORDS, wrong_argument
from .base import Action, Inside, KernelBase, handler_of, name_of, not_negative, site_of_function

WQ_UNBOUND: Final = WqFlags.UNBOUND
WQ_HIGHPRI: Final = WqFlags.HIGHPRI
WQ_MEM_RECLAIM: Final = WqFlags.MEM_RECLAIM


def _flags(what: str, flags: WqFlags | int) -> WqFlags:
    """The flags; 0 are none, as in C. Raises BadInput for any other number."""
    if flags and not isinstance(flags, WqFlags):
        raise wrong_argument(what, "flags", flags, WORDS[WqFlags.__name__])
    return WqFlags(flags)


class WorkqueueMaking(KernelBase):
    """Workqueues: the system's, and one's own; works.

    `inside` makes a work a member of an object from kmalloc() or vmalloc(), or of a function's frame, as with timers;
    `on_stack` is INIT_WORK_ONSTACK() and its like.
    """

    @property
    def system_wq(self) -> Workqueue:
        """The workqueue of normal workers."""
        return self._machine.workqueues.system_wq

    @property
    def system_highpri_wq(self) -> Workqueue:
        """The workqueue of high-priority workers."""
        return self._machine.workqueues.system_highpri_wq

    @property
    def system_long_wq(self) -> Workqueue:
        """The workqueue for works that take long."""
        return self._machine.workqueues.system_long_wq

    @property
    def system_unbound_wq(self) -> Workqueue:
        """The workqueue whose workers are bound to no CPU."""
        return self._machine.workqueues.system_unbound_wq

    @property
    def system_percpu_wq(self) -> Workqueue:
        """What is to take the place of system_wq. Raises BadInput where the version has none."""
        self._expect_version("system_percpu_wq", has=self._system.rules.has_percpu_wq, since="v6.17, and stable 6.12")
        return self._machine.workqueues.system_percpu_wq

    @property
    def system_dfl_wq(self) -> Workqueue:
        """What is to take the place of system_unbound_wq. Raises BadInput where the version has none."""
        self._expect_version("system_dfl_wq", has=self._system.rules.has_percpu_wq, since="v6.17, and stable 6.12")
        return self._machine.workqueues.system_dfl_wq

    def alloc_workqueue(self, name: str, flags: WqFlags | int = NO_FLAGS, max_active: int = 0) -> Workqueue:
        """alloc_workqueue(): `flags` of WQ_UNBOUND, WQ_HIGHPRI, WQ_MEM_RECLAIM; a `max_active` of 0 is 256."""
        return self._machine.workqueues.alloc_workqueue(
            name, _flags("alloc_workqueue", flags), not_negative("alloc_workqueue(max_active=)", max_active)
        )

    def alloc_ordered_workqueue(self, name: str, flags: WqFlags | int = NO_FLAGS) -> Workqueue:
        """alloc_ordered_workqueue(): one work at a time, in the order in which they were queued."""
        return self.alloc_workqueue(
            name, _flags("alloc_ordered_workqueue", flags) | WqFlags.UNBOUND | WqFlags.ORDERED, 1
        )

    def work(self, function: Action, *, name: str = "", inside: Inside | None = None, on_stack: bool = False) -> Work:
        """INIT_WORK(): a work that runs the function on a worker."""
        work = Work(name or name_of(function), handler_of(function), site=site_of_function(function))
        return self._member(inside, work, on_stack=on_stack)

    def declare_work(self, function: Action, *, name: str = "") -> Work:
        """DECLARE_WORK(): the same, a static one; lockdep knows it by its bare name."""
        name = name or name_of(function)
        return Work(name, handler_of(function), key=name, site=site_of_function(function))

    def delayed_work(
        self, function: Action, *, name: str = "", inside: Inside | None = None, on_stack: bool = False
    ) -> DelayedWork:
        """INIT_DELAYED_WORK(): a work, and the timer that queues it."""
        name, site = name or name_of(function), site_of_function(function)
        dwork = self._machine.workqueues.new_delayed_work(name, handler_of(function), site)
        self._member(inside, dwork.work, on_stack=on_stack)
        self._member(inside, dwork.timer, on_stack=on_stack)
        return dwork

    def rcu_work(self, function: Action, *, name: str = "", inside: Inside | None = None) -> RcuWork:
        """INIT_RCU_WORK(): a work that is queued when a grace period has passed."""
        name = name or name_of(function)
        key = f"(work_completion)(&(&{name})->work)"
        rwork = RcuWork(Work(name, handler_of(function), key=key, site=site_of_function(function)))
        self._member(inside, rwork.rcu)
        self._member(inside, rwork.work)
        return rwork


class Queueing(WorkqueueMaking):
    """Having works run."""

    async def queue_work(self, workqueue: Workqueue, work: Work) -> bool:
        """queue_work(): takes the pool's lock and those of a wake-up. False when the work is pending already."""
        return await self._machine.workqueues.queue_work(self._cpu, workqueue, work)

    async def queue_work_on(self, cpu: int, workqueue: Workqueue, work: Work) -> bool:
        """queue_work_on(): the same in that CPU's pool. Raises BadInput when the machine has no such CPU."""
        on = self._system.cpu(cpu)
        return await self._machine.workqueues.queue_work(self._cpu, workqueue, work, on=on)

    async def schedule_work(self, work: Work) -> bool:
        """schedule_work(): queue_work() on system_wq, from v6.18 on on system_percpu_wq."""
        return await self.queue_work(self._machine.workqueues.scheduled_on, work)

    async def queue_delayed_work(self, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """queue_delayed_work(): queue it in `delay_jiffies` or later. False when it is pending already."""
        return await self._queue_delayed("queue_delayed_work", workqueue, dwork, delay_jiffies, None)

    async def queue_delayed_work_on(
        self, cpu: int, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int
    ) -> bool:
        """queue_delayed_work_on(): with that CPU's timer, in its pool. Raises BadInput as queue_work_on()."""
        on = self._system.cpu(cpu)
        return await self._queue_delayed("queue_delayed_work_on", workqueue, dwork, delay_jiffies, on)

    async def schedule_delayed_work(self, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """schedule_delayed_work(): queue_delayed_work() on the workqueue that schedule_work() uses."""
        return await self.queue_delayed_work(self._machine.workqueues.scheduled_on, dwork, delay_jiffies)

    async def _queue_delayed(
        self, what: str, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int, on: Cpu | None
    ) -> bool:
        delay = not_negative(what, delay_jiffies)
        return await self._machine.workqueues.queue_delayed_work(self._cpu, workqueue, dwork, delay, on=on)

    async def mod_delayed_work(self, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """mod_delayed_work(): the delay begins anew. True when it was pending: then it runs once; false: once more."""
        return await self._mod("mod_delayed_work", workqueue, dwork, delay_jiffies, None)

    async def mod_delayed_work_on(self, cpu: int, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """mod_delayed_work_on(): with that CPU's timer. Raises BadInput as queue_work_on()."""
        return await self._mod("mod_delayed_work_on", workqueue, dwork, delay_jiffies, self._system.cpu(cpu))

    async def _mod(
        self, what: str, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int, on: Cpu | None
    ) -> bool:
        delay = not_negative(what, delay_jiffies)
        return await cancelling.mod_delayed_work(self._machine.workqueues, self._thread, workqueue, dwork, delay, on=on)

    async def queue_rcu_work(self, workqueue: Workqueue, rwork: RcuWork) -> bool:
        """queue_rcu_work(): queue it when a grace period has passed. False when it is pending already."""
        return await self._machine.kvfree.rcu_works.queue_rcu_work(self._cpu, workqueue, rwork)


class Workqueues(Queueing):
    """The rest of the workqueues' API: waiting for works, and taking them back."""

    async def flush_work(self, work: Work) -> bool:
        """flush_work(): sleep until its last queueing has finished; whether there was something to wait for.

        A pending timer or grace period is not waited for: flush_delayed_work(), flush_rcu_work().
        """
        return await flushing.flush_work(self._machine.workqueues, self._thread, work)

    async def flush_delayed_work(self, dwork: DelayedWork) -> bool:
        """flush_delayed_work(): queue it at once if its timer is pending, and wait for its end."""
        return await flushing.flush_delayed_work(self._machine.workqueues, self._thread, dwork)

    async def flush_rcu_work(self, rwork: RcuWork) -> bool:
        """flush_rcu_work(): wait for its grace period and for its end."""
        return await self._machine.kvfree.rcu_works.flush_rcu_work(self._thread, rwork)

    async def flush_workqueue(self, workqueue: Workqueue) -> None:
        """flush_workqueue(): sleep until every work that is queued on it now has run."""
        await flushing.flush_workqueue(self._machine.workqueues, self._thread, workqueue)

    async def drain_workqueue(self, workqueue: Workqueue) -> None:
        """drain_workqueue(): flush until it is empty; meanwhile only its own works may queue on it."""
        await destruction.drain_workqueue(self._machine.workqueues, self._thread, workqueue)

    async def destroy_workqueue(self, workqueue: Workqueue) -> None:
        """destroy_workqueue(): drain it, end its rescuer, and free it.

        A delayed work whose timer is pending is not waited for, nor a grace period. Raises BadInput for one of the
        system's own.
        """
        workqueues = self._machine.workqueues
        if workqueue in workqueues.of_system():
            raise BadInput(f"destroy_workqueue({workqueue.name}): the system's own are never destroyed")
        await destruction.destroy_workqueue(workqueues, self._thread, workqueue)

    async def cancel_work(self, work: Work) -> bool:
        """cancel_work(): take it back; whether it was pending. It may still run."""
        return await cancelling.cancel_work(self._machine.workqueues, self._thread, work)

    async def cancel_work_sync(self, work: Work) -> bool:
        """cancel_work_sync(): neither pending nor running afterwards; whether it was pending.

        Of a delayed or rcu work whose timer or grace period is pending it waits, busily, for these to be over.
        """
        return await cancelling.cancel_work_sync(self._machine.workqueues, self._thread, work)

    async def cancel_delayed_work(self, dwork: DelayedWork) -> bool:
        """cancel_delayed_work(): the same as cancel_work() with its timer."""
        return await cancelling.cancel_work(self._machine.workqueues, self._thread, dwork.work, dwork)

    async def cancel_delayed_work_sync(self, dwork: DelayedWork) -> bool:
        """cancel_delayed_work_sync(): the same as cancel_work_sync() with its timer."""
        return await cancelling.cancel_work_sync(self._machine.workqueues, self._thread, dwork.work, dwork)

    # -- disabling: v6.10 and later --

    async def disable_work(self, work: Work) -> bool:
        """disable_work(): cancel_work(), and nothing queues it until enable_work() was called as often.

        Whether it was pending. Raises BadInput where the version has none.
        """
        self._expect_disabling("disable_work")
        return await cancelling.cancel_work(self._machine.workqueues, self._thread, work, disable=True)

    async def disable_work_sync(self, work: Work) -> bool:
        """disable_work_sync(): the same, and it does not run afterwards. Raises as disable_work()."""
        self._expect_disabling("disable_work_sync")
        return await cancelling.disable_work_sync(self._machine.workqueues, self._thread, work)

    async def enable_work(self, work: Work) -> bool:
        """enable_work(): take back one disable_work(); whether it can be queued now. Raises as disable_work()."""
        self._expect_disabling("enable_work")
        return await cancelling.enable_work(self._machine.workqueues, self._thread, work)

    async def enable_and_queue_work(self, workqueue: Workqueue, work: Work) -> bool:
        """enable_and_queue_work(): enable_work(), and queue it if it can be. Whether it could. Raises as it does."""
        if not await self.enable_work(work):
            return False
        await self.queue_work(workqueue, work)
        return True

    async def disable_delayed_work(self, dwork: DelayedWork) -> bool:
        """disable_delayed_work(): disable_work() with its timer. Raises as that does."""
        self._expect_disabling("disable_delayed_work")
        return await cancelling.cancel_work(self._machine.workqueues, self._thread, dwork.work, dwork, disable=True)

    async def disable_delayed_work_sync(self, dwork: DelayedWork) -> bool:
        """disable_delayed_work_sync(): disable_work_sync() with its timer. Raises as disable_work()."""
        self._expect_disabling("disable_delayed_work_sync")
        return await cancelling.disable_work_sync(self._machine.workqueues, self._thread, dwork.work, dwork)

    async def enable_delayed_work(self, dwork: DelayedWork) -> bool:
        """enable_delayed_work(): enable_work(). Raises as that does."""
        self._expect_disabling("enable_delayed_work")
        return await cancelling.enable_work(self._machine.workqueues, self._thread, dwork.work)

    def _expect_disabling(self, function: str) -> None:
        self._expect_version(f"{function}()", has=self._system.rules.cancel_disables_work, since="v6.10")
