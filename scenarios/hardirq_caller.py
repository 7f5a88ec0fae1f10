"""hardirq_caller: kvfree_rcu() from a hardware interrupt handler, with the page caches cold.

A handler that cannot be threaded may take raw spinlocks only, whatever it interrupted. As in
raw_lock_caller, CPU 1 keeps the zone busy.

* v5.9 asks for a page in the handler: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; on PREEMPT_RT it
  does not ask: clean.
* v5.9 with --design direct takes the page list's lock in the handler on PREEMPT_RT, where it is a sleeping
  lock that threads take with interrupts on: "sleeping function" and "inconsistent lock state". Then it sleeps
  there: "scheduling while atomic".
* v5.11 is clean everywhere.
"""

from rcuactors import GFP_KERNEL, Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {
            "plain": "clean",
            "prove": "invalid-wait-context",
            "rt": "inconsistent-lock-state, sleeping-function, scheduling-while-atomic",
        },
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def hardirq_caller(k: Kernel, objects: int = 8) -> None:
    pointers = [await k.kmalloc(64) for _ in range(objects)]
    done = False

    async def page_user() -> None:
        """The rest of the machine."""
        while not done:
            page = await k.get_free_page(GFP_KERNEL)
            await k.free_page(page)
            await k.drain_local_pages()

    async def handler() -> None:
        assert k.in_hardirq()
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(page_user, cpu=1)
        await k.udelay(20)
        await k.cold_caches()
        await k.raise_irq(handler, line="eth0")
        done = True


if __name__ == "__main__":
    script(hardirq_caller)
