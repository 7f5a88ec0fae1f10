"""c24_act_idr: one request finds an action by its number as a reader, another deletes the action.

The report: the action is freed at once, its finder uses it still. The mend: kfree_rcu().
"""

from rcuactors import Kernel, scenario, script

NUMBER = 7


@scenario()
async def c24_act_idr(k: Kernel, fixed: bool = False) -> None:
    lock = k.mutex("&idrinfo->lock")
    actions = {NUMBER: await k.kmalloc(192)}

    async def find() -> None:
        with k.rcu_reader():
            action = k.rcu_dereference(actions.get(NUMBER))
            if action is not None:
                await k.udelay(50)
                k.deref(action)

    async def delete() -> None:
        await k.udelay(10)
        await k.mutex_lock(lock)
        action = actions.pop(NUMBER)
        await k.mutex_unlock(lock)
        if fixed:
            await k.kfree_rcu(action, "tcfa_rcu")
        else:
            await k.kfree(action)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(find, cpu=1)
        await nursery.start_soon(delete, cpu=0)


if __name__ == "__main__":
    script(c24_act_idr)
