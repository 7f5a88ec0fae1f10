"""a4a to a4e, wcpu, word: works, what flushing and cancelling them means, and the pools that run them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...lab.bystanders import housekeeper
from ..module import Module, returned

_TRIES: Final = 48
_AT_ONCE: Final = 6


# -- a4a ---------------------------------------------------------------------------------------------------------------


async def do_a4a(q: Module) -> None:
    """Flush a work that takes q_mutex, with q_mutex held."""
    k = q.k
    wq = q.wq if q.has("wq", "own") else k.system_wq

    async def w_mutex() -> None:
        await k.mutex_lock(q.mutex)
        q.runs += 1
        await k.mutex_unlock(q.mutex)

    w_m = k.declare_work(w_mutex, name="w_m")
    if not q.has("first", "0"):
        await k.queue_work(wq, w_m)
        await k.flush_work(w_m)
        await k.msleep(20)
    q.say(f"A4a {q.cmd}: the work has run {q.runs} time(s), is idle now")
    await k.mutex_lock(q.mutex)
    match q.v:
        case "flush":
            q.say(f"flush_work() = {returned(await k.flush_work(w_m), 'flush_work')}")
        case "cancel":
            q.say(f"cancel_work_sync() = {returned(await k.cancel_work_sync(w_m), 'cancel_work_sync')}")
        case "flushwq":
            await k.flush_workqueue(wq)
        case "drain":
            await k.drain_workqueue(wq)
        case "pending":
            await k.queue_work(wq, w_m)
            await k.flush_work(w_m)
    await k.mutex_unlock(q.mutex)
    if q.has("then"):
        await k.queue_work(wq, w_m)
        await k.flush_work(w_m)
    q.say(f"A4a done, runs {q.runs} debug_locks={q.debug_locks}")


# -- a4b ---------------------------------------------------------------------------------------------------------------


class _Steps:
    """The steps of a4b: a delayed work and an rcu_work, and T(), which prints what a call returned and took."""

    def __init__(self, q: Module) -> None:
        self.q, self.k = q, q.k
        self.delay = -(-q.arg("ms") * q.kernel.machine.setup.config.HZ // 1000)
        self.dw = self.k.delayed_work(self._count, name="dw_c")
        self.rw = self.k.rcu_work(self._count, name="rw_c")

    async def _count(self) -> None:
        self.q.runs += 1

    async def queue(self) -> None:
        """Anew: the counter at 0, the timer armed."""
        self.q.runs = 0
        await self.k.queue_delayed_work(self.q.wq, self.dw, self.delay)

    async def queue_rcu(self) -> None:
        """Anew: the counter at 0, a grace period asked for."""
        self.q.runs = 0
        await self.k.queue_rcu_work(self.q.wq, self.rw)

    async def tell(self, what: str, function: str, *arguments: Any) -> None:
        """T()."""
        at = self.q.us()
        value = await getattr(self.k, function)(*arguments)
        value = -1 if function == "flush_workqueue" else returned(value, function)
        self.q.say(f"A4b {what:<44} = {value} after {self.q.us() - at} us; runs {self.q.runs}")

    async def later(self, ms: int, said: str) -> None:
        """What has run by then."""
        await self.k.msleep(ms)
        self.q.say(f"   {said}runs {self.q.runs}")


async def do_a4b(q: Module) -> None:
    """What each call does to a work whose timer or grace period is pending."""
    t = _Steps(q)
    await _with_timer(q, t)
    await _with_grace_period(q, t)
    await _idle_and_again(q, t)


async def _with_timer(q: Module, t: _Steps) -> None:
    await t.queue()
    await t.tell("flush_work(&dwork.work), timer pending", "flush_work", t.dw.work)
    await t.later(300, "300 ms later ")
    await t.queue()
    await t.tell("flush_delayed_work(), timer pending", "flush_delayed_work", t.dw)
    await t.queue()
    await t.tell("cancel_work_sync(&dwork.work), timer pending", "cancel_work_sync", t.dw.work)
    await t.later(300, "300 ms later ")
    await t.queue()
    await t.tell("flush_workqueue(), timer pending", "flush_workqueue", q.wq)
    await t.k.cancel_delayed_work_sync(t.dw)


async def _with_grace_period(q: Module, t: _Steps) -> None:
    await t.queue_rcu()
    await t.tell("flush_work(&rwork.work), grace period pending", "flush_work", t.rw.work)
    await t.later(300, "300 ms later ")
    await t.queue_rcu()
    await t.tell("flush_rcu_work(), grace period pending", "flush_rcu_work", t.rw)
    q.runs = 0
    await t.tell("flush_rcu_work(), idle", "flush_rcu_work", t.rw)
    await t.tell("flush_work(idle)", "flush_work", t.dw.work)
    await t.tell("flush_delayed_work(idle)", "flush_delayed_work", t.dw)
    await t.queue_rcu()
    await t.tell("second queue_rcu_work() while pending", "queue_rcu_work", q.wq, t.rw)
    await t.tell("cancel_work_sync(&rwork.work), gp pending", "cancel_work_sync", t.rw.work)
    await t.later(200, "200 ms later ")


async def _idle_and_again(q: Module, t: _Steps) -> None:
    await t.queue()
    await t.tell("queue_delayed_work() while pending", "queue_delayed_work", q.wq, t.dw, 0)
    await t.tell("mod_delayed_work(0) while pending", "mod_delayed_work", q.wq, t.dw, 0)
    await t.later(20, "20 ms later ")
    await t.queue()
    await t.tell("cancel_delayed_work() while pending", "cancel_delayed_work", t.dw)
    await t.later(300, "300 ms later ")
    await t.tell("cancel_delayed_work(idle)", "cancel_delayed_work", t.dw)
    await t.tell("mod_delayed_work(idle, 0)", "mod_delayed_work", q.wq, t.dw, 0)
    await t.later(20, "")


# -- a4c ---------------------------------------------------------------------------------------------------------------


def _endless(q: Module) -> Any:
    """The work's function, under the name that it has in the module."""
    k, seconds = q.k, q.arg("s")

    async def w_never() -> None:
        q.say("work: waits for ever")
        await k.wait_for_completion(q.never)

    async def w_neverm() -> None:
        await k.mutex_lock(q.mutex)
        q.say("work: holds q_mutex, waits for ever")
        await k.wait_for_completion(q.never)

    async def w_sleepi() -> None:
        q.say("work: waits for ever, interruptible")
        await k.wait_for_completion_interruptible(q.never)
        q.say("back")

    async def w_spin() -> None:
        q.say(f"work: spins {seconds} s")
        await q.busy(seconds * 1_000_000)
        q.say("work: spin ends")

    async def w_spinp() -> None:
        q.say(f"work: spins {seconds} s with preemption off")
        k.preempt_disable()
        await q.busy(seconds * 1_000_000)
        await k.preempt_enable()
        q.say("work: spin ends")

    async def w_spinr() -> None:
        end = q.us() + seconds * 1_000_000
        q.say("work: spins with cond_resched()")
        while q.us() < end:
            await q.busy(100)
            await k.cond_resched()
        q.say("work: spin ends")

    functions = {"never": w_never, "neverord": w_never, "neverm": w_neverm, "inter": w_sleepi}
    return {**functions, "spin": w_spin, "spinp": w_spinp, "spinr": w_spinr}[q.v]


