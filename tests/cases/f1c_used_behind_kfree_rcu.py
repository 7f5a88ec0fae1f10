"""f1c_used_behind_kfree_rcu: an object is written to by who has given it to kfree_rcu(), outside of any reader.

It is free five seconds later, so a kernel notices nothing unless the writer is held up. The mend: it is given away
last.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f1c_used_behind_kfree_rcu(k: Kernel, fixed: bool = False) -> None:
    p = await k.kzalloc(k.struct("session", rcu=k.rcu_head, closed=False))
    if not fixed:
        await k.kfree_rcu(p, "rcu")
    p.closed = True
    if fixed:
        await k.kfree_rcu(p, "rcu")


if __name__ == "__main__":
    script(f1c_used_behind_kfree_rcu)
