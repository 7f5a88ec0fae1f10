"""c01_wq_auxstack: a work is queued, and a debugging hook wants a page for the stack that it remembers.

The report: KASAN's auxiliary stacks allocated with GFP_NOWAIT below the raw lock of the worker pool, and the page
allocator's locks are no raw ones. The mend: nothing is allocated there.
"""

from rcuactors import GFP_NOWAIT, Kernel, scenario, script


@scenario()
async def c01_wq_auxstack(k: Kernel, fixed: bool = False) -> None:
    pool_lock = k.raw_spinlock("pool->lock")
    await k.cold_caches()
    page: int | None = None

    with k.rcu_reader():
        flags = await k.raw_spin_lock_irqsave(pool_lock)
        if not fixed:
            page = await k.get_free_page(GFP_NOWAIT)
        await k.raw_spin_unlock_irqrestore(pool_lock, flags)
    await k.free_page(page)


if __name__ == "__main__":
    script(c01_wq_auxstack)
