"""driver_thread_sleeps: a driver's thread sleeps now and then, and the driver waits for it when its CPU has gone.

The thread polls its device, and sleeps while that works (usleep_range(), an hrtimer). When the CPU is dead the driver's
callback of CPU hotplug waits until the poll that is under way is over, if one is. Each poll frees by kvfree_rcu().

* Clean in order of time, on every kernel, v5.11 among them.
* Until commit 5c0930ccaad5 (v5.9, v5.11, v6.1.0, v6.6) hrtimers are fetched from the dead CPU behind such callbacks:
  with other schedules who waits for one waits for ever.
"""

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"nr_cpus": "2"})
async def driver_thread_sleeps(k: Kernel, rounds: int = 2, polls: int = 3, sleep_us: int = 40_000) -> None:
    polling = k.mutex("polling")

    async def poll() -> None:
        """With each it looks at the device twice."""
        for _ in range(polls):
            await k.mutex_lock(polling)
            await k.usleep_range(sleep_us, sleep_us)
            await k.mutex_unlock(polling)
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            await k.usleep_range(2 * sleep_us, 2 * sleep_us)

    async def dead(_cpu: int) -> None:
        await k.mutex_lock(polling)
        await k.mutex_unlock(polling)

    setup = await k.cpuhp_setup_state_nocalls("CPUHP_BP_PREPARE_DYN", "driver:dead", teardown=dead)
    for number in range(rounds):
        async with k.open_nursery() as nursery:
            await nursery.start_soon(poll, cpu=1)
            await k.usleep_range((3 * number + 1) * sleep_us + 4_000, (3 * number + 1) * sleep_us + 4_000)
            await k.cpu_down(1)
            await k.cpu_up(1)
    await k.cpuhp_remove_state_nocalls(setup)


if __name__ == "__main__":
    script(driver_thread_sleeps)
