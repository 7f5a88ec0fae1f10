"""a6, a7, a10, f3: bottom halves, local locks, sleeping where one must not."""

from __future__ import annotations

from typing import Any, Final

from ..module import Module

_INSIDE_US: Final = 5000
"""The module waits for 1 ms, in which something interrupted its CPU; here only the tick does."""

# -- a6 ----------------------------------------------------------------------------------------------------------------


async def _bh_body(q: Module) -> None:
    q.say(f"in_hardirq {int(q.k.in_hardirq())} irqs_disabled {int(q.k.irqs_disabled())}")
    await q.k.local_bh_disable()
    await q.k.local_bh_enable()


async def _a6_in_interrupt(q: Module) -> None:
    k = q.k

    async def a6_iw() -> None:
        await _bh_body(q)

    async def a6_hr() -> None:
        await k.spin_lock_bh(q.spin)
        await k.spin_unlock_bh(q.spin)

    if q.v == "hardirq":
        await k.irq_work_queue(k.irq_work(a6_iw, hard=True))
    else:
        await k.hrtimer_start(k.hrtimer(a6_hr, hard=True), 1000)
    await k.msleep(5)


async def _a6_off(q: Module) -> None:
    """With interrupts off for all of it, or for one end."""
    k = q.k
    match q.v:
        case "irqoff":
            k.local_irq_disable()
            await _bh_body(q)
            await k.local_irq_enable()
        case "twice":
            k.local_irq_disable()
            await _bh_body(q)
            q.say("second time")
            await _bh_body(q)
            await k.local_irq_enable()
        case "enaonly":
            await k.local_bh_disable()
            k.local_irq_disable()
            await k.local_bh_enable()
            await k.local_irq_enable()
        case "disonly":
            k.local_irq_disable()
            await k.local_bh_disable()
            await k.local_irq_enable()
            await k.local_bh_enable()


async def do_a6(q: Module) -> None:
    """local_bh_disable() and local_bh_enable() where one must not, or without each other."""
    k = q.k
    match q.v:
        case "hardirq" | "hrtimer":
            await _a6_in_interrupt(q)
        case "spinbh":
            flags = await k.spin_lock_irqsave(q.spin2)
            await k.spin_lock_bh(q.spin)
            q.say("locked")
            await k.spin_unlock_bh(q.spin)
            await k.spin_unlock_irqrestore(q.spin2, flags)
        case "rawspinbh":
            flags = await k.raw_spin_lock_irqsave(q.raw)
            await k.local_bh_disable()
            q.say("disabled")
            await k.local_bh_enable()
            await k.raw_spin_unlock_irqrestore(q.raw, flags)
        case "unbal":
            await k.local_bh_enable()
        case "underpre":
            k.preempt_disable()
            await k.local_bh_disable()
            await k.local_bh_enable()
            await k.preempt_enable()
        case _:
            await _a6_off(q)
    q.say(
        f"A6 done irqs_disabled {int(k.irqs_disabled())} preempt_count {k.preempt_count():x} "
        f"debug_locks {q.debug_locks}"
    )


# -- a7 ----------------------------------------------------------------------------------------------------------------


async def _a7_two(q: Module, ll: Any) -> None:
    """Each CPU's own at the same time."""
    k = q.k

    def taking(at: list[int]) -> Any:
        async def a7_t() -> None:
            at.append(q.us())
            await k.local_lock(ll)
            at.append(q.us())
            await q.busy(50_000)
            at.append(q.us())
            await k.local_unlock(ll)

        return a7_t

    for _ in range(3):
        began, zero, one = q.us(), list[int](), list[int]()
        threads = [await q.start(taking(at), cpu, f"q_ll{cpu}") for cpu, at in enumerate((zero, one))]
        for thread in threads:
            await q.join(thread)
        shown = [f"asked {at[0] - began} got {at[1] - began} left {at[2] - began}" for at in (zero, one)]
        q.say(f"A7 cpu0 {shown[0]}; cpu1 {shown[1]} (us)")


async def _a7_interrupt(q: Module, ll: Any) -> None:
    """An interrupt or a softirq takes it, inside the section or after it."""
    k = q.k

    async def a7_iw() -> None:
        q.say("irq: takes the local_lock")
        await k.local_lock(ll)
        await k.local_unlock(ll)

    async def a7_tl() -> None:
        q.say("softirq: takes the local_lock")
        await k.local_lock(ll)
        await k.local_unlock(ll)

    async def begin() -> None:
        await (k.irq_work_queue(k.irq_work(a7_iw, hard=True)) if q.v == "irq" else k.tasklet_schedule(a7_tl))

    await k.local_lock(ll)
    if q.v == "irq":
        q.say(f"held, preempt_count {k.preempt_count():x}")
    if q.has("inside"):
        await begin()
        await q.busy(_INSIDE_US)
    await k.local_unlock(ll)
    if not q.has("inside"):
        await begin()
        await k.msleep(2)


async def _a7_pair(q: Module, ll: Any) -> None:
    """Another lock inside it, then the other way round."""
    k = q.k
    await k.local_lock(ll)
    await k.spin_lock(q.spin)
    await k.spin_unlock(q.spin)
    await k.local_unlock(ll)
    q.say("now the other order")
    await k.spin_lock(q.spin)
    await k.local_lock(ll)
    await k.local_unlock(ll)
    await k.spin_unlock(q.spin)


