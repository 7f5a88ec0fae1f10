"""a1, a8, a9, f8, batch: readers, grace periods, and what runs after them."""

from __future__ import annotations

from typing import Any, Final

from ..module import Module, NotExpressible

_REGION_TAIL_US: Final = 20_000
_KEPT: Final = 200


class _Times:
    """t_unl, t_en, t_g0, t_g1, and the flags by which the threads wait for each other."""

    unlocked = ended = began = returned = 0
    inside = go = False


async def _sync(q: Module, t: _Times) -> None:
    t.began = q.us()
    if q.has("exp"):
        await q.k.synchronize_rcu_expedited()
    else:
        await q.k.synchronize_rcu()
    t.returned = q.us()


# -- a1 ----------------------------------------------------------------------------------------------------------------


async def _unlock_inside(q: Module, t: _Times) -> None:
    """The region that goes on after rcu_read_unlock()."""
    k, ms = q.k, q.arg("ms")

    async def rest() -> None:
        t.unlocked = q.us()
        await q.busy(ms * 1000)
        t.ended = q.us()

    match q.v:
        case "preempt":
            k.preempt_disable()
            k.rcu_read_unlock()
            await rest()
            await k.preempt_enable()
        case "irq":
            flags = k.local_irq_save()
            k.rcu_read_unlock()
            await rest()
            await k.local_irq_restore(flags)
        case "bh":
            await k.local_bh_disable()
            k.rcu_read_unlock()
            await rest()
            await k.local_bh_enable()
        case "rawirq":
            flags = await k.raw_spin_lock_irqsave(q.raw)
            k.rcu_read_unlock()
            await rest()
            await k.raw_spin_unlock_irqrestore(q.raw, flags)
        case "spin":
            await k.spin_lock(q.spin)
            k.rcu_read_unlock()
            await rest()
            await k.spin_unlock(q.spin)
        case "again":
            k.preempt_disable()
            k.rcu_read_unlock()
            k.rcu_read_lock()
            await rest()
            k.rcu_read_unlock()
            await k.preempt_enable()
        case _:
            k.rcu_read_unlock()
            await rest()


async def do_a1(q: Module) -> None:
    """A reader on CPU 1, preempted or not, and synchronize_rcu() on CPU 0 before or after that."""
    k, t, n, early = q.k, _Times(), q.arg("n"), 0

    async def a1_reader() -> None:
        k.rcu_read_lock()
        t.inside = True
        await q.spin_until(lambda: t.go)
        await _unlock_inside(q, t)
        await q.busy(_REGION_TAIL_US)

    async def a1_high() -> None:
        await q.busy(20_000)

    async def a1_sync() -> None:
        await _sync(q, t)

    for _ in range(n):
        t.inside = t.go = False
        sync = None
        reader = await q.start(a1_reader, 1, "q_reader")
        await q.msleep_until(lambda: t.inside)
        if not q.has("order", "late"):
            sync = await q.start(a1_sync, 0, "q_sync")
            await k.msleep(60)
        if not q.has("pre", "0"):
            await q.join(await q.start(a1_high, 1, "q_high", fifo=True))
            await k.msleep(20)
        if sync is None:
            sync = await q.start(a1_sync, 0, "q_sync")
            await k.msleep(60)
        t.go = True
        await q.join(reader)
        await q.join(sync)
        early += t.returned < t.ended
        how = "BEFORE" if t.returned < t.ended else "after"
        q.say(
            f"A1 {q.cmd.strip()}: unlock at {t.unlocked - t.began} us, region ended at {t.ended - t.began} us, "
            f"synchronize_rcu() returned at {t.returned - t.began} us (from its call) => {how} the end of the region "
            f"by {abs(t.returned - t.ended)} us"
        )
        await k.msleep(100)
    q.say(f"A1 returned before the region's end in {early} of {n}")


# -- a8 ----------------------------------------------------------------------------------------------------------------


