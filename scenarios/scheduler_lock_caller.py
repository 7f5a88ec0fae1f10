"""scheduler_lock_caller: kvfree_rcu() under &rq->lock, the lock of a wake-up: why an hrtimer comes first.

Queueing a work wakes a worker, and waking takes the run queue's lock: from under that very lock it never
returns. Starting an hrtimer only enqueues it and programs the clock event device; the handler queues the
work later, in an interrupt that holds none of the caller's locks.

* v5.9 asks for a page under two raw locks: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; with --design direct
  on PREEMPT_RT "sleeping function". v5.11 is clean everywhere, with one refill asked for and done.
* With --set queue_directly=y the scenario queues the refill's work as a design without the hrtimer stage
  would: lockdep reports the circular locking order, since every wake-up takes this lock under the pool's,
  and then the CPU spins on its own lock for ever, on every kernel.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def scheduler_lock_caller(k: Kernel, queue_directly: bool = False) -> None:
    async def refill() -> None:
        page = await k.get_free_page()
        await k.free_page(page)

    refill_work = k.work(refill)
    await k.queue_work(k.system_highpri_wq, refill_work)
    await k.flush_work(refill_work)
    p = await k.kmalloc(64)
    await k.cold_caches()
    rq_lock = k.this_rq_lock()
    flags = await k.raw_spin_lock_irqsave(rq_lock)
    await k.kvfree_rcu(p, "rcu")
    if queue_directly:
        await k.queue_work(k.system_highpri_wq, refill_work)
    await k.raw_spin_unlock_irqrestore(rq_lock, flags)


if __name__ == "__main__":
    script(scheduler_lock_caller)