async def do_a4c(q: Module) -> None:
    """A work that does not end, a second one of the same pool behind it, and what the watchdogs say."""
    k = q.k

    async def w_count() -> None:
        q.runs += 1

    async def mut_waiter() -> None:
        await k.mutex_lock(q.mutex)
        q.say("q_waiter got it")
        await k.mutex_unlock(q.mutex)

    w_x, w_2 = k.work(_endless(q), name="w_x"), k.declare_work(w_count, name="w_2")

    async def flusher() -> None:
        await k.flush_work(w_x)
        q.say("flush_work came back")

    wq = q.wq if q.has("wq", "own") else k.system_wq
    if q.v == "neverord":
        await k.queue_work(q.wqo, w_x)
        await k.msleep(20)
        await k.queue_work(q.wqo, w_2)
    else:
        await k.queue_work_on(1, wq, w_x)
        await k.msleep(20)
        await k.queue_work_on(1, wq, w_2)
    if q.v == "neverm":
        await q.start(mut_waiter, 0, "q_waiter")
    if q.has("flush"):
        q.say("flush_work of it, from a thread")
        await q.start(flusher, 0, "q_flusher")
    end = q.us() + q.arg("wait") * 1_000_000
    while q.us() < end:
        await k.msleep_interruptible(100)
    q.say(f"A4c after {q.arg('wait')} s: second work ran {q.runs} time(s)")


