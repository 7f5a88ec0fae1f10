"""a3, f9: pages, with the zone low or empty, and allocations that fail."""

from __future__ import annotations

from typing import Any, Final

from ...mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp
from ..before import past_of
from ..module import Module, NotExpressible

_GFP: Final = {
    "nowait": GFP_NOWAIT,
    "atomic": GFP_ATOMIC,
    "gfp0": Gfp(0),
    "kernel": GFP_KERNEL,
    "noretry": GFP_KERNEL | Gfp.NORETRY,
    "nofs": GFP_KERNEL & ~Gfp.FS,
    "norm": GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC,
}
_BIG: Final = 64 << 20
_HUGE: Final = 0
"""What 4096 << 20 is as an int."""
_KMALLOC: Final = 1024
_PAGES: Final = 128
_LEFT_ON_LISTS: Final = {False: (354, 552), True: (275, 433)}
"""Pages of other types on the asking CPU's lists, and on another's, without and with PREEMPT_RT, on v6.12.0 and later.
The recordings tell of the first (512 pages there, of which 160 are the question's); the second has the last refill of
480 pages leave the zone about where it was recorded, which is chance."""
_LEFT_ON_OLDER: Final = {False: (256, 480), True: (178, 480)}
"""On v6.1.0 to v6.6, where a refill is of one batch: with it the recorded 287 and 249 come out, and the 38 and 36
refills in which 600 pages were had; without PREEMPT_RT 45 of the question's 64 have gone to the zone then. What another
CPU has is free choice."""


class _Pages:
    """pl: the pages that the module keeps, the last one on top."""

    def __init__(self, q: Module) -> None:
        self._q = q
        self._kept: list[int] = []

    async def take(self, gfp: Gfp) -> bool:
        """Keep one more. Whether there was one."""
        page = await self._q.k.get_free_page(gfp)
        if page is not None:
            self._kept.append(page)
        return page is not None

    async def put_pl(self, count: int) -> None:
        """put_pl(): give back so many."""
        for _ in range(max(0, min(count, len(self._kept)))):
            await self._q.k.free_page(self._kept.pop())

    @property
    def count(self) -> int:
        """How many it keeps: npl."""
        return len(self._kept)

    async def put_all(self) -> None:
        """Give all back."""
        await self.put_pl(len(self._kept))


# -- a3 ----------------------------------------------------------------------------------------------------------------


async def _prepare(q: Module, pages: _Pages) -> None:
    """The zone empty but for what is given back again, or as it is with 64 pages of 128 on this CPU's list."""
    _fill_lists(q)
    if q.v == "low":
        if q.asked.before is not None:
            zone = q.kernel.machine.pages.zone
            zone.boost_watermarks(max(0, q.asked.before.min - zone.watermark_min))
        fill = Gfp.NOWARN | (Gfp.HIGH if q.has("high") else Gfp(0))
        while await pages.take(fill):
            pass
    else:
        for _ in range(_PAGES):
            await pages.take(GFP_KERNEL)
    count = min(q.arg("free"), pages.count)
    _as_it_was(q, count)
    await pages.put_pl(count)


def _fill_lists(q: Module) -> None:
    """What user space has left on the CPUs' lists for other migrate types counts where their length is shared out."""
    machine = q.kernel.machine
    zone, this_cpu = machine.pages.zone, q.k.smp_processor_id()
    if not zone.sizes.shared_out:
        return
    left = _LEFT_ON_LISTS if zone.sizes.notes_below_high else _LEFT_ON_OLDER
    here, elsewhere = left[machine.system.locks.rt]
    for cpu in machine.system.masks.online():
        zone.leave_on_lists(machine.system.cpu(cpu), here if cpu == this_cpu else elsewhere)


def _as_it_was(q: Module, count: int) -> None:
    """The lists and the zone as a real kernel must have had them before `count` pages were given back (before.py)."""
    machine, before = q.kernel.machine, q.asked.before
    zone, this_cpu = machine.pages.zone, machine.system.cpu(q.k.smp_processor_id())
    if before is None or not count or not zone.sizes.shared_out:
        return
    past = past_of(zone, zone.list_of(this_cpu), count, before, is_low=q.v == "low")
    zone.leave_on_lists(this_cpu, past.others)
    if past.free is None:
        return
    for number in machine.system.masks.online():
        other = machine.system.cpu(number)
        if other is not this_cpu:
            zone.leave_on_lists(other, max(0, zone.list_of(other).others + zone.free - past.free))