async def _region(q: Module, t: _Times) -> None:
    k = q.k

    async def a8_body() -> None:
        t.inside = True
        await q.busy(q.arg("ms") * 1000)
        t.ended = q.us()

    match q.v:
        case "preempt":
            k.preempt_disable()
            await a8_body()
            await k.preempt_enable()
        case "irq":
            flags = k.local_irq_save()
            await a8_body()
            await k.local_irq_restore(flags)
        case "bh":
            await k.local_bh_disable()
            await a8_body()
            await k.local_bh_enable()
        case "hardirq":
            await k.irq_work_queue(k.irq_work(a8_body, hard=True, name="a8_iw"))
            await q.busy(1000)
        case "softirq":
            await k.tasklet_schedule(a8_body)
            await q.busy(1000)
        case "spin":
            await k.spin_lock(q.spin)
            await a8_body()
            await k.spin_unlock(q.spin)
        case _:
            await a8_body()
    await q.busy(_REGION_TAIL_US)


async def do_a8(q: Module) -> None:
    """A region on CPU 1 and synchronize_rcu() on CPU 0 while it lasts."""
    t, n, early = _Times(), q.arg("n"), 0

    async def a8_reg() -> None:
        await _region(q, t)

    async def a1_sync() -> None:
        await _sync(q, t)

    for _ in range(n):
        t.inside, t.ended = False, 0
        region = await q.start(a8_reg, 1, "q_region")
        await q.spin_until(lambda: t.inside)
        sync = await q.start(a1_sync, 0, "q_sync")
        await q.join(region)
        await q.join(sync)
        early += t.returned < t.ended
        how = "BEFORE" if t.returned < t.ended else "after"
        q.say(
            f"A8 region of {q.arg('ms')} ms: region ended at {t.ended - t.began} us, synchronize_rcu returned at "
            f"{t.returned - t.began} us after its call => {how}"
        )
        await q.k.msleep(50)
    q.say(f"A8 before the end in {early} of {n}")


# -- a9 ----------------------------------------------------------------------------------------------------------------


async def _hog(q: Module, over: list[bool]) -> None:
    k, end, loops = q.k, q.us() + q.arg("s") * 1_000_000, 0
    while q.us() < end and not over:
        loops += 1
        match q.question.word("hog"):
            case "cond":
                await k.cond_resched()
            case "yield":
                await k.schedule()
            case "pre":
                k.preempt_disable()
                await q.busy(q.arg("pms") * 1000)
                await k.preempt_enable()
        await q.busy(5)
    q.say(f"hog: {loops} loops")


async def _one_wait(q: Module) -> int:
    """How long one of them takes, in microseconds."""
    k, at, come = q.k, q.us(), [0]
    match q.v:
        case "cb":
            done = k.completion("cbd")

            async def a9_cb() -> None:
                come[0] = q.us()
                await k.complete(done)

            await k.call_rcu(a9_cb)
            await k.wait_for_completion(done)
            return come[0] - at
        case "exp":
            await q.k.synchronize_rcu_expedited()
        case "barrier":
            await k.rcu_barrier()
        case _:
            await k.synchronize_rcu()
    return q.us() - at


async def do_a9(q: Module) -> None:
    """Grace periods one after the other, beside a loop or on an idle machine."""
    n, hogging, over, took = q.arg("n"), not q.has("hog", "none"), list[bool](), list[int]()
    hog: Any = None

    async def a9_hog() -> None:
        await _hog(q, over)

    if hogging:
        hog = await q.start(a9_hog, 1 if q.nr_cpus > 1 else 0, "q_hog")
        await q.k.msleep(q.arg("pre_ms"))
    for at in range(n):
        if q.v == "jit":
            await q.k.msleep(7 + at % 5)
        took.append(await _one_wait(q))
    over.append(True)
    if hogging:
        await q.join(hog)
    hz = q.kernel.machine.setup.config.HZ
    q.say(
        f"A9 {q.cmd}: HZ {hz}, online CPUs {q.nr_cpus}, n {n}: min {min(took)} mean {sum(took) // n} max {max(took)} us"
    )
    for at in range(0, min(n - 9, 50), 10):
        q.say(f"A9   {' '.join(str(one) for one in took[at : at + 10])}")


# -- f8 ----------------------------------------------------------------------------------------------------------------