# -- a4d ---------------------------------------------------------------------------------------------------------------


@attrs.define
class _Tally:
    """How often true and false came back, and how often the work did not run as often as that means."""

    cancel: bool
    done: int = 0
    true: int = 0
    bad_true: int = 0
    twice: int = 0
    false: int = 0
    once: int = 0
    bad_false: int = 0

    def count(self, said: bool, ran: int) -> None:
        """One try."""
        self.done += 1
        if said:
            self.true += 1
            self.bad_true += ran != (0 if self.cancel else 1)
            self.twice += ran == 2
        else:
            self.false += 1
            self.once += ran == 1
            self.bad_false += ran not in (1, 1 if self.cancel else 2)

    def __str__(self) -> str:
        name = "cancel_delayed_work" if self.cancel else "mod_delayed_work"
        return (
            f"A4d {name} tries {self.done}: returned true {self.true} (of these the run count was not "
            f"{0 if self.cancel else 1}: {self.bad_true}, twice: {self.twice}); false {self.false} "
            f"(ran once {self.once}, other than {1 if self.cancel else 2}: {self.bad_false})"
        )


async def _round(q: Module, tally: _Tally, number: int, works: list[Any], ran: list[int]) -> None:
    """One round: arm all timers, wait for about their time, then change all, and see what ran."""
    k, jiffies = q.k, q.kernel.jiffies
    await q.spin_until(lambda: q.kernel.jiffies != jiffies, 2)
    for at, work in enumerate(works):
        ran[at] = 0
        await k.queue_delayed_work_on(0, q.wq, work, 1)
    began = q.kernel.jiffies
    end = q.kernel.now + (number * 37 % 400) * 100 + 20_000_000
    seen = number * 7 % 8
    await q.spin_until(lambda: q.kernel.jiffies - began >= 2 or q.kernel.now >= end or bool(ran[seen]), 2)
    if number & 1:
        await q.busy(number % 23)
    said = [
        await (k.cancel_delayed_work(work) if tally.cancel else k.mod_delayed_work_on(0, q.wq, work, number >> 1 & 1))
        for work in works
    ]
    for work in works:
        await k.flush_delayed_work(work)
    for at, one in enumerate(said):
        tally.count(bool(one), ran[at])


async def do_a4d(q: Module) -> None:
    """mod_delayed_work() or cancel_delayed_work() just as the timer expires on another CPU."""
    k, ran, tally, number = q.k, [0] * _TRIES, _Tally(q.v == "cancel"), 0

    def counting(at: int) -> Any:
        async def dw_fn() -> None:
            ran[at] += 1

        return k.delayed_work(dw_fn, name="dws")

    works = [counting(at) for at in range(_TRIES)]
    while tally.done < q.arg("n"):
        number += 1
        await _round(q, tally, number, works, ran)
        if number % 200 == 0:
            await k.cond_resched()
    q.say(str(tally))


# -- a4e ---------------------------------------------------------------------------------------------------------------


async def _taken(q: Module, inside: Any) -> None:
    """With the lock of the question held."""
    k = q.k
    match q.v:
        case "spin":
            await k.spin_lock(q.spin)
            await inside()
            await k.spin_unlock(q.spin)
        case "write":
            await k.write_lock(q.rw)
            await inside()
            await k.write_unlock(q.rw)
        case "mutex":
            await k.mutex_lock(q.mutex)
            await inside()
            await k.mutex_unlock(q.mutex)


async def _somebody_wakes_up(q: Module) -> None:
    """As on any machine: who spins on a mutex whose owner runs does so until its CPU wants to reschedule."""

    async def other() -> None:
        await housekeeper(q.kernel)

    await q.start(other, 1, "housekeeper/1")


