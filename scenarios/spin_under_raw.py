"""spin_under_raw: one mistake, a spinlock_t taken under a raw_spinlock_t, and who notices.

On PREEMPT_RT a spinlock_t sleeps, so that it must not be taken under a raw lock, which forbids sleeping. Without
PREEMPT_RT both spin, and nothing ever goes wrong. What a kernel says of it depends on its checks, on every kernel
version alike:

* plain: nothing. Lockdep takes both types for one unless it is told otherwise.
* with PROVE_RAW_LOCK_NESTING: "Invalid wait context", at the first time, contended or not.
* with PREEMPT_RT and no check: nothing, unless somebody else holds the lock (--set contended=y); then the CPU would
  have to schedule, and that is "scheduling while atomic". With DEBUG_ATOMIC_SLEEP, as in the build rt, it is
  "sleeping function called from invalid context" each time, contended or not.
"""

from rcuactors import Kernel, scenario, script

EVERY = {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"}


@scenario(expect={"v5.9": EVERY, "v5.9 direct": EVERY, "v5.11": EVERY})
async def spin_under_raw(k: Kernel, contended: bool = False) -> None:
    raw, spin = k.raw_spinlock("raw"), k.spinlock("spin")

    async def holder() -> None:
        await k.spin_lock(spin)
        await k.udelay(20)
        await k.spin_unlock(spin)

    async with k.open_nursery() as nursery:
        if contended:
            await nursery.start_soon(holder, cpu=1)
            await k.udelay(10)
        await k.raw_spin_lock(raw)
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
        await k.raw_spin_unlock(raw)


if __name__ == "__main__":
    script(spin_under_raw)
