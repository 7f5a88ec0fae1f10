"""driver_remove: a device that is removed while its timer, its work and its users are at it.

The usual shape of a driver: a timer polls the device and queues a work; the work handles what there is, and starts the
timer again; users find the device in a list under RCU and take a reference. Removing it takes it out of the list, stops
both, and puts the list's reference; who puts the last gives the device to kfree_rcu().

* Clean, on every kernel.
* `bug=rearmed`: the timer is deleted, then the work cancelled, which has started the timer again. Reported as
  use-after-free, with debug objects of timers as free-active before. Both have to know that the device goes.
* `bug=found_late`: a user takes the pointer out of its section without a reference. Reported as use-after-free.
* `bug=kfree`: the last one frees at once, under who is just looking through the list: a matter of schedule.
"""

from typing import Any, Literal

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


class Driver:
    """The driver: its list of devices, and what it does to one."""

    def __init__(self, k: Kernel, polls: int, bug: str) -> None:
        self.k, self.polls, self.bug = k, polls, bug
        self.devices, self.devices_lock = k.list_head("devices"), k.spinlock("devices_lock")
        self.device = k.struct(
            "device",
            size=256,
            events=0,
            going=False,
            lock=k.spinlock,
            ref=k.kref,
            node=k.list_head,
            timer=k.timer_list(self.poll),
            work=k.work_struct(self.handle),
            rcu=k.rcu_head,
        )

    async def poll(self, dev: Any) -> None:
        """The timer."""
        await self.k.schedule_work(dev.work)

    async def handle(self, dev: Any) -> None:
        """The work, which starts the timer again."""
        k = self.k
        await k.usleep_range(2_000, 2_000)  # the device takes its time
        await k.spin_lock_bh(dev.lock)
        dev.events += 1
        if dev.events < self.polls and (self.bug == "rearmed" or not dev.going):
            await k.mod_timer(dev.timer, 1)
        await k.spin_unlock_bh(dev.lock)

    async def release(self, dev: Any) -> None:
        """The last reference is gone."""
        await (self.k.kfree(dev) if self.bug == "kfree" else self.k.kfree_rcu(dev, "rcu"))

    async def probe(self) -> Any:
        """A device is there: listed, with its first reference, and polled."""
        k = self.k
        dev = await k.kzalloc(self.device)
        if dev is None:
            return None
        k.kref_init(dev.ref)
        await k.spin_lock(self.devices_lock)
        k.list_add_tail_rcu(dev.node, self.devices)
        await k.spin_unlock(self.devices_lock)
        await k.mod_timer(dev.timer, 1)
        return dev

    async def remove(self, dev: Any) -> None:
        """It goes: out of the list, and everything stopped."""
        k = self.k
        await k.spin_lock(self.devices_lock)
        k.list_del_rcu(dev.node)
        await k.spin_unlock(self.devices_lock)
        await k.spin_lock_bh(dev.lock)
        dev.going = True
        await k.spin_unlock_bh(dev.lock)
        await k.timer_delete_sync(dev.timer)
        await k.cancel_work_sync(dev.work)
        await k.kref_put(dev.ref, self.release)

    async def find(self) -> Any:
        """The first device of the list, with a reference; None if there is none."""
        k, found = self.k, None
        k.rcu_read_lock()
        for dev in k.list_for_each_entry_rcu(self.devices, "node"):
            await k.udelay(300)
            if self.bug == "found_late" or k.kref_get_unless_zero(dev.ref):
                found = dev
                break
        k.rcu_read_unlock()
        return found

    async def users(self, opens: int) -> None:
        """Somebody opens and closes devices."""
        k = self.k
        for _ in range(opens):
            dev = await self.find()
            if dev is not None:
                await k.usleep_range(900, 900)
                k.READ_ONCE(dev, "events")
                if self.bug != "found_late":
                    await k.kref_put(dev.ref, self.release)
            await k.usleep_range(700, 700)


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"nr_cpus": "2"})
async def driver_remove(
    k: Kernel,
    devices: int = 6,
    opens: int = 40,
    polls: int = 8,
    bug: Literal["none", "rearmed", "found_late", "kfree"] = "none",
) -> None:
    driver = Driver(k, polls, bug)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(driver.users, opens, cpu=1)
        for number in range(devices):
            dev = await driver.probe()
            await k.usleep_range(14_000 + 430 * number, 14_000 + 430 * number)
            if dev is not None:
                await driver.remove(dev)


if __name__ == "__main__":
    script(driver_remove)
