"""What a debug kernel does with every page on its way out of the page allocator, and back in.

mm/page_alloc.c, post_alloc_hook() and free_pages_prepare(), which knows nothing of what its caller holds:

* debug_pagealloc maps the page, or takes its mapping away. On x86 that takes no lock. This is powerpc's variant with
  hash tables, which seed 003 (Rezki) names as one that "uses sleep-able locks": a spinlock_t, linear_map_hash_lock
  (arch/powerpc/mm/book3s64/hash_utils.c, kernel_map_linear_page(); made raw in later kernels).
* KASAN unpoisons the page, or poisons it: shadow memory only, no lock.
* page_owner saves the stack of who allocates, or frees (mm/page_owner.c), in the stack depot (lib/stackdepot.c). A
  stack that the depot has not seen may need memory: the page allocator is called again, when a page is freed, too,
  with GFP_NOWAIT then, else with what is left of the caller's flags: GFP_ATOMIC | GFP_KERNEL, so no other flag gets
  through. The depot takes more pages at once than the lists of order 0 give. Its pool_lock is raw. A nested request of
  the same task is not recorded (current->in_page_owner). Since alloc_pages_nolock() (v6.15) a request without a reclaim
  bit must not spin: the depot allocates nothing for it, and only tries its lock; and a page that is freed asks so
  (lib/stackdepot.c, mm/page_owner.c, 6.18.44). A design that brings alloc_pages_nolock() to an older version brings
  that for its own pages.

A page that came out by a way without these hooks is as unmapped or poisoned as it was: `first_write()` finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ...context.locks import LockKind
from ...context.trace import call_trace
from ...context.violation import ViolationKind
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_trylock_irqsave, spin_unlock_irqrestore
from ..gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, RECLAIM, Gfp
from ..objects import PAGE_OFFSET, PAGE_SIZE
from .no_locks import Route

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..rules import MmRules
    from .page_alloc import PageAllocator

_DEPOT_FLAGS: Final = GFP_ATOMIC | GFP_KERNEL


class PageHook(Protocol):
    """One of them."""

    complaint: str
    """What a use of a page says that this hook has not prepared; %s is its address."""

    async def post_alloc_hook(self, thread: Thread, gfp: Gfp, route: Route, /) -> None:
        """post_alloc_hook(): a page is about to be given out."""
        ...

    async def free_pages_prepare(self, thread: Thread, /) -> None:
        """free_pages_prepare(): a page has come back."""
        ...


class DebugPagealloc:
    """debug_pagealloc_map_pages(), debug_pagealloc_unmap_pages()."""

    complaint = "BUG: unable to handle page fault for address: %s"

    def __init__(self, system: System, rules: MmRules) -> None:
        self._system = system
        self._lock = system.lock_factory.make("linear_map_hash_lock", rules.linear_map_lock)

    async def post_alloc_hook(self, thread: Thread, _gfp: Gfp, _route: Route) -> None:
        """post_alloc_hook(): map it."""
        await self.kernel_map_linear_page(thread)

    async def free_pages_prepare(self, thread: Thread) -> None:
        """free_pages_prepare(): unmap it."""
        await self.kernel_unmap_linear_page(thread)

    async def kernel_map_linear_page(self, thread: Thread) -> None:
        """Note the slot of the hash table, under the lock."""
        await self._note(thread)

    async def kernel_unmap_linear_page(self, thread: Thread) -> None:
        """Forget it."""
        await self._note(thread)

    async def _note(self, thread: Thread) -> None:
        locks = self._system.locks
        cpu, flags = await spin_lock_irqsave(locks, thread, self._lock, "__kernel_map_pages")
        await spin_unlock_irqrestore(locks, cpu, self._lock, flags)


class Kasan:
    """kasan_unpoison_pages(), kasan_poison_pages(): a byte of shadow for eight of the page."""

    complaint = "BUG: KASAN: use-after-free, write to address %s"

    def __init__(self, system: System) -> None:
        self._shadow_ns = system.costs.page_zero_ns // 8

    async def post_alloc_hook(self, thread: Thread, _gfp: Gfp, _route: Route) -> None:
        """post_alloc_hook(): unpoison."""
        thread.cpu.clock += self._shadow_ns

    async def free_pages_prepare(self, thread: Thread) -> None:
        """free_pages_prepare(): poison it."""
        thread.cpu.clock += self._shadow_ns


class PageOwner:
    """set_page_owner(), reset_page_owner(), and the stack depot. `allocations` counts those for the depot."""

    complaint = ""

    def __init__(self, system: System, pages: PageAllocator, rules: MmRules) -> None:
        self._system = system
        self._pages = pages
        self._may_not_spin = rules.nolock
        self._lock = system.lock_factory.make("pool_lock", LockKind.RAW_SPINLOCK)
        self._in_page_owner: set[Thread] = set()
        self._stacks: set[tuple[str, ...]] = set()
        self.allocations = 0

    async def post_alloc_hook(self, thread: Thread, gfp: Gfp, route: Route) -> None:
        """post_alloc_hook(): save the stack with the caller's flags."""
        await self.save_stack(thread, gfp, can_alloc=route is not Route.TRY)

    async def free_pages_prepare(self, thread: Thread) -> None:
        """free_pages_prepare(): save the stack, in any context: GFP_NOWAIT | __GFP_NOWARN, from v6.15 on the latter."""
        await self.save_stack(thread, GFP_NOWARN if self._may_not_spin else GFP_NOWAIT | GFP_NOWARN, can_alloc=True)

    async def save_stack(self, thread: Thread, gfp: Gfp, *, can_alloc: bool) -> None:
        """The stack of who is here now."""
        if thread in self._in_page_owner:
            return
        self._in_page_owner.add(thread)
        thread.cpu.clock += self._system.costs.stack_save_ns
        await self.stack_depot_save(thread, tuple(call_trace()), gfp, can_alloc=can_alloc)
        self._in_page_owner.remove(thread)

    async def stack_depot_save(self, thread: Thread, stack: tuple[str, ...], gfp: Gfp, *, can_alloc: bool) -> None:
        """stack_depot_save(): what it has is found without a lock; what is new always needs memory here."""
        if stack in self._stacks or not can_alloc:
            return
        locks = self._system.locks
        page, allow_spin = None, not self._may_not_spin or bool(gfp & RECLAIM)
        if allow_spin:
            self.allocations += 1
            page = await self._pages.get_free_page(thread, gfp & _DEPOT_FLAGS | GFP_NOWARN, Route.ZONE)
            cpu, flags = await spin_lock_irqsave(locks, thread, self._lock, "stack_depot_save")
        else:
            cpu = thread.cpu
            tried = await spin_trylock_irqsave(locks, cpu, self._lock, "stack_depot_save")
            if tried is None:
                return
            flags = tried
        if page is not None:
            self._stacks.add(stack)
        await spin_unlock_irqrestore(locks, cpu, self._lock, flags)


def page_hooks(system: System, pages: PageAllocator, rules: MmRules) -> tuple[PageHook, ...]:
    """Those that the configuration has, in the order of post_alloc_hook()."""
    config = system.config
    hooks: list[PageHook] = []
    if config.debug_pagealloc:
        hooks.append(DebugPagealloc(system, rules))
    if config.KASAN:
        hooks.append(Kasan(system))
    if config.page_owner:
        hooks.append(PageOwner(system, pages, rules))
    return tuple(hooks)


def first_write(cpu: Cpu, hooks: tuple[PageHook, ...], pfn: int) -> None:
    """Somebody writes to a page that no hook has prepared."""
    for hook in hooks:
        if hook.complaint:
            title = hook.complaint % f"{PAGE_OFFSET + pfn * PAGE_SIZE:016x}"
            lines = [title, *cpu.judge.stack(cpu, call_trace())]
            cpu.judge.report(cpu, ViolationKind.USE_AFTER_FREE, title, "\n".join(lines))
            return
