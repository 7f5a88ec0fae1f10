"""f2, f5: an operation in a context, entered by a thread itself or by somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from ...lab import sections
from ..module import Module

Op = Callable[[Module], Awaitable[None]]
Enter = Callable[[Module, Callable[[], Awaitable[None]]], Awaitable[None]]


# -- the operations ----------------------------------------------------------------------------------------------------


async def _spin(q: Module) -> None:
    await q.k.spin_lock(q.spin)
    q.say("got it")
    await q.k.spin_unlock(q.spin)


async def _read(q: Module) -> None:
    await q.k.read_lock(q.rw)
    q.say("got it")
    await q.k.read_unlock(q.rw)


async def _write(q: Module) -> None:
    await q.k.write_lock(q.rw)
    q.say("got it")
    await q.k.write_unlock(q.rw)


async def _try(q: Module) -> None:
    got = q.k.spin_trylock(q.spin)
    q.say(f"trylock {int(got)}")
    if got:
        await q.k.spin_unlock(q.spin)


async def _spinirq(q: Module) -> None:
    flags = await q.k.spin_lock_irqsave(q.spin)
    q.say(f"got it, irqs_disabled {int(q.k.irqs_disabled())}")
    await q.k.spin_unlock_irqrestore(q.spin, flags)


async def _spinbh(q: Module) -> None:
    await q.k.spin_lock_bh(q.spin)
    q.say("got it")
    await q.k.spin_unlock_bh(q.spin)


async def _mutex(q: Module) -> None:
    await q.k.mutex_lock(q.mutex)
    await q.k.mutex_unlock(q.mutex)


async def _ms(q: Module) -> None:
    q.k.might_sleep()


async def _msleep(q: Module) -> None:
    await q.k.msleep(2)


async def inc(q: Module) -> None:
    """Take and leave q_spin2."""
    await q.k.spin_lock(q.spin2)
    await q.k.spin_unlock(q.spin2)


async def incraw(q: Module) -> None:
    """Take and leave q_raw."""
    await q.k.raw_spin_lock(q.raw)
    await q.k.raw_spin_unlock(q.raw)


async def _rawspin(q: Module) -> None:
    await q.k.raw_spin_lock(q.raw)
    await q.k.spin_lock(q.spin)
    await q.k.spin_unlock(q.spin)
    await q.k.raw_spin_unlock(q.raw)


async def _kmalloc(q: Module) -> None:
    await q.k.kfree(await q.k.kmalloc(64))


async def _synch(q: Module) -> None:
    await q.k.synchronize_rcu()


async def _bhdis(q: Module) -> None:
    await q.k.local_bh_disable()
    q.say("bh off")
    await q.k.local_bh_enable()


async def _leakpre(q: Module) -> None:
    q.k.preempt_disable()


async def _leakspin(q: Module) -> None:
    await q.k.spin_lock(q.spin)


async def _leakrcu(q: Module) -> None:
    q.k.rcu_read_lock()


async def _leakirq(q: Module) -> None:
    q.k.local_irq_disable()


async def _leakmutex(q: Module) -> None:
    await q.k.mutex_lock(q.mutex)


async def _leakbh(q: Module) -> None:
    await q.k.local_bh_disable()


async def _dump(q: Module) -> None:
    q.dump()


async def _none(_q: Module) -> None:
    """The context alone."""


OPERATIONS: Final[Mapping[str, Op]] = MappingProxyType(
    {
        "none": _none,
        "spin": _spin,
        "read": _read,
        "write": _write,
        "try": _try,
        "spinirq": _spinirq,
        "spinbh": _spinbh,
        "mutex": _mutex,
        "ms": _ms,
        "msleep": _msleep,
        "inc": inc,
        "incraw": incraw,
        "rawspin": _rawspin,
        "kmalloc": _kmalloc,
        "synch": _synch,
        "bhdis": _bhdis,
        "leakpre": _leakpre,
        "leakspin": _leakspin,
        "leakrcu": _leakrcu,
        "leakirq": _leakirq,
        "leakmutex": _leakmutex,
        "leakbh": _leakbh,
        "dump": _dump,
    }
)


def _f2_op(q: Module) -> Callable[[], Awaitable[None]]:
    op = OPERATIONS[q.question.word("op")]

    async def f2_op() -> None:
        await op(q)

    return f2_op


# -- f2 ----------------------------------------------------------------------------------------------------------------


async def do_f2(q: Module) -> None:
    """The operation in a context that the thread enters by itself."""
    k, body = q.kernel, _f2_op(q)
    if q.has("op", "inc"):
        await inc(q)
    match q.v:
        case "raw":
            await sections.raw_spin(k, body, q.raw)
        case "rawirq":
            await sections.raw_spin_irqsave(k, body, q.raw)
        case "irq":
            await sections.irq_disable(k, body)
        case "preempt":
            await sections.preempt_disable(k, body)
        case "bh":
            await sections.bh_disable(k, body)
        case "spin":
            await sections.spin(k, body, q.spin2)
        case "rcu":
            await sections.rcu_read(k, body)
        case "rcubh":
            await sections.rcu_read_bh(k, body)
        case "rcusched":
            await sections.rcu_read_sched(k, body)
        case "mutex":
            await sections.mutex(k, body, q.mutex2)
        case _:
            await body()
    q.say(f"F2 done preempt_count {k.preempt_count():x} debug_locks {q.debug_locks}")


# -- f5 ----------------------------------------------------------------------------------------------------------------


async def _later(q: Module, body: Callable[[], Awaitable[None]]) -> None:
    """Have somebody else run the operation."""
    k = q.k
    match q.v:
        case "rcu":
            await k.call_rcu(body, name="c_rcu")
            await k.rcu_barrier()
        case "timer":
            await k.mod_timer(k.timer_setup(body, name="c_t"), 2)
        case "timerirqsafe":
            await k.mod_timer(k.timer_setup(body, name="c_t", irqsafe=True), 2)
        case "hrtimer" | "hrhard" | "hrsoft":
            timer = k.hrtimer(body, hard=q.v == "hrhard", soft=q.v == "hrsoft", name="c_hr")
            await k.hrtimer_start(timer, 1000)
        case "tasklet":
            await k.tasklet_schedule(body)
        case "iw" | "iwhard":
            await k.irq_work_queue(k.irq_work(body, hard=q.v == "iwhard", name="c_iw"))
        case "iwlazy":
            await k.irq_work_queue(k.irq_work(body, lazy=True, name="c_iw"))
        case "work":
            await k.queue_work(q.wq, k.work(body, name="c_w"))
        case "syswork":
            await k.queue_work(k.system_wq, k.work(body, name="c_w"))
        case "dwork":
            await k.queue_delayed_work(q.wq, k.delayed_work(body, name="c_dw"), 2)
        case "rwork":
            await k.queue_rcu_work(q.wq, k.rcu_work(body, name="rw_c"))
        case "kthread":
            await q.join(await q.start(body, 1, "q_task"))
        case "ipi":
            k.preempt_disable()
            await k.smp_call_function_single(0, body, wait=True)
            await k.preempt_enable()


async def do_f5(q: Module) -> None:
    """The operation in a context that somebody else enters."""
    if q.has("op", "inc"):
        await inc(q)
    if q.has("op", "incraw"):
        await incraw(q)
    await _later(q, _f2_op(q))
    await q.k.msleep(q.arg("wait"))
    q.say(f"F5 done debug_locks {q.debug_locks}")
