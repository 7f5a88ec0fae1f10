"""nmi_caller: an NMI frees by kfree_rcu(), as a BPF program may want to, while its CPU is in kfree_rcu() itself.

No lock may be waited for in an NMI: what it has interrupted may hold it, and does not go on. Here CPU 1 sends NMIs to
CPU 0, which frees one vmalloc area after the other.

* v5.11 to v6.18: lockdep sees the lock used in an NMI, "inconsistent lock state". Sooner or later the NMI finds
  krcp->lock held by the code that it has interrupted: a deadlock. (3bc999d944b3 says so of "unknown context".)
* v5.9 is no better; but for PREEMPT_RT, no NMI hits just there. With --design direct a page is asked for in the NMI, on
  PREEMPT_RT with sleeping locks: "sleeping function called".
* v7.3: clean with kfree_rcu_nolock() (3bc999d944b3), which puts off what it cannot store by trylocks alone.
"""

from rcuactors import Kernel, scenario, script

STATE = "inconsistent-lock-state"
DEADLOCK = f"{STATE}, deadlock"
CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(
    expect={
        "v5.9": {"plain": STATE, "prove": STATE, "rt": DEADLOCK},
        "v5.9 direct": {"plain": STATE, "prove": STATE, "rt": f"sleeping-function, {STATE}"},
        "v5.11": {"plain": DEADLOCK, "prove": DEADLOCK, "rt": DEADLOCK},
        "v7.3": CLEAN,
    },
    settings={"rcu_min_cached_objs": "0"},
)
async def nmi_caller(k: Kernel, objects: int = 500, step_ns: int = 37) -> None:
    for_task = [await k.vmalloc(64) for _ in range(objects)]
    for_nmi = [await k.vmalloc(64) for _ in range(objects)]

    async def handler() -> None:
        if for_nmi and k.in_nmi():
            p = for_nmi.pop()
            await (k.kfree_rcu_nolock(p, "rcu") if k.has("kfree_rcu_nolock") else k.kfree_rcu(p, "rcu"))

    async def send() -> None:
        for number in range(objects):
            await k.raise_nmi(handler, cpu=0)
            await k.ndelay(100 + number * step_ns % 1000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(send, cpu=1)
        while for_task:
            await k.kfree_rcu(for_task.pop(), "rcu")
            await k.ndelay(50)
    for p in for_nmi:
        await k.vfree(p)


if __name__ == "__main__":
    script(nmi_caller)
