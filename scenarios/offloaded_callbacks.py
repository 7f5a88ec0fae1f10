"""offloaded_callbacks: a CPU's callbacks are taken from its thread and given back, and others wait for them.

With rcu_nocbs=y a thread of each CPU invokes callbacks. From v6.12.0 on that can be changed while the CPU is offline,
which begins with a barrier of its own; meanwhile others call rcu_barrier(), and interrupts of the CPU's last moments
leave callbacks behind. Where it cannot be changed CPUs only go and come.

* Clean in order of time, on every kernel, v5.11 among them.
* v6.12.0: rcu_barrier() may be lost with the thread that parks (commit 2996980e20b7), and its caller waits for ever.
"""

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(
    expect={"v5.9": CLEAN, "v5.9 direct": CLEAN},
    settings={"nr_cpus": "3", "rcu_nocbs": "y", "RCU_LAZY": "y"},
)
async def offloaded_callbacks(
    k: Kernel, rounds: int = 2, calls: int = 6, pause_us: int = 4_000, tick_us: int = 500
) -> None:
    async def done() -> None:
        pass

    async def barriers() -> None:
        for _ in range(calls):
            await k.rcu_barrier()
            await k.usleep_range(pause_us, pause_us)

    async def tick() -> None:
        """An interrupt of CPU 2, as long as there is one."""
        if k.raw_smp_processor_id() == 2:
            await k.call_rcu(done)
            await k.hrtimer_start(timer, max(tick_us, 100) * 1_000)

    timer = k.hrtimer(tick)

    async def starts() -> None:
        await k.hrtimer_start(timer, max(tick_us, 100) * 1_000)

    for _ in range(rounds):
        async with k.open_nursery() as nursery:
            await nursery.start_soon(barriers, cpu=1)
            await nursery.start_soon(starts, cpu=2)
            await k.cpu_down(2)
            if k.has("rcu_nocb_cpu_deoffload"):
                await k.rcu_nocb_cpu_deoffload(2)
                await k.rcu_nocb_cpu_offload(2)
            await k.cpu_up(2)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(offloaded_callbacks)
