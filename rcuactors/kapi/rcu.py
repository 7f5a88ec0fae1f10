"""RCU and kvfree_rcu(): what this model exists for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from sys import _getframe
from typing import Any, Final, TypeVar

from ..context.memory import LIVE, RETIRED
from ..context.trace import Origin, caller_site, origin_of
from ..errors import BadInput, bad_value, shown
from ..kernel.cpu import Cpu
from ..kernel.thread import Thread
from ..kvfree.krc import Krc, keep_page, take_cache
from ..mm.gfp import GFP_KERNEL
from ..mm.objects import KObject
from ..rcu.data import Callback, RcuHead
from ..rcu.nocb import OffloadedCallbacks
from ..rcu.rcu_barrier import rcu_barrier
from ..rcu.synchronize_rcu import synchronize_rcu, synchronize_rcu_expedited
from .arguments import WORDS, checks_itself, wrong_argument
from .base import Action, KernelBase, begun, handler_of, name_of

Pointer = TypeVar("Pointer", bound=KObject | None)
Taken = TypeVar("Taken")


def _callback_of(
    what: str, head: RcuHead | Action, function: Callable[..., Awaitable[None]] | None, name: str
) -> tuple[Callback, str, RcuHead | None]:
    """What is to be called, under which name, and the head that it was given with. Raises BadInput without function."""
    if not isinstance(head, RcuHead):
        return handler_of(head), name or name_of(head), None
    if function is None:
        raise BadInput(f"{what}(head, function): the function is missing")
    called, inside = function, head.inside

    async def _callback(_cpu: Cpu) -> None:
        await (begun(called) if inside is None else begun(called, inside))

    return _callback, name or name_of(called), head


_MOST_PAGES: Final = 1_000_000
RCU_HEAD_BYTES: Final = 16
"""sizeof(struct rcu_head), of struct kvfree_rcu_head as well."""


def expect_room_for_head(what: str, p: KObject) -> None:
    """Raises BadInput for an object that is too small to have an rcu_head in it; a struct's size is in fields."""
    if p.size < RCU_HEAD_BYTES and not hasattr(p, "values"):
        raise bad_value(f"{what}({p}, ...)", f"an object with an rcu_head in it, which has {RCU_HEAD_BYTES} bytes")


def _expect_condition(what: str, c: bool) -> None:
    if c.__class__ is not bool:
        raise wrong_argument(what, "c", c, WORDS["bool"])


async def nothing() -> None:
    """kvfree_rcu(NULL)."""


