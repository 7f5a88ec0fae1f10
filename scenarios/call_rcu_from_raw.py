"""call_rcu_from_raw: call_rcu() and kvfree_rcu() side by side in a raw atomic section.

Difficulty c) of commit 56292e8609e3: call_rcu() is used from raw atomic context, so kvfree_rcu() is
expected to work there as well.

* call_rcu() is clean on every kernel, and so is kvfree_rcu() on v5.11.
* kvfree_rcu() on v5.9 is not: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; with --design direct on PREEMPT_RT
  "sleeping function".
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def call_rcu_from_raw(k: Kernel, use_kvfree_rcu: bool = True) -> None:
    some_lock = k.raw_spinlock("some_lock")
    first, second = await k.kmalloc(64), await k.kmalloc(64)

    async def free_first() -> None:
        await k.kfree(first)

    await k.cold_caches()
    flags = await k.raw_spin_lock_irqsave(some_lock)
    await k.call_rcu(free_first)
    if use_kvfree_rcu:
        await k.kvfree_rcu(second, "rcu")
    else:
        await k.call_rcu(lambda: k.kfree(second), name="free_second")
    await k.raw_spin_unlock_irqrestore(some_lock, flags)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(call_rcu_from_raw)