async def do_a4e(q: Module) -> None:
    """Two works of one pool; the first waits for a lock that a thread holds, running or preempted."""
    k, at, held = q.k, dict[str, int](), list[bool]()

    async def nothing() -> None:
        pass

    async def hold() -> None:
        held.append(True)
        end = q.us() + 300_000
        await q.spin_until(lambda: q.us() >= end, 100)

    async def e_hold() -> None:
        await _taken(q, hold)

    async def e_high() -> None:
        await q.busy(300_000)

    async def e_w1() -> None:
        at["a"] = q.us() - at["0"]
        await _taken(q, nothing)
        at["b"] = q.us() - at["0"]

    async def e_w2() -> None:
        at["c"] = q.us() - at["0"]

    await _somebody_wakes_up(q)
    for _ in range(3):
        held.clear()
        holder, high = await q.start(e_hold, 0, "q_hold"), None
        await q.spin_until(lambda: bool(held))
        if q.has("pre"):
            high = await q.start(e_high, 0, "q_high", fifo=True)
            await q.busy(5000)
        first, second = k.work(e_w1, name="ew1"), k.work(e_w2, name="ew2")
        at["0"] = q.us()
        await k.queue_work_on(1, q.wq, first)
        await k.queue_work_on(1, q.wq, second)
        await k.flush_work(first)
        await k.flush_work(second)
        await q.join(holder)
        if high is not None:
            await q.join(high)
        how = "did not wait" if at["c"] < at["b"] else "WAITED for the first"
        q.say(
            f"A4e {q.cmd}: first work starts at {at['a']}, has the lock at {at['b']} us; the second one of the pool "
            f"starts at {at['c']} us => {how}"
        )


# -- wcpu, word --------------------------------------------------------------------------------------------------------


def w_where(q: Module) -> Any:
    """The function of a work that tells where it runs."""
    k = q.k

    async def w_where() -> None:
        current = q.kernel.machine.current
        task = not (k.in_nmi() or k.in_hardirq() or k.in_serving_softirq())
        q.say(
            f"work runs on CPU {k.raw_smp_processor_id()}, pid {current.pid} {current.comm}, preempt_count "
            f"{k.preempt_count():x}, in_task {int(task)}, policy 0 nice 0"
        )
        hold = q.arg("hold")
        if hold:
            await (k.msleep(hold) if q.has("how", "sleep") else q.busy(hold * 1000))
        q.runs += 1
        q.say(f"work ends on CPU {k.raw_smp_processor_id()}")

    return w_where


async def do_wcpu(q: Module) -> None:
    """Queue a work again, on another CPU, while it runs."""
    k, w_x = q.k, q.k.work(w_where(q), name="w_x")
    first = await k.queue_work_on(1, q.wq, w_x)
    await k.msleep(10)
    q.say(f"queued on 1: {int(first)}; now queue on CPU 0 while it runs")
    q.say(f"second queue_work_on(0) = {int(await k.queue_work_on(0, q.wq, w_x))}")
    q.say(f"third queue_work_on(1) = {int(await k.queue_work_on(1, q.wq, w_x))}")
    await k.msleep(200)
    q.say(f"wcpu runs {q.runs}")


async def do_word(q: Module) -> None:
    """Six works of one queue, queued at once."""
    k, said, how = q.k, list[str](), q.question.word("how")
    match q.question.word("wq"):
        case "ord":
            wq = q.wqo
        case "unb":
            wq = k.system_unbound_wq
        case "hi":
            wq = k.system_highpri_wq
        case _:
            wq = q.wq

    def numbered(number: int) -> Any:
        async def w_ord() -> None:
            at = q.us() - began
            if how == "sleep":
                await k.msleep(20)
            elif how == "spin":
                await q.busy(20_000)
            said.append(f"{number}@{at}/cpu{k.raw_smp_processor_id()}")

        return k.work(w_ord, name="wo")

    began = q.us()
    for number in range(_AT_ONCE):
        await k.queue_work_on(1, wq, numbered(number))
    await k.msleep(300)
    q.say(f"word {q.cmd}: start times (work@us/cpu, in the order they ended): {' '.join(said)}")
