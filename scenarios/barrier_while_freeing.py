"""barrier_while_freeing: kvfree_rcu_barrier() on CPU 0 while CPU 1 goes on calling kvfree_rcu().

The barrier gets what is queued into batches and waits for these, CPU by CPU, with no lock held for longer than a step.
What was given before it is freed when it returns; what came later may be, or not.

* v5.9 to v6.6 have no such function, and only wait: it came with v6.12. With --design direct on
  PREEMPT_RT v5.9 asks for a page under krcp->lock: "sleeping function".
* v5.11, and all others before v6.12, are clean.
* v6.12.0 and later are clean.
* An object that came while the barrier waited for another CPU may lose its monitor to it, and then waits for the next
  kvfree_rcu() on its CPU, or the shrinker: no violation, as long as one comes.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def barrier_while_freeing(k: Kernel, objects: int = 40, rounds: int = 3) -> None:
    async def others() -> None:
        for _ in range(objects):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.usleep_range(1_000, 1_000)
        await k.msleep(100)
        # Whatever lost its monitor to the last barrier gets it back.
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        await k.cold_caches()
        await nursery.start_soon(others, cpu=1)
        for _ in range(rounds):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.kvfree_rcu(await k.vmalloc(8192), "rcu")
            if k.has("kvfree_rcu_barrier"):
                await k.kvfree_rcu_barrier()
            else:
                await k.msleep(100)


if __name__ == "__main__":
    script(barrier_while_freeing)
