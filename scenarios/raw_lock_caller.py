"""raw_lock_caller: kvfree_rcu() under the caller's own raw_spinlock_t, with the page caches cold.

Shows difficulties a) and b) of commit 56292e8609e3. The caller holds a raw spinlock, the CPU's page cache
and page list are empty, so a page must come from the zone, whose lock is a spinlock_t. Meanwhile CPU 1
keeps the zone busy, as the rest of a machine does.

* v5.9 asks in the caller's context: "Invalid wait context" with PROVE_RAW_LOCK_NESTING. On PREEMPT_RT it
  does not ask at all (4d2919411867): clean.
* v5.9 with --design direct does: "sleeping function"; as zone->lock is contended, also "scheduling while atomic".
* v5.11 leaves the page to a worker: clean everywhere; until that has filled the cache, objects go to the rcu_head list.
* Without the checks (plain) every version is silent: the mistake is there, nobody looks.
"""

from rcuactors import GFP_KERNEL, Kernel, scenario, script

SLEEPS = "sleeping-function, scheduling-while-atomic"


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": SLEEPS},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def raw_lock_caller(k: Kernel, objects: int = 8) -> None:
    some_lock = k.raw_spinlock("some_lock")
    done = False

    async def page_user() -> None:
        """The rest of the machine: takes pages and gives its page list back, again and again."""
        while not done:
            page = await k.get_free_page(GFP_KERNEL)
            await k.free_page(page)
            await k.drain_local_pages()

    pointers = [await k.kmalloc(64) for _ in range(objects)]
    async with k.open_nursery() as nursery:
        await nursery.start_soon(page_user, cpu=1)
        await k.udelay(20)
        await k.cold_caches()
        flags = await k.raw_spin_lock_irqsave(some_lock)
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock_irqrestore(some_lock, flags)
        done = True


if __name__ == "__main__":
    script(raw_lock_caller)