async def do_a7(q: Module) -> None:
    """A module's local_lock_t, which lockdep prints as ((null))."""
    k, ll = q.k, q.k.local_lock_t("(null)")
    match q.v:
        case "two":
            await _a7_two(q, ll)
        case "irq" | "softirq":
            await _a7_interrupt(q, ll)
        case "rec":
            await k.local_lock(ll)
            await k.local_lock(ll)
            await k.local_unlock(ll)
            await k.local_unlock(ll)
        case "raw":
            await k.raw_spin_lock(q.raw)
            await k.local_lock(ll)
            await k.local_unlock(ll)
            await k.raw_spin_unlock(q.raw)
        case "sleep":
            await k.local_lock(ll)
            await k.msleep(2)
            await k.local_unlock(ll)
        case "mutex":
            await k.local_lock(ll)
            await k.mutex_lock(q.mutex)
            await k.mutex_unlock(q.mutex)
            await k.local_unlock(ll)
        case "spinin":
            await _a7_pair(q, ll)
        case "irqsave":
            flags = await k.local_lock_irqsave(ll)
            q.say(f"irqs_disabled {int(k.irqs_disabled())}")
            await k.local_unlock_irqrestore(ll, flags)
    q.say(f"A7 done debug_locks {q.debug_locks}")


# -- a10 ---------------------------------------------------------------------------------------------------------------


async def _tasklets(q: Module) -> None:
    k = q.k

    async def tl_count() -> None:
        q.runs += 1

    async def schedule() -> None:
        await k.tasklet_schedule(tl_count)

    k.local_irq_disable()
    await schedule()
    await schedule()
    await k.local_irq_enable()
    await k.msleep(5)
    q.say(f"tasklet scheduled twice with irqs off: runs {q.runs}")
    q.runs = 0
    await k.local_bh_disable()
    for _ in range(3):
        await schedule()
    await k.local_bh_enable()
    q.say(f"thrice with bh off: runs {q.runs} right after local_bh_enable()")
    q.runs = 0
    await schedule()
    first = q.runs
    await schedule()
    await k.msleep(5)
    q.say(f"from plain task context: runs {first} after the first schedule, {q.runs} at the end")


async def _timeouts(q: Module) -> None:
    k = q.k

    async def took(sleep: Any) -> int:
        began = q.us()
        await sleep
        return q.us() - began

    for _ in range(5):
        a = await took(k.msleep(1))
        b = await took(k.schedule_timeout_uninterruptible(1))
        c = await took(k.usleep_range(500, 600))
        d = await took(k.msleep(20))
        q.say(f"msleep(1) {a} us; schedule_timeout(1) {b} us; usleep_range(500,600) {c} us; msleep(20) {d} us")


async def _sleeping(q: Module) -> None:
    """With interrupts off."""
    k = q.k
    if q.v == "restore":
        flags = k.local_irq_save()
        await k.msleep(5)
        q.say(f"after msleep(): irqs_disabled {int(k.irqs_disabled())}")
        await k.local_irq_restore(flags)
        return
    k.local_irq_disable()
    match q.v:
        case "sched":
            await k.schedule()
            said = "after schedule()"
        case "msleep":
            await k.msleep(5)
            said = "after msleep()"
        case "mutex":
            await k.mutex_lock(q.mutex)
            await k.mutex_unlock(q.mutex)
            said = "after mutex"
        case _:
            await k.cond_resched()
            said = "after"
    q.say(f"{said}: irqs_disabled {int(k.irqs_disabled())}")
    await k.local_irq_enable()


async def do_a10(q: Module) -> None:
    """Sleeping with interrupts off, preemption off or a lock held; tasklets; timeouts."""
    k = q.k
    match q.v:
        case "preempt":
            k.preempt_disable()
            await k.msleep(5)
            q.say(f"after msleep(): preempt_count {k.preempt_count():x}")
            await k.preempt_enable()
        case "spin":
            await k.spin_lock(q.spin)
            await k.msleep(5)
            q.say(f"after msleep(): preempt_count {k.preempt_count():x}")
            await k.spin_unlock(q.spin)
        case "tasklet":
            await _tasklets(q)
        case "times":
            await _timeouts(q)
        case _:
            await _sleeping(q)
    q.say(f"A10 done debug_locks {q.debug_locks}")


# -- f3 ----------------------------------------------------------------------------------------------------------------


async def do_f3(q: Module) -> None:
    """A thread of CPU 1 has bottom halves off; a more urgent one turns them off, too, where it may not wait."""
    k, inside, go = q.k, list[bool](), list[bool]()

    async def f3_low() -> None:
        await k.local_bh_disable()
        inside.append(True)
        await q.spin_until(lambda: bool(go))
        await k.local_bh_enable()
        q.say("low: bh on again")

    async def f3_high() -> None:
        q.say(f"high prio thread: {q.cmd}")
        match q.v:
            case "preempt":
                k.preempt_disable()
                await k.local_bh_disable()
                await k.local_bh_enable()
                await k.preempt_enable()
            case "irq":
                flags = k.local_irq_save()
                await k.local_bh_disable()
                await k.local_irq_restore(flags)
                await k.local_bh_enable()
            case _:
                await k.local_bh_disable()
                q.say("high: has bh off")
                await k.local_bh_enable()
        q.say("high: done")
        go.append(True)

    async def f3_rel() -> None:
        await k.msleep(q.arg("rel"))
        go.append(True)

    low = await q.start(f3_low, 1, "q_low")
    await q.msleep_until(lambda: bool(inside))
    release = await q.start(f3_rel, 0, "q_rel")
    high = await q.start(f3_high, 1, "q_high", fifo=True)
    await q.join(high)
    await q.join(low)
    await q.join(release)
    q.say("F3 done")
