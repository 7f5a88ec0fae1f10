"""gfp_zero_boot: early in boot somebody allocates with gfp 0, as some always have, and does not look at the result.

Redefining 0 as "take no lock" (design gfp-zero, D6) was tried on 5.9.0-rc7-next-20200930, and the first boot ended
with "BUG: kernel NULL pointer dereference, address: 0000000000000010" in __find_event_file(), called by swapper/0.
Who had got NULL is not recorded; here it is a page-sized buffer. So early the CPU's page list has none: the zone has.

* Every kernel with its own design is clean: 0 has only ever meant "do not wake kswapd".
* With --design gfp-zero the buffer is NULL and its first use oopses, on every kernel and with any configuration.
* With warm=y the list has been filled before: there is a page on it, and gfp-zero boots.
"""

from rcuactors import GFP_KERNEL, Gfp, Kernel, scenario, script


@scenario(
    early_boot=True,
    settings={"fail_page_alloc": "0"},
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
)
async def gfp_zero_boot(k: Kernel, warm: bool = False) -> None:
    if warm:
        await k.free_page(await k.get_free_page(GFP_KERNEL))
    event_files = await k.kmalloc(4096, Gfp(0))

    async def __find_event_file() -> None:
        k.deref(event_files)

    await __find_event_file()
    await k.kfree(event_files)
    k.kfree_rcu_batch_init()
    await k.rcu_scheduler_running()


if __name__ == "__main__":
    script(gfp_zero_boot)