class Rcu(KernelBase):
    """Read-side sections, grace periods, kvfree_rcu() (include/linux/rcupdate.h)."""

    _retired_from: Origin = origin_of(_getframe())

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

    # -- pointers --

    @checks_itself
    def rcu_dereference(self, p: Pointer) -> Pointer:
        """Take an RCU-protected pointer; lockdep wants rcu_read_lock() held, though any region is a reader.

        The oracle notes that this reader may hold the object to its end, and reports the use of one that was freed.
        NULL is None, and comes back.
        """
        return self.rcu_dereference_check(p, False)

    @checks_itself
    def rcu_dereference_check(self, p: Pointer, c: bool) -> Pointer:
        """The same where `c` may stand for rcu_read_lock(): lockdep_is_held(), a reference that is held."""
        _expect_condition("rcu_dereference_check", c)
        readers, cpu = self._machine.readers, self._cpu
        readers.check_dereference(cpu, c or readers.rcu_read_lock_held(cpu), "rcu_dereference_check")
        return self._dereferenced(cpu, p)

    @checks_itself
    def rcu_dereference_bh(self, p: Pointer) -> Pointer:
        """The same with bottom halves off, or interrupts, for readers by rcu_read_lock_bh()."""
        return self.rcu_dereference_bh_check(p, False)

    @checks_itself
    def rcu_dereference_bh_check(self, p: Pointer, c: bool) -> Pointer:
        """The same where `c` may stand for that."""
        _expect_condition("rcu_dereference_bh_check", c)
        readers, cpu = self._machine.readers, self._cpu
        readers.check_dereference(cpu, c or readers.rcu_read_lock_bh_held(cpu), "rcu_dereference_check")
        return self._dereferenced(cpu, p)

    @checks_itself
    def rcu_dereference_sched(self, p: Pointer) -> Pointer:
        """The same where nobody can preempt, for readers by rcu_read_lock_sched() or preempt_disable()."""
        return self.rcu_dereference_sched_check(p, False)

    @checks_itself
    def rcu_dereference_sched_check(self, p: Pointer, c: bool) -> Pointer:
        """The same where `c` may stand for that."""
        _expect_condition("rcu_dereference_sched_check", c)
        readers, cpu = self._machine.readers, self._cpu
        readers.check_dereference(cpu, c or readers.rcu_read_lock_sched_held(cpu), "rcu_dereference_check")
        return self._dereferenced(cpu, p)

    @checks_itself
    def rcu_dereference_raw(self, p: Pointer) -> Pointer:
        """The same without a question: for code that serves readers of all flavours."""
        return self._dereferenced(self._cpu, p)

    @checks_itself
    def rcu_dereference_protected(self, p: Pointer, c: bool) -> Pointer:
        """For updaters: `c` says what keeps others from changing the pointer. It makes nobody a holder."""
        _expect_condition("rcu_dereference_protected", c)
        cpu = self._cpu
        self._machine.readers.check_dereference(cpu, c, "rcu_dereference_protected")
        if p is not None:
            if not isinstance(p, KObject):
                raise wrong_argument("rcu_dereference_protected", "p", p, WORDS[KObject.__name__])
            self._machine.oracle.dereferenced(None, p)
        return p

    def rcu_access_pointer(self, p: Pointer) -> Pointer:
        """The pointer itself, which is compared and not followed; legal anywhere."""
        return p

    def _dereferenced(self, cpu: Cpu, p: Pointer) -> Pointer:
        if p is not None:
            if not isinstance(p, KObject):
                raise wrong_argument("rcu_dereference", "p", p, WORDS[KObject.__name__])
            self._machine.book.dereferenced(cpu, p, caller_site())
            if self._system.kcsan is not None:
                self._system.kcsan.dereferenced(cpu, p)
            if p.state == RETIRED:
                cpu.judge.used_while_retired(cpu, p, str(p))
        return p

    def rcu_read_lock_held(self) -> bool:
        """rcu_read_lock_held(): in such a section, as far as lockdep knows; always True while that is off."""
        return not self._watching() or self._machine.readers.rcu_read_lock_held(self._cpu)

    def rcu_read_lock_bh_held(self) -> bool:
        """rcu_read_lock_bh_held(): bottom halves or interrupts off; as above."""
        return not self._watching() or self._machine.readers.rcu_read_lock_bh_held(self._cpu)

    def rcu_read_lock_sched_held(self) -> bool:
        """rcu_read_lock_sched_held(): not preemptible; as above."""
        return not self._watching() or self._machine.readers.rcu_read_lock_sched_held(self._cpu)

    def rcu_read_lock_any_held(self) -> bool:
        """rcu_read_lock_any_held(): in a section of any flavour, or not preemptible; as above."""
        readers, cpu = self._machine.readers, self._cpu
        return not self._watching() or readers.in_any_section(cpu) or not cpu.ctx.preemptible()

    def _watching(self) -> bool:
        """debug_lockdep_rcu_enabled()."""
        return self._system.config.lockdep and self._cpu.judge.debug_locks

    @checks_itself
    def kvfree_rcu(self, p: KObject | None, rhf: str | None = None) -> Coroutine[Any, Any, None]:
        """Free memory from kmalloc() or vmalloc() after a grace period.

        With the name of its rcu_head field (`rhf`) this is the two-argument form, which never sleeps and may be
        called from any context but NMI. Without it, the one-argument form, for objects that have no rcu_head: it may
        sleep. NULL is ignored. Raises BadInput for anything that is no object, for one that has no room for an
        rcu_head, and for the one-argument form where that is spelled kvfree_rcu_mightsleep() only, since v6.4.
        """
        if rhf is None:
            self._expect_one_argument()
        elif rhf.__class__ is not str:
            raise wrong_argument("kvfree_rcu", "rhf", rhf, "the name of the object's rcu_head")
        if not isinstance(p, KObject):
            if p is None:
                return nothing()
            raise wrong_argument("kvfree_rcu", "p", p, WORDS[KObject.__name__])
        if p.size < RCU_HEAD_BYTES and rhf is not None:
            expect_room_for_head("kvfree_rcu", p)
        if p.members and rhf is not None and self._queued_by_call_rcu(p, rhf):
            return nothing()
        if p.state == LIVE:
            caller, origin = _getframe(1), self._retired_from
            if origin[1] != caller.f_lasti or origin[0] is not caller.f_code:
                # One tuple for a loop's million calls.
                origin = self._retired_from = origin_of(caller)
            p.retired_from = origin
        try:
            # As in _thread, which would be one call more.
            thread: Thread = self._conductor.running.current  # type: ignore[union-attr]  # who has no thread has no such field
        except AttributeError:
            thread = self._thread
        return self._machine.kvfree.kvfree_call_rcu(thread, p, head=rhf is not None)

    kfree_rcu = kvfree_rcu
    """The same by its older name."""

    def _expect_one_argument(self) -> None:
        if not self._machine.kvfree.rules.one_argument_by_macro:
            name = self._machine.setup.era.name
            raise bad_value(
                "kvfree_rcu(p)", f"the name of its rcu_head on {name}; without one it is kvfree_rcu_mightsleep(p)"
            )

    def _queued_by_call_rcu(self, p: KObject, rhf: str) -> bool:
        """The object's rcu_head waits for its callback: that is told. Whether debug objects drop the second queueing.

        kvfree_call_rcu() shows them the object's address, call_rcu() the head's: the same where the head comes first.
        """
        head = getattr(p, rhf, None)
        if not isinstance(head, RcuHead) or not head.queued:
            return False
        first = next(iter(getattr(p, "values", ())), "") == rhf
        message = f"kvfree_call_rcu(): Double-freed call. rcu_head {p.address:016x}"
        return self._machine.callbacks.queued_twice(self._cpu, head, message, seen=first)

    async def call_rcu(
        self, head: RcuHead | Action, function: Callable[..., Awaitable[None]] | None = None, *, name: str = ""
    ) -> None:
        """Have a function run in softirq context after a grace period.

        call_rcu(function), or call_rcu(head, function) with an rcu_head: then the function is called with the object
        that the head is in, if it is in one.
        """
        await self._machine.callbacks.call_rcu(self._cpu, *_callback_of("call_rcu", head, function, name))

    async def call_rcu_hurry(
        self, head: RcuHead | Action, function: Callable[..., Awaitable[None]] | None = None, *, name: str = ""
    ) -> None:
        """call_rcu() of one that must not wait for company (v6.6 and later): other than that where RCU_LAZY=y.

        Raises BadInput on a version that has none.
        """
        callbacks = self._machine.callbacks
        if not callbacks.rules.lazy_callbacks:
            raise BadInput("call_rcu_hurry(): is of v6.2 and later; this version has call_rcu()")
        await callbacks.call_rcu_hurry(self._cpu, *_callback_of("call_rcu_hurry", head, function, name))

    async def rcu_nocb_cpu_deoffload(self, cpu: int) -> int:
        """The callbacks of a CPU that is offline are the softirq's from now on; -EINVAL (-22) while it is online.

        Raises BadInput where callbacks are not offloaded (rcu_nocbs=n), or before v6.12.
        """
        return await self._offloaded("rcu_nocb_cpu_deoffload").rcu_nocb_cpu_deoffload(self._thread, cpu)

    async def rcu_nocb_cpu_offload(self, cpu: int) -> int:
        """The way back."""
        return await self._offloaded("rcu_nocb_cpu_offload").rcu_nocb_cpu_offload(self._thread, cpu)

    def _offloaded(self, what: str) -> OffloadedCallbacks:
        callbacks = self._machine.callbacks
        if not isinstance(callbacks, OffloadedCallbacks):
            raise BadInput(f"{what}(): callbacks are not offloaded: set rcu_nocbs=y")
        if not callbacks.rules.nocb_toggles_offline:
            raise BadInput(f"{what}(): is modelled as v6.12 and later have it")
        return callbacks

    async def synchronize_rcu(self) -> None:
        """Sleep until a grace period has passed."""
        await synchronize_rcu(self._machine.callbacks, self._thread)

    async def synchronize_rcu_expedited(self) -> None:
        """The same by interrupting the other CPUs: a matter of microseconds, unless somebody reads."""
        await synchronize_rcu_expedited(self._machine.callbacks, self._thread)

    def rcu_expedite_gp(self) -> None:
        """synchronize_rcu() is an expedited one, until rcu_unexpedite_gp() has been called as often."""
        self._machine.callbacks.expedited.rcu_expedite_gp()

    def rcu_unexpedite_gp(self) -> None:
        """Take that back. Raises BadInput where nobody has said it."""
        if not self._machine.callbacks.expedited.nesting:
            raise BadInput("rcu_unexpedite_gp(): there is no rcu_expedite_gp() that this takes back")
        self._machine.callbacks.expedited.rcu_unexpedite_gp()

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

    async def set_cached_pages(self, number: int) -> None:
        """Let this CPU's kvfree_rcu() page cache hold so many pages, or as many as it keeps: a state that was recorded.

        Process context only. Pages that cannot be had are not there. Raises BadInput for less than none, and for more
        than any machine has.
        """
        if not 0 <= number <= _MOST_PAGES:
            raise bad_value(f"set_cached_pages({shown(number)})", f"a number of pages from 0 to {_MOST_PAGES}")
        pages, limit = self._machine.pages, min(number, self._machine.kvfree.min_cached_objs)
        for page in await self._with_cache(lambda krcp: [krcp.cache.pop() for _ in range(len(krcp.cache) - number)]):
            await pages.free_page(self._thread, page)
        while self.cached_pages() < limit:
            another = await pages.get_free_page(self._thread, GFP_KERNEL)
            if another is None:
                return
            if not await self._with_cache(partial(keep_page, page=another, limit=limit)):
                await pages.free_page(self._thread, another)  # somebody else has filled it

    async def cold_caches(self) -> None:
        """Empty this CPU's kvfree_rcu() page cache and its page list: a rig's way to the state after a long burst.

        Process context only.
        """
        for page in await self._with_cache(take_cache):
            await self._machine.pages.free_page(self._thread, page)
        await self._machine.pages.zone.drain_local_pages(self._thread)

    async def _with_cache(self, change: Callable[[Krc], Taken]) -> Taken:
        """Something is done to this CPU's page cache, under its lock."""
        cpu, flags = self._thread.local_irq_save("cold_caches")
        krcp = self._machine.kvfree.krc(cpu.cpu_id)
        await self._locks.raw_spin_lock(cpu, krcp.lock)
        taken = change(krcp)
        await self._locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        return taken
