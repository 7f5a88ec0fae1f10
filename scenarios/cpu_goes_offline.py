"""cpu_goes_offline: a CPU goes offline with objects of kvfree_rcu() waiting on it, and comes back.

Its kfree_rcu_cpu has no callback of CPU hotplug: it stays where it is, with its objects, and its monitor's timer and
work are somebody else's from then on; a reader that was there goes on elsewhere. Nothing may be lost. With `dying=y` a
driver's callback frees one more when the CPU has interrupts off for good and its page cache is empty, so that the
refill's hrtimer is started there.

* v5.9 takes its pages in the caller's context, under krcp->lock: "Invalid wait context" with PROVE_RAW_LOCK_NESTING;
  on PREEMPT_RT nothing, but with --design direct a "sleeping function".
* v5.11, v6.1.0 and v6.6 are clean: what is left on the dead CPU's hrtimer queue is fetched from there, late
  (hrtimers_dead_cpu()).
* v6.12.0 has hrtimers leave before such callbacks (commit 5c0930ccaad5), and this one is queued behind their backs: it
  warns, a "bad context" (dad6a09f3148), and never refills that CPU's cache again.
* v6.1-stable, v6.12 and later queue it on another CPU (53dac345395c), and are clean.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v6.12.0": {"plain": "bad-context", "prove": "bad-context", "rt": "bad-context"},
        "v6.12": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
)
async def cpu_goes_offline(k: Kernel, objects: int = 20, dying: bool = True) -> None:
    async def reader() -> None:
        for _ in range(10):
            with k.rcu_reader():
                await k.udelay(200)
            await k.msleep(4)

    async def frees() -> None:
        await k.cold_caches()
        for _ in range(objects):
            p = await k.kmalloc(64)
            await k.kvfree_rcu(p, "rcu")
        await k.msleep(1)
        await k.cold_caches()

    async def driver_dying(_cpu: int) -> None:
        while last:
            await k.kvfree_rcu(last.pop(), "rcu")

    # Of a kind that has no block there yet.
    last = [await k.vmalloc(64)] if dying else []
    setup = await k.cpuhp_setup_state_nocalls("CPUHP_AP_PERF_X86_STARTING", "driver:starting", teardown=driver_dying)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.kthread_join(await nursery.start_soon(frees, cpu=1))
        assert await k.cpu_down(1) == 0
        await k.msleep(20)
        assert await k.cpu_up(1) == 0
    await k.cpuhp_remove_state_nocalls(setup)
    await k.kthread_join(await k.kthread_run(frees, cpu=1))


if __name__ == "__main__":
    script(cpu_goes_offline)
