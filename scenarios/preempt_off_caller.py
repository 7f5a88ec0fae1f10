"""preempt_off_caller: kvfree_rcu() with preemption off and no lock of the caller's own, page caches cold.

lockdep does not look at preempt_count: what it reports on v5.9 is kvfree_rcu()'s own raw krcp->lock around the page
allocator, as from a preemptible caller. PREEMPT_RT, where the allocator sleeps, looks at preempt_count alone.

* v5.9: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; clean on PREEMPT_RT, where it does not ask. v5.11: clean.
* v5.9 with --design direct: "sleeping function" on PREEMPT_RT, then "scheduling while atomic".
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
async def preempt_off_caller(k: Kernel, objects: int = 8) -> None:
    pointers = [await k.kmalloc(64) for _ in range(objects)]
    done = False

    async def page_user() -> None:
        """The rest of the machine."""
        while not done:
            page = await k.get_free_page(GFP_KERNEL)
            await k.free_page(page)
            await k.drain_local_pages()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(page_user, cpu=1)
        await k.udelay(20)
        await k.cold_caches()
        k.preempt_disable()
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")
        await k.preempt_enable()
        done = True


if __name__ == "__main__":
    script(preempt_off_caller)
