"""fdb_gc: a forwarding table under RCU, whose old entries a delayed work takes out, as a bridge has it.

After net/bridge/br_fdb.c: packets look an address up in a hash list under rcu_read_lock(), or learn it under a lock
with bottom halves off; every now and then a work goes through the table, takes out what nobody has asked for, and gives
it to kfree_rcu(). When the bridge goes, the work is cancelled first.

* Clean, on every kernel.
* `bug=used_outside`: a packet uses the entry that it has found when its section is over. Reported as use-after-free.
* `bug=no_cancel`: the bridge goes with its work armed. Reported as free-active, and then as use-after-free.
"""

from typing import Any, Literal

from rcuactors import GFP_ATOMIC, Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}
BUCKETS = 4


class Bridge:
    """The table, who looks something up, and who takes out what is old."""

    def __init__(self, k: Kernel, pause_us: int, bug: str) -> None:
        self.k, self.pause_us, self.bug = k, pause_us, bug
        self.fdb_entry = k.struct("fdb_entry", size=64, addr=0, port=0, used=0, node=k.hlist_node, rcu=k.rcu_head)
        self.net_bridge = k.struct(
            "net_bridge",
            size=256,
            ageing_time=0,
            rounds=0,
            hash_lock=k.spinlock,
            gc_work=k.delayed_work_struct(self.br_fdb_cleanup),
        )
        self.buckets = [k.hlist_head(f"hash[{number}]") for number in range(BUCKETS)]

    async def take_out(self, unused_since: int | None = None) -> None:
        """Under the lock: entries that nobody has used since then, or all."""
        k = self.k
        for bucket in self.buckets:
            for entry in list(k.hlist_for_each_entry(bucket, "node")):
                if unused_since is None or k.READ_ONCE(entry, "used") <= unused_since:
                    k.hlist_del_init_rcu(entry.node)
                    await k.kfree_rcu(entry, "rcu")

    async def br_fdb_cleanup(self, br: Any) -> None:
        """The work."""
        k = self.k
        await k.spin_lock_bh(br.hash_lock)
        await self.take_out(k.jiffies - br.ageing_time)
        await k.spin_unlock_bh(br.hash_lock)
        br.rounds -= 1
        if br.rounds:
            await k.queue_delayed_work(k.system_long_wq, br.gc_work, br.ageing_time // 2)

    def fdb_find_rcu(self, addr: int) -> Any:
        """The entry of an address; None if there is none. In a read-side section."""
        bucket = self.buckets[addr % BUCKETS]
        return next((e for e in self.k.hlist_for_each_entry_rcu(bucket, "node") if e.addr == addr), None)

    async def br_fdb_learn(self, br: Any, addr: int, port: int) -> None:
        """Where an address is, for next time."""
        k = self.k
        await k.spin_lock_bh(br.hash_lock)
        with k.rcu_reader():
            known = self.fdb_find_rcu(addr)
        entry = None if known is not None else await k.kmalloc(self.fdb_entry, GFP_ATOMIC)
        if entry is not None:
            entry.addr, entry.port, entry.used = addr, port, k.jiffies
            k.hlist_add_head_rcu(entry.node, self.buckets[addr % BUCKETS])
        await k.spin_unlock_bh(br.hash_lock)

    async def br_handle_frame(self, br: Any, addr: int, port: int) -> None:
        """One packet."""
        k = self.k
        k.rcu_read_lock()
        entry = self.fdb_find_rcu(addr)
        if entry is not None:
            k.WRITE_ONCE(entry, "used", k.jiffies)
            await k.udelay(20)  # it is sent on
            assert entry.port == port
        k.rcu_read_unlock()
        if entry is None:
            await self.br_fdb_learn(br, addr, port)
        elif self.bug == "used_outside":
            await k.usleep_range(5 * self.pause_us, 5 * self.pause_us)
            assert entry.port == port

    async def receive(self, br: Any, first: int, packets: int, addresses: int) -> None:
        """A port receives packets."""
        for number in range(packets):
            addr = (first + number * number) % addresses
            await self.br_handle_frame(br, addr, 7 * addr)
            await self.k.usleep_range(self.pause_us, self.pause_us)


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"nr_cpus": "2"})
async def fdb_gc(
    k: Kernel,
    packets: int = 30,
    addresses: int = 6,
    ageing_jiffies: int = 5,
    pause_us: int = 6_000,
    bug: Literal["none", "used_outside", "no_cancel"] = "none",
) -> None:
    bridge = Bridge(k, pause_us, bug)
    br = await k.kzalloc(bridge.net_bridge)
    if br is None:
        return
    br.ageing_time, br.rounds = ageing_jiffies, packets * 4
    await k.queue_delayed_work(k.system_long_wq, br.gc_work, br.ageing_time)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(bridge.receive, br, 1, packets, addresses, cpu=1)
        await bridge.receive(br, 0, packets, addresses)
    if bug != "no_cancel":
        await k.cancel_delayed_work_sync(br.gc_work)
    await k.spin_lock_bh(br.hash_lock)
    await bridge.take_out()
    await k.spin_unlock_bh(br.hash_lock)
    await k.kfree(br)


if __name__ == "__main__":
    script(fdb_gc)
