"""c19_gfp_kernel_softirq: a packet is matched in the receiving softirq, and the matcher allocates with GFP_KERNEL.

The report: direct reclaim would sleep there, and lockdep sees the reclaim's lock in softirq. The mend: GFP_ATOMIC.
"""

from rcuactors import GFP_ATOMIC, GFP_KERNEL, Kernel, scenario, script


@scenario()
async def c19_gfp_kernel_softirq(k: Kernel, fixed: bool = False) -> None:
    received = k.completion("received")

    async def receive() -> None:
        match = await k.kmalloc(96, GFP_ATOMIC if fixed else GFP_KERNEL)
        await k.kfree(match)
        await k.complete(received)

    await k.tasklet_schedule(receive)
    await k.wait_for_completion(received)


if __name__ == "__main__":
    script(c19_gfp_kernel_softirq)
