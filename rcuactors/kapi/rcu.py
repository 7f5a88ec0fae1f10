"""RCU and kvfree_rcu(): what this model exists for."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from ..kernel.cpu import Cpu
from ..kvfree.krc import take_cache
from ..mm.objects import KObject
from ..rcu.rcu_barrier import rcu_barrier
from ..rcu.synchronize_rcu import synchronize_rcu
from .base import Action, KernelBase, handler_of


async def _nothing() -> None:
    """kvfree_rcu(NULL)."""


class Rcu(KernelBase):
    """Read-side sections, grace periods, kvfree_rcu() (include/linux/rcupdate.h)."""

    def rcu_read_lock(self) -> None:
        """Enter a read-side section; nests, never waits."""
        self._machine.readers.rcu_read_lock(self._cpu)

    def rcu_read_unlock(self) -> None:
        """Leave it."""
        self._machine.readers.rcu_read_unlock(self._cpu)

    @contextmanager
    def rcu_reader(self) -> Iterator[None]:
        """A read-side section as a `with` block."""
        self.rcu_read_lock()
        # As in C nothing unwinds: an exception ends the run, and the section is open to its end.
        yield
        self.rcu_read_unlock()

    async def rcu_read_lock_bh(self) -> None:
        """Enter a read-side section with bottom halves off."""
        await self._machine.readers.rcu_read_lock_bh(self._thread)

    async def rcu_read_unlock_bh(self) -> None:
        """Leave it."""
        await self._machine.readers.rcu_read_unlock_bh(self._cpu)

    def rcu_read_lock_sched(self) -> None:
        """Enter a read-side section with preemption off."""
        self._machine.readers.rcu_read_lock_sched(self._cpu)

    async def rcu_read_unlock_sched(self) -> None:
        """Leave it."""
        await self._machine.readers.rcu_read_unlock_sched(self._cpu)

    def rcu_dereference(self, p: KObject) -> KObject:
        """Follow an RCU-protected pointer; lockdep wants rcu_read_lock() held.

        The oracle notes who may hold the object, and reports the use of one that was freed.
        """
        cpu = self._cpu
        self._machine.readers.check_dereference(cpu)
        self._machine.oracle.dereferenced(self._machine.readers.current_section(cpu), p)
        return p

    def kvfree_rcu(self, p: KObject | None, rhf: str | None = None) -> Coroutine[Any, Any, None]:
        """Free memory from kmalloc() or vmalloc() after a grace period.

        With the name of its rcu_head field (`rhf`) this is the two-argument form, which never sleeps and may be
        called from any context but NMI. Without it, the one-argument form, for objects that have no rcu_head: it may
        sleep. NULL is ignored. Raises TypeError for anything that is no object.
        """
        if p is None:
            return _nothing()
        if not isinstance(p, KObject):
            raise TypeError(f"kvfree_rcu({p!r}): needs what kmalloc(), vmalloc() or kvmalloc() returned")
        running = self._conductor.running
        # As in _thread, which would be one call more.
        thread = running.current if isinstance(running, Cpu) else self._thread
        return self._machine.kvfree.kvfree_call_rcu(thread, p, head=rhf is not None)

    def kfree_rcu(self, p: KObject | None, rhf: str | None = None) -> Coroutine[Any, Any, None]:
        """The same by its older name."""
        return self.kvfree_rcu(p, rhf)

    async def call_rcu(self, function: Action, *, name: str = "") -> None:
        """Have a function run in softirq context after a grace period."""
        await self._machine.callbacks.call_rcu(self._cpu, handler_of(function), name or function.__name__)

    async def synchronize_rcu(self) -> None:
        """Sleep until a grace period has passed."""
        await synchronize_rcu(self._machine.callbacks, self._thread)

    async def rcu_barrier(self) -> None:
        """Sleep until every call_rcu() callback queued so far was invoked. It does not wait for kvfree_rcu()."""
        await rcu_barrier(self._machine.callbacks, self._thread)

    # -- the stages of boot --

    def kfree_rcu_batch_init(self) -> None:
        """kfree_rcu_batch_init(): blocks are used from now on. For scenarios that begin in early boot."""
        self._machine.kvfree.batch_init()

    async def rcu_scheduler_running(self) -> None:
        """The scheduler and the workqueues are up: rcu_scheduler_active becomes RCU_SCHEDULER_RUNNING."""
        await self._machine.scheduler_running(self._cpu)

    # -- what a test rig does to the machine --

    def cached_pages(self) -> int:
        """Pages in this CPU's kvfree_rcu() cache (nr_bkv_objs)."""
        return len(self._machine.kvfree.krc(self._cpu.cpu_id).cache)

    async def cold_caches(self) -> None:
        """Empty this CPU's kvfree_rcu() page cache and its page list: a rig's way to the state after a long burst.

        Process context only.
        """
        thread = self._thread
        cpu, flags = thread.local_irq_save("cold_caches")
        krcp = self._machine.kvfree.krc(cpu.cpu_id)
        await self._locks.raw_spin_lock(cpu, krcp.lock)
        pages = take_cache(krcp)
        await self._locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        for page in pages:
            await self._machine.pages.free_page(thread, page)
        await self._machine.pages.zone.drain_local_pages(thread)