async def _woken(q: Module, pages: _Pages, gfp: Gfp) -> None:
    """One without a lock, which wakes kswapd, then one under the raw lock."""
    k = q.k
    k.preempt_disable()
    page = await k.get_free_page(GFP_NOWAIT | Gfp.NOWARN)
    q.say(f"A3 first a GFP_NOWAIT without a lock: {_got(page)}")
    flags = await k.raw_spin_lock_irqsave(q.raw)
    page = await k.get_free_page(gfp)
    await k.raw_spin_unlock_irqrestore(q.raw, flags)
    q.say(f"A3 then one under the raw lock: {_got(page)}; debug_locks={q.debug_locks}")
    await k.preempt_enable()
    await pages.put_all()


def _got(page: object) -> str:
    return "got a page" if page is not None else "NULL"


def _zone_say(q: Module, when: str) -> None:
    """zone_say()."""
    zone = q.kernel.machine.pages.zone
    q.say(
        f"  {when}: zone DMA32 free {zone.free} min {zone.watermark_min} low {zone.watermark_low} "
        f"high {zone.watermark_high}, pcp of this CPU {q.k.pcp_count()}"
    )


async def do_a3(q: Module) -> None:
    """Pages under q_raw, q_spin or nothing."""
    k, pages, gfp, n = q.k, _Pages(q), _GFP[q.question.word("gfp")] | Gfp.NOWARN, q.arg("reps")
    await _prepare(q, pages)
    _zone_say(q, "before")
    if q.has("woken"):
        await _woken(q, pages, gfp)
        return
    q.say(f"A3 {q.cmd}: debug_locks={q.debug_locks}, allocating {n} page(s) gfp 0x{gfp:x}")

    async def take() -> int:
        return sum([await pages.take(gfp) for _ in range(n)])

    if q.has("lock", "none"):
        ok = await take()
    elif q.has("lock", "spin"):
        await k.spin_lock(q.spin)
        ok = await take()
        await k.spin_unlock(q.spin)
    else:
        flags = await k.raw_spin_lock_irqsave(q.raw)
        ok = await take()
        await k.raw_spin_unlock_irqrestore(q.raw, flags)
    _zone_say(q, "after")
    await pages.put_all()
    q.say(f"A3 got {ok} of {n}, debug_locks={q.debug_locks}")


# -- f9 ----------------------------------------------------------------------------------------------------------------


async def _until_it_fails(q: Module, pages: _Pages, gfp: Gfp) -> int:
    count, most = 0, q.arg("max")
    while count < most and await pages.take(gfp):
        count += 1
    return count


async def _order(q: Module, gfp: Gfp) -> Any:
    """__get_free_pages() of that order; order 0 is a page."""
    return await (q.k.get_free_page(gfp) if not q.arg("order") else q.api("get_free_pages")(gfp, q.arg("order")))


async def do_f9(q: Module) -> None:
    """Allocate until nothing is left, or more than there can be."""
    gfp, pages, began = _GFP[q.question.word("gfp")], _Pages(q), q.us()
    match q.v:
        case "page":
            if q.arg("order"):
                raise NotExpressible("pages of an order above 0 are not modelled")
            n = await _until_it_fails(q, pages, gfp)
            q.say(f"F9 page gfp 0x{gfp:x}: failed after {n} pages, {q.us() - began} us")
            await pages.put_all()
        case "nowarn":
            n = await _until_it_fails(q, pages, gfp | Gfp.NOWARN)
            q.say(f"F9 nowarn: failed after {n}")
            await pages.put_all()
        case "kmalloc":
            await _kmalloc(q, gfp)
        case "big":
            p = await q.k.kmalloc(q.arg("size") or _BIG, gfp)
            q.say(f"F9 big: {_null(p)}")
            await q.k.kfree(p)
        case "vm":
            p = await q.k.vmalloc(q.arg("size") or _HUGE, gfp)
            q.say(f"F9 vmalloc: {_null(p)}")
            await q.k.vfree(p)
        case "one":
            page = await _order(q, gfp)
            q.say(f"F9 one: {_null(page)}")
            await q.k.free_page(page)


def _null(p: object) -> str:
    return "0" * 16 if p is None else "a pointer"


async def _kmalloc(q: Module, gfp: Gfp) -> None:
    size, objects = q.arg("size") or _KMALLOC, list[Any]()
    while len(objects) < q.arg("max"):
        p = await q.k.kmalloc(size, gfp)
        if p is None:
            break
        objects.append(p)
    q.say(f"F9 kmalloc({size}) gfp 0x{gfp:x}: failed after {len(objects)}")
    while objects:
        await q.k.kfree(objects.pop())