async def _stalling(q: Module) -> None:
    k, us = q.k, q.arg("s") * 1_000_000
    match q.v:
        case "pre":
            await q.busy(50_000)
        case "spin":
            await q.busy(us)
        case "irq":
            flags = k.local_irq_save()
            await q.busy(us)
            await k.local_irq_restore(flags)
        case "preempt":
            k.preempt_disable()
            await q.busy(us)
            await k.preempt_enable()
        case "sleep":
            await k.msleep(us // 1000)
        case "mutex":
            await k.mutex_lock(q.mutex)
            await k.mutex_unlock(q.mutex)


async def do_f8(q: Module) -> None:
    """A reader on CPU 1 that lasts, and synchronize_rcu() on CPU 0."""
    t = _Times()
    fair_server = q.kernel.machine.system.rules.fair_server
    if q.v == "pre" and q.command.throttled and not fair_server:
        raise NotExpressible("realtime threads are not throttled here (sched_rt_runtime_us)")

    async def f8_reader() -> None:
        q.k.rcu_read_lock()
        t.inside = True
        await _stalling(q)
        q.k.rcu_read_unlock()
        q.say("reader ends")

    async def f8_hog() -> None:
        await q.busy(q.arg("s") * 1_000_000)

    async def a1_sync() -> None:
        await _sync(q, t)

    reader = await q.start(f8_reader, 1, "q_reader")
    await q.spin_until(lambda: t.inside)
    hog = await q.start(f8_hog, 1, "q_hog", fifo=True) if q.v == "pre" else None
    await q.join(await q.start(a1_sync, 0, "q_sync"))
    await q.join(reader)
    if hog is not None:
        await q.join(hog)
    q.say(f"F8 synchronize_rcu took {t.returned - t.began} us")


# -- batch -------------------------------------------------------------------------------------------------------------


_LETTERS: Final = {"k": "k", "s": "i", "r": "r"}
_LINES: Final = 31


async def do_batch(q: Module) -> None:
    """Many callbacks queued at once; which run together."""
    k, n, ran = q.k, q.arg("n"), list[tuple[int, int, str]]()
    stop = list[bool]()

    async def b_cb() -> None:
        cpu = q.kernel.machine.this_cpu
        ran.append((q.asked.batches, cpu.clock, _LETTERS.get(cpu.current.comm[0], "t")))

    async def b_busy() -> None:
        await q.spin_until(lambda: bool(stop), 50)

    await k.synchronize_rcu()
    await k.msleep(50)
    off = None if q.has("irqon") else k.local_irq_save()
    if off is None:
        k.preempt_disable()
    began = q.kernel.now
    for _ in range(n):
        await k.call_rcu(b_cb)
    if off is None:
        await k.preempt_enable()
    else:
        await k.local_irq_restore(off)
    busy = await q.start(b_busy, 1, "q_busy") if q.has("busy") else None
    for _ in range(3000):
        if len(ran) >= n:
            break
        await k.msleep(2)
    stop.append(True)
    if busy is not None:
        await q.join(busy)
    _say_batches(q, n, began, ran)
    await k.rcu_barrier()


def _say_batches(q: Module, n: int, began: int, ran: list[tuple[int, int, str]]) -> None:
    kind = "busy" if q.has("busy") else "idle"
    q.say(
        f"BATCH n={n} CPU {kind}: {len(ran)} callbacks ran, first {(ran[0][1] - began) // 1000} us after the first "
        f"call_rcu, last {(ran[-1][1] - began) // 1000} us; runs as size(who: i=idle task, k=ksoftirqd, r=rcuc, "
        "t=other)@us"
    )
    batches: list[list[tuple[int, int, str]]] = []
    for one in ran:
        if batches and batches[-1][0][0] == one[0]:
            batches[-1].append(one)
        else:
            batches.append([one])
    line, lines = "", 0
    for batch in batches:
        line += f" {len(batch)}({batch[0][2]})@{(batch[0][1] - began) // 1000}"
        if len(line) > _KEPT:
            if lines < _LINES - 1:
                q.say(f"BATCH{line}")
            line, lines = "", lines + 1
    if line and lines < _LINES:
        q.say(f"BATCH{line}")
