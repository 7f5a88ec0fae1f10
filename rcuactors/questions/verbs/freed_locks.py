"""fl: locks in memory that is freed while they are held, or used after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from ...kernel.locking.poison import POISON
from ..module import Module

Act = Callable[[Module, "_Locks"], Awaitable[None]]

_SIZE: Final = 1184
"""sizeof(struct obj) with lockdep."""
_BEHIND_MS: Final = 7000
_MANY: Final = 600


class _Locks:
    """struct obj again, as an object of a size with locks `inside`: each is initialised when it is first named."""

    def __init__(self, q: Module, p: Any) -> None:
        self.k, self.p = q.k, p

    @cached_property
    def c(self) -> Any:
        """Its completion."""
        return self.k.completion("&o->c", inside=self.p)

    @cached_property
    def wq(self) -> Any:
        """Its wait_queue_head."""
        return self.k.wait_queue_head("&o->wq", inside=self.p)

    @cached_property
    def s(self) -> Any:
        """Its spinlock_t."""
        return self.k.spinlock("&o->s", inside=self.p)

    @cached_property
    def rs(self) -> Any:
        """Its raw_spinlock_t."""
        return self.k.raw_spinlock("&o->rs", inside=self.p)

    @cached_property
    def m(self) -> Any:
        """Its mutex."""
        return self.k.mutex("&o->m", inside=self.p)

    @cached_property
    def rw(self) -> Any:
        """Its rw_semaphore."""
        return self.k.rwsem("&o->rw", inside=self.p)

    @cached_property
    def rl(self) -> Any:
        """Its rwlock_t."""
        return self.k.rwlock("&o->rl", inside=self.p)


async def _free(q: Module, o: _Locks) -> None:
    """FREE."""
    if q.has("by", "krcu"):
        await q.k.kfree_rcu(o.p, "rh")
        q.say("kfree_rcu() done, waiting")
        await q.k.msleep(_BEHIND_MS)
    else:
        await q.k.kfree(o.p)
    q.say("object is freed")


async def _fl_spin(q: Module, o: _Locks) -> None:
    k = q.k
    if q.has("held"):
        await k.spin_lock(o.s)
        await q.k.kfree(o.p)
        q.say("freed while held")
    elif q.has("unl"):
        await k.spin_lock(o.s)
        await _free(q, o)
    else:
        await _free(q, o)
        await k.spin_lock(o.s)
    await k.spin_unlock(o.s)


async def _fl_mutex(q: Module, o: _Locks) -> None:
    k = q.k
    if q.has("held"):
        await k.mutex_lock(o.m)
        await q.k.kfree(o.p)
        q.say("freed while held")
    else:
        await _free(q, o)
        await k.mutex_lock(o.m)
    await k.mutex_unlock(o.m)


async def _fl_raw(q: Module, o: _Locks) -> None:
    await _free(q, o)
    flags = await q.k.raw_spin_lock_irqsave(o.rs)
    await q.k.raw_spin_unlock_irqrestore(o.rs, flags)


async def _fl_try(q: Module, o: _Locks) -> None:
    await _free(q, o)
    got = q.k.spin_trylock(o.s)
    q.say(f"trylock {int(got)}")
    if got:
        await q.k.spin_unlock(o.s)


async def _fl_rwsem(q: Module, o: _Locks) -> None:
    await _free(q, o)
    await q.k.down_read(o.rw)
    await q.k.up_read(o.rw)


async def _fl_rwlock(q: Module, o: _Locks) -> None:
    await _free(q, o)
    await q.k.read_lock(o.rl)
    await q.k.read_unlock(o.rl)


async def _fl_compl(q: Module, o: _Locks) -> None:
    await _free(q, o)
    await q.k.complete(o.c)


async def _fl_wait(q: Module, o: _Locks) -> None:
    await _free(q, o)
    await q.k.wait_for_completion(o.c)


async def _fl_wq(q: Module, o: _Locks) -> None:
    await _free(q, o)
    await q.k.wake_up(o.wq)


async def _krcuheld(q: Module, o: _Locks) -> None:
    await q.k.spin_lock(o.s)
    await q.k.kfree_rcu(o.p, "rh")
    q.say("kfree_rcu while held")
    await q.k.spin_unlock(o.s)
    await q.k.msleep(_BEHIND_MS)


async def _krcuheldm(q: Module, o: _Locks) -> None:
    await q.k.mutex_lock(o.m)
    await q.k.kfree_rcu(o.p, "rh")
    q.say("kfree_rcu while the mutex is held, held on for 7 s")
    await q.k.msleep(_BEHIND_MS)
    await q.k.mutex_unlock(o.m)


async def _rd(q: Module, o: _Locks) -> None:
    await _free(q, o)
    q.k.deref(o.p)
    q.say(f"read {POISON if q.asked.poison else 0:x}")


async def _wr(q: Module, o: _Locks) -> None:
    await _free(q, o)
    q.k.write_once(o.p)
    q.say("written")
    await q.k.msleep(100)
    for _ in range(_MANY):
        await q.k.kfree(await q.k.kmalloc(_SIZE))


_FL: Final[Mapping[str, tuple[Act, tuple[str, ...]]]] = MappingProxyType(
    {
        "spin": (_fl_spin, ("s",)),
        "raw": (_fl_raw, ("rs",)),
        "try": (_fl_try, ("s",)),
        "mutex": (_fl_mutex, ("m",)),
        "rwsem": (_fl_rwsem, ("rw",)),
        "rwlock": (_fl_rwlock, ("rl",)),
        "compl": (_fl_compl, ("c",)),
        "wait": (_fl_wait, ("c",)),
        "wq": (_fl_wq, ("wq",)),
        "krcuheld": (_krcuheld, ("s",)),
        "krcuheldm": (_krcuheldm, ("m",)),
        "rd": (_rd, ()),
        "wr": (_wr, ()),
    }
)


async def do_fl(q: Module) -> None:
    """What happens to a lock in freed memory."""
    act, members = _FL[q.v]
    o = _Locks(q, await q.k.kmalloc(_SIZE))
    for member in members:
        getattr(o, member)
    await act(q, o)
    q.say(f"FL done debug_locks {q.debug_locks}")
