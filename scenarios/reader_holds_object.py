"""reader_holds_object: a reader on CPU 1 holds an object across the updater's kvfree_rcu() on CPU 0.

The object may be freed when the reader has left, not before. The oracle watches, and asks no grace-period machine.

* kvfree_rcu() is clean on every kernel: the free comes after the reader's end. v5.9 asks for its page in
  the caller's context, but its prefilled cache has one, so not even PROVE_RAW_LOCK_NESTING sees anything.
* With --set free_at_once=y the updater uses kfree() instead: use-after-free, on every kernel.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"fail_page_alloc": "0"},
)
async def reader_holds_object(k: Kernel, hold_us: int = 50_000, free_at_once: bool = False) -> None:
    while (p := await k.kmalloc(256)) is None:
        await k.msleep(1)
    reading = k.completion("the reader has begun")

    async def reader() -> None:
        k.rcu_read_lock()
        q = k.rcu_dereference(p)
        await k.complete(reading)
        await k.udelay(hold_us)
        k.rcu_dereference(q)
        k.rcu_read_unlock()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.wait_for_completion(reading)
        if free_at_once:
            await k.kfree(p)
        else:
            await k.kvfree_rcu(p, "rcu")


if __name__ == "__main__":
    script(reader_holds_object)
