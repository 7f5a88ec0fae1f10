"""slab_and_vmalloc: objects from kmalloc() and areas from vmalloc(), mixed, each kind in blocks of its own.

Slab objects go to kfree_bulk() a block at a time, vmalloc areas to vfree() one by one, in that order; a
block never holds both.

* v5.9 takes two pages in the caller's context once its two prefilled ones are gone: here the caches are
  cold, so "Invalid wait context" with PROVE_RAW_LOCK_NESTING. On PREEMPT_RT both kinds share the rcu_head
  list; with --design direct it takes pages there, too: "sleeping function".
* v5.11 is clean everywhere.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def slab_and_vmalloc(k: Kernel, objects: int = 600) -> None:
    pointers = [await (k.vmalloc(4096) if index % 3 == 0 else k.kmalloc(192)) for index in range(objects)]
    await k.cold_caches()
    for p in pointers:
        await k.kvfree_rcu(p, "rcu")


if __name__ == "__main__":
    script(slab_and_vmalloc)
