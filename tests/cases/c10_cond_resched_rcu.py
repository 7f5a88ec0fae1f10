"""c10_cond_resched_rcu: rules are put into a hash table that gives way between them, by a reader.

The report: cond_resched() below rcu_read_lock(). The mend: those who change the rules have a mutex already, and the
read-side section went.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c10_cond_resched_rcu(k: Kernel, fixed: bool = False) -> None:
    policy = k.mutex("policy_mutex")
    if fixed:
        await k.mutex_lock(policy)
        await k.cond_resched()
        await k.mutex_unlock(policy)
    else:
        with k.rcu_reader():
            await k.cond_resched()


if __name__ == "__main__":
    script(c10_cond_resched_rcu)
