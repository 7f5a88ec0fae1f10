"""flood: a CPU frees faster than grace periods end, in a machine with little memory.

Every object must wait for the monitor and for a grace period, and a reader makes grace periods long, so
what waits piles up until memory runs short: kswapd is woken, the allocating caller reclaims, and has to
wait. The machine must come through: nothing is lost, nobody is killed.

* v5.9 takes its pages in the caller's context: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; on
  PREEMPT_RT the whole flood goes to the list, but with --design direct it is a "sleeping function".
* v5.11 is clean everywhere.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"mem": "16M"},
)
async def flood(k: Kernel, objects: int = 30_000, reader_us: int = 10_000) -> None:
    flooding = True

    async def reader() -> None:
        while flooding:
            k.rcu_read_lock()
            await k.udelay(reader_us)
            k.rcu_read_unlock()
            await k.usleep_range(100, 200)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        for _ in range(objects):
            p = await k.kmalloc(1024)
            await k.kvfree_rcu(p, "rcu")
        flooding = False


if __name__ == "__main__":
    script(flood)
