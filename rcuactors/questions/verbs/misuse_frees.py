"""m: memory that is freed twice, in the wrong way, or where one may not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ...mm.objects import VMALLOC_START
from ..module import Module

Act = Callable[[Module], Awaitable[None]]

_STACK: Final = VMALLOC_START + 0x3F00


# -- memory ------------------------------------------------------------------------------------------------------------


async def _dblfree(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    await q.k.kfree(p)
    await q.k.kfree(p)


async def _dblpage(q: Module) -> None:
    page = await q.k.get_free_page()
    await q.k.free_page(page)
    await q.k.free_page(page)


async def _kfreevm(q: Module) -> None:
    await q.k.kfree(await q.k.vmalloc(8192))


async def _vfreeslab(q: Module) -> None:
    # Not the first of its slab: that one lies at the beginning of a page.
    first = await q.k.kmalloc(64)
    await q.k.vfree(await q.k.kmalloc(64))
    await q.k.kfree(first)


async def _vfreetwice(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.vfree(p)
    await q.k.vfree(p)


async def _kfreestr(q: Module) -> None:
    text: Any = "hello"
    await q.k.kfree(text)


async def _kfreebad(q: Module) -> None:
    number: Any = 0x1234
    await q.k.kfree(number)


async def _vfreemid(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.vfree(p.address + 4096 if p is not None else None)


async def _kfreemid(q: Module) -> None:
    p = await q.k.kmalloc(64)
    await q.k.kfree(p.address + 16 if p is not None else None)


async def _kfreestack(q: Module) -> None:
    # CONFIG_VMAP_STACK: a kernel stack lies where vmalloc() has its areas.
    await q.k.kfree(_STACK)


async def _vfreeirq(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    q.k.local_irq_disable()
    await q.k.vfree(p)
    await q.k.local_irq_enable()
    await q.k.msleep(50)
    q.say("vfree with irqs off done")


async def _vfreespin(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.spin_lock(q.spin)
    await q.k.vfree(p)
    await q.k.spin_unlock(q.spin)


async def _kvfreespin(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.spin_lock(q.spin)
    await q.k.kvfree(p)
    await q.k.spin_unlock(q.spin)


async def _kmspin(q: Module) -> None:
    await q.k.spin_lock(q.spin)
    await q.k.kfree(await q.k.kmalloc(64))
    await q.k.spin_unlock(q.spin)


async def _kvrcu1spin(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    await q.k.spin_lock(q.spin)
    await (q.k.kvfree_rcu_mightsleep(p) if q.k.has("kvfree_rcu_mightsleep") else q.k.kvfree_rcu(p))
    await q.k.spin_unlock(q.spin)


async def _kvrcu1reader(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    q.k.rcu_read_lock()
    await (q.k.kvfree_rcu_mightsleep(p) if q.k.has("kvfree_rcu_mightsleep") else q.k.kvfree_rcu(p))
    q.k.rcu_read_unlock()


FREES: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "dblfree": _dblfree,
        "dblpage": _dblpage,
        "kfreevm": _kfreevm,
        "vfreeslab": _vfreeslab,
        "vfreemid": _vfreemid,
        "vfreetwice": _vfreetwice,
        "kfreestr": _kfreestr,
        "kfreemid": _kfreemid,
        "kfreestack": _kfreestack,
        "kfreebad": _kfreebad,
        "vfreeirq": _vfreeirq,
        "vfreespin": _vfreespin,
        "kvfreespin": _kvfreespin,
        "kmspin": _kmspin,
        "kvrcu1spin": _kvrcu1spin,
        "kvrcu1reader": _kvrcu1reader,
    }
)
