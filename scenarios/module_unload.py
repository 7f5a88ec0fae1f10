"""module_unload: a module with a cache of its own, call_rcu() callbacks in its code, and kvfree_rcu(), is unloaded.

Its exit function waits as `exit` says, before it destroys the cache and after its last call_rcu(): `both`, for which
kvfree_rcu_barrier() is a long sleep where there is none; only `rcu_barrier`; only `kvfree_rcu_barrier`; or `none`.

* As it is shipped, with both, it is clean on every version from v5.11 on. v5.9 asks for its pages under krcp->lock:
  "Invalid wait context" with PROVE_RAW_LOCK_NESTING; with --design direct on PREEMPT_RT "sleeping function".
* exit=rcu_barrier: rcu_barrier() does not wait for kvfree_rcu(). Until v6.6 kmem_cache_destroy() finds objects, a
  "leak"; since v6.12.0 it calls kvfree_rcu_barrier() itself (commit 6c6c47b063b5), and all is well.
* exit=kvfree_rcu_barrier: the last callback comes when the module's code is gone, a "use-after-free", on every version.
* exit=none: both of it, as far as the version has it.
"""

from typing import Any, Literal

from rcuactors import Kernel, scenario, script


async def wait_for_kvfree_rcu(k: Kernel) -> None:
    await (k.kvfree_rcu_barrier() if k.has("kvfree_rcu_barrier") else k.msleep(10_000))


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    # It does not look at what its allocations return.
    settings={"fail_page_alloc": "0"},
)
async def module_unload(
    k: Kernel,
    exit: Literal["both", "rcu_barrier", "kvfree_rcu_barrier", "none"] = "both",  # noqa: A002 - the module's exit
    objects: int = 20,
) -> None:
    module = await k.load_module("drv")
    cache = k.kmem_cache_create("drv_cache", 64)

    async def drv_release() -> None:
        await k.udelay(1)

    async def slow() -> None:
        # Somebody else's callback, behind which those of this CPU wait.
        await k.udelay(5_000)

    async def calls_back() -> None:
        await k.call_rcu(slow)
        await k.call_rcu(k.module_text(module, drv_release))

    async def drv_exit() -> None:
        if exit in ("both", "rcu_barrier"):
            await k.rcu_barrier()
        if exit in ("both", "kvfree_rcu_barrier"):
            await wait_for_kvfree_rcu(k)
        await k.kmem_cache_destroy(cache)
        await k.kthread_join(await k.kthread_run(calls_back, cpu=1))
        if exit in ("both", "rcu_barrier"):
            await k.rcu_barrier()

    async def reader(p: Any) -> None:
        with k.rcu_reader():
            k.rcu_dereference(p)
            await k.udelay(30_000)
            k.deref(p)

    pointers = [await k.kmem_cache_alloc(cache) for _ in range(objects)]
    await k.cold_caches()
    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, pointers[0], cpu=1)
        await k.usleep_range(50, 50)
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")
        await k.delete_module(module, drv_exit)


if __name__ == "__main__":
    script(module_unload)
