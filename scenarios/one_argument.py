"""one_argument: kvfree_rcu(ptr), for objects without an rcu_head, from process context, page caches cold.

Without an rcu_head there is no list to fall back to: a caller that finds no block waits for a grace period
itself and frees the object in line.

* v5.9 takes its page in the caller's context, and no caller waits; under PROVE_RAW_LOCK_NESTING that is
  "Invalid wait context". On PREEMPT_RT it takes none, so every caller waits; --design direct: "sleeping function".
* v5.11: the first caller waits; by then the worker has filled the cache and the others find blocks. Clean
  everywhere.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def one_argument(k: Kernel, objects: int = 10) -> None:
    pointers = [await k.kmalloc(128) for _ in range(objects)]
    await k.cold_caches()
    for p in pointers:
        await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))


if __name__ == "__main__":
    script(one_argument)
