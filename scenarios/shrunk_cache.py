"""shrunk_cache: a cache of objects with references, from which a shrinker takes what it finds, as a file system has it.

After fs/mbcache.c: entries are found in a hash list under RCU, with a reference taken of each; they stand in an LRU
list, too, from where reclaim takes them. Who takes one out of both lists puts the lists' own reference, and the last
one goes to kfree_rcu().

* Clean, on every kernel from v5.11 on. v5.9 allocates in kfree_rcu() with a raw lock held, and here there is little
  memory: an invalid wait context is reported with PROVE_RAW_LOCK_NESTING, and by the direct form a sleeping function on
  PREEMPT_RT.
* `bug=refcount_inc`: a reader takes a reference without asking whether there is one left. Reported as refcount, and
  what it then has is freed: use-after-free.
* `bug=alloc_under_lock`: an entry is allocated with GFP_KERNEL under the mutex that the shrinker takes, so that reclaim
  waits for itself. Reported as circular-locking, before that happens.
"""

from typing import Any, Literal

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


class MbCache:
    """The cache: looking up, making, and letting go."""

    def __init__(self, k: Kernel, bug: str) -> None:
        self.k, self.bug = k, bug
        self.mb_entry = k.struct(
            "mb_entry", size=96, key=0, ref=k.kref, node=k.hlist_node, lru=k.list_head, rcu=k.rcu_head
        )
        self.table, self.lru, self.lock = k.hlist_head("c_hash"), k.list_head("c_list"), k.mutex("c_lock")
        self.entries = k.atomic_t("c_entry_count")

    async def release(self, entry: Any) -> None:
        """The last reference is gone."""
        await self.k.kfree_rcu(entry, "rcu")

    async def get(self, key: int) -> Any:
        """An entry of that key, with a reference; None if there is none."""
        k, found = self.k, None
        with k.rcu_reader():
            entry = next((e for e in k.hlist_for_each_entry_rcu(self.table, "node") if e.key == key), None)
            if entry is not None:
                await k.udelay(30)  # it is looked at
                if self.bug == "refcount_inc":
                    k.kref_get(entry.ref)
                    found = entry
                elif k.kref_get_unless_zero(entry.ref):
                    found = entry
        return found

    async def create(self, key: int) -> None:
        """A new entry of that key."""
        k, new = self.k, None
        if self.bug != "alloc_under_lock":
            new = await k.kzalloc(self.mb_entry)
        await k.mutex_lock(self.lock)
        if self.bug == "alloc_under_lock":
            new = await k.kzalloc(self.mb_entry)
        if new is not None:
            new.key = key
            k.kref_init(new.ref)
            k.hlist_add_head_rcu(new.node, self.table)
            k.list_add_tail(new.lru, self.lru)
            k.atomic_inc(self.entries)
        await k.mutex_unlock(self.lock)

    async def count_objects(self) -> int:
        """The shrinker asks."""
        return self.k.atomic_read(self.entries)

    async def scan_objects(self, nr_to_scan: int) -> int:
        """The shrinker takes so many."""
        k, freed = self.k, 0
        await k.mutex_lock(self.lock)
        while freed < nr_to_scan and not k.list_empty(self.lru):
            entry = k.list_first_entry(self.lru, "lru")
            k.list_del_init(entry.lru)
            k.hlist_del_init_rcu(entry.node)
            k.atomic_dec(self.entries)
            await k.kref_put(entry.ref, self.release)
            freed += 1
        await k.mutex_unlock(self.lock)
        return freed

    async def use(self, rounds: int, keys: int) -> None:
        """Somebody looks entries up, or makes them."""
        k = self.k
        for number in range(rounds):
            entry = await self.get(number % keys)
            if entry is None:
                await self.create(number % keys)
            else:
                await k.usleep_range(300, 400)
                assert entry.key == number % keys
                await k.kref_put(entry.ref, self.release)
            await k.usleep_range(50, 60)


async def drop_caches(k: Kernel, rounds: int) -> None:
    for _ in range(rounds):
        await k.usleep_range(170, 180)
        await k.drop_slab()


async def memory_is_short(k: Kernel, file_pages: int) -> None:
    await k.read_file(8)
    await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
    await k.read_file(file_pages)
    await k.user_exit("hog")


@scenario(
    expect={
        "v5.9": CLEAN | {"prove": "invalid-wait-context"},
        "v5.9 direct": CLEAN | {"prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": CLEAN,
    },
    settings={"nr_cpus": "2", "mem": "4M"},
)
async def shrunk_cache(
    k: Kernel,
    rounds: int = 12,
    keys: int = 4,
    file_pages: int = 400,
    bug: Literal["none", "refcount_inc", "alloc_under_lock"] = "none",
) -> None:
    cache = MbCache(k, bug)
    shrinker = await k.register_shrinker("mb_cache", cache.count_objects, cache.scan_objects)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(cache.use, rounds, keys, cpu=1)
        await nursery.start_soon(drop_caches, k, rounds, cpu=0)
        await cache.use(rounds, keys)
    await cache.use(rounds, keys)
    await memory_is_short(k, file_pages)
    await k.unregister_shrinker(shrinker)
    await cache.scan_objects(1_000_000)


if __name__ == "__main__":
    script(shrunk_cache)
