"""one_argument_migrates: callers of the one-argument form drop krcp->lock for a page, and may move to another CPU.

The page cache is cold, so each takes a page itself. With --set migrate=y and --strategy random others preempt it there,
and another CPU pulls it.

* v5.9 and v5.11 do not drop the lock: the caller waits for a grace period instead, or, on v5.9, asks under the lock:
  with --design direct on PREEMPT_RT "sleeping function".
* v6.1.0 and v6.1-stable put the page where the caller has come to, though that CPU may have a block with room: waste,
  which the result lists as pages_for_another_cpu (commit 309a43165077 mends it). v6.6 and later put it where it was
  wanted. Clean everywhere.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "2"},
)
async def one_argument_migrates(k: Kernel, objects: int = 6) -> None:
    async def caller() -> None:
        for _ in range(objects):
            await k.cold_caches()
            p = await k.kmalloc(64)
            await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))
            await k.usleep_range(5, 5)

    async def urgent() -> None:
        for _ in range(4 * objects):
            await k.usleep_range(2, 2)

    async with k.open_nursery() as nursery:
        for _ in range(2):
            await nursery.start_soon(caller)
        for cpu in (0, 1):
            await nursery.start_soon(urgent, cpu=cpu, urgent=True)


if __name__ == "__main__":
    script(one_argument_migrates)
