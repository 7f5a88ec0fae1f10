"""f2, f5: an operation in a context, entered by a thread itself or by somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from ...lab import sections
from ..module import Module

Op = Callable[[Module], Awaitable[None]]


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

Body = Callable[[], Awaitable[None]]
Enter = Callable[[Module, Body], Awaitable[None]]

_SECTIONS: Final[Mapping[str, Enter]] = MappingProxyType(
    {
        "none": lambda q, body: sections.process(q.kernel, body),
        "raw": lambda q, body: sections.raw_spin(q.kernel, body, q.raw),
        "rawirq": lambda q, body: sections.raw_spin_irqsave(q.kernel, body, q.raw),
        "irq": lambda q, body: sections.irq_disable(q.kernel, body),
        "preempt": lambda q, body: sections.preempt_disable(q.kernel, body),
        "bh": lambda q, body: sections.bh_disable(q.kernel, body),
        "spin": lambda q, body: sections.spin(q.kernel, body, q.spin2),
        "rcu": lambda q, body: sections.rcu_read(q.kernel, body),
        "rcubh": lambda q, body: sections.rcu_read_bh(q.kernel, body),
        "rcusched": lambda q, body: sections.rcu_read_sched(q.kernel, body),
        "mutex": lambda q, body: sections.mutex(q.kernel, body, q.mutex2),
    }
)


async def do_f2(q: Module) -> None:
    """The operation in a context that the thread enters by itself."""
    if q.has("op", "inc"):
        await inc(q)
    await _SECTIONS[q.v](q, _f2_op(q))
    q.say(f"F2 done preempt_count {q.k.preempt_count():x} debug_locks {q.debug_locks}")


# -- f5 ----------------------------------------------------------------------------------------------------------------


async def _in_rcu(q: Module, f2_op: Body) -> None:
    async def c_rcu() -> None:
        await f2_op()

    await q.k.call_rcu(c_rcu)
    await q.k.rcu_barrier()


async def _in_timer(q: Module, f2_op: Body) -> None:
    async def c_timer() -> None:
        await f2_op()

    await q.k.mod_timer(q.k.timer_setup(c_timer, name="c_t"), 2)


async def _in_timerirqsafe(q: Module, f2_op: Body) -> None:
    async def c_timer() -> None:
        await f2_op()

    await q.k.mod_timer(q.k.timer_setup(c_timer, name="c_t", irqsafe=True), 2)


async def _in_hrtimer(q: Module, f2_op: Body) -> None:
    async def c_hr() -> None:
        await f2_op()

    await q.k.hrtimer_start(q.k.hrtimer(c_hr, hard=q.v == "hrhard", soft=q.v == "hrsoft"), 1000)


async def _in_tasklet(q: Module, f2_op: Body) -> None:
    async def c_tl() -> None:
        await f2_op()

    await q.k.tasklet_schedule(c_tl)


async def _in_irq_work(q: Module, f2_op: Body) -> None:
    async def c_iw() -> None:
        await f2_op()

    await q.k.irq_work_queue(q.k.irq_work(c_iw, hard=q.v == "iwhard", lazy=q.v == "iwlazy"))


async def _in_work(q: Module, f2_op: Body) -> None:
    async def c_work() -> None:
        await f2_op()

    match q.v:
        case "dwork":
            await q.k.queue_delayed_work(q.wq, q.k.delayed_work(c_work, name="c_dw"), 2)
        case "rwork":
            await q.k.queue_rcu_work(q.wq, q.k.rcu_work(c_work, name="rw_c"))
        case _:
            wq = q.k.system_wq if q.v == "syswork" else q.wq
            await q.k.queue_work(wq, q.k.work(c_work, name="c_w"))


async def _in_kthread(q: Module, f2_op: Body) -> None:
    async def c_task() -> None:
        await f2_op()

    await q.join(await q.start(c_task, 1, "q_task"))


async def _in_ipi(q: Module, f2_op: Body) -> None:
    async def c_ipi() -> None:
        await f2_op()

    q.k.preempt_disable()
    await q.k.smp_call_function_single(0, c_ipi, wait=True)
    await q.k.preempt_enable()


_ELSEWHERE: Final[Mapping[str, Enter]] = MappingProxyType(
    {
        "rcu": _in_rcu,
        "timer": _in_timer,
        "timerirqsafe": _in_timerirqsafe,
        "hrtimer": _in_hrtimer,
        "hrhard": _in_hrtimer,
        "hrsoft": _in_hrtimer,
        "tasklet": _in_tasklet,
        "iw": _in_irq_work,
        "iwhard": _in_irq_work,
        "iwlazy": _in_irq_work,
        "work": _in_work,
        "syswork": _in_work,
        "dwork": _in_work,
        "rwork": _in_work,
        "kthread": _in_kthread,
        "ipi": _in_ipi,
    }
)


async def do_f5(q: Module) -> None:
    """The operation in a context that somebody else enters."""
    if q.has("op", "inc"):
        await inc(q)
    if q.has("op", "incraw"):
        await incraw(q)
    await _ELSEWHERE[q.v](q, _f2_op(q))
    await q.k.msleep(q.arg("wait"))
    q.say(f"F5 done debug_locks {q.debug_locks}")
