"""What differs between versions in caches and sheaves: values of which a version picks.

Sources: mm/slab_common.c and mm/slub.c at v6.6, v6.12, v6.18 and 3bc999d944b3 (7.3).
"""

from __future__ import annotations

import enum

import attrs


class DestroyWaits(enum.Enum):
    """What kmem_cache_destroy() waits for before it looks for objects."""

    NOTHING = "nothing: who frees by kvfree_rcu() has to see to it"
    KVFREE_RCU_BARRIER = "kvfree_rcu_barrier() (commit 6c6c47b063b5, v6.12)"
    ON_CACHE = "kvfree_rcu_barrier_on_cache() (commit 0f35040de593, after v6.18)"


class SheavesOnRt(enum.Enum):
    """What kvfree_call_rcu() does about sheaves on PREEMPT_RT, where their locks sleep."""

    PASSED_BY = "nothing goes into a sheaf"
    TRIED = "every lock is only tried (commit 2a8bb29ec9b2, 7.3)"


class NolockContexts(enum.Enum):
    """Where kmalloc_nolock() returns NULL at once on PREEMPT_RT. Elsewhere it may be called anywhere, NMI included."""

    NOT_IN_IRQ = "in NMI and hardirq; with preemption off it takes sleeping locks (v6.18)"
    PREEMPTIBLE = "wherever the caller is not preemptible (commits 99a3e3a1cfc9, a4ae75d1b6a2)"
    TRYLOCKS = "in NMI and hardirq; every lock is only tried (7.0)"


@attrs.frozen(kw_only=True)
class SheafRules:
    """A version's sheaves. The defaults are those of 3bc999d944b3."""

    every_cache: bool = True
    """Every cache has them (7.0); else those that ask for a capacity when they are made (v6.18)."""
    come_first: bool = True
    """kmalloc() and kfree() go to the CPU's main sheaf before anything else; else only what kfree_rcu() has filled is
    given out, when the CPU's slab has nothing left: so the designs that are compared on older versions."""
    waiting_is_told: bool = False
    """What waits in a partly filled sheaf when the machine is idle is reported as never freed: so of a design that is
    debated. Of a version's own it is known, and no fault of the scenario; `slab.sheaves.retired` counts it."""
    on_rt: SheavesOnRt = SheavesOnRt.TRIED
    """What becomes of kfree_rcu() on PREEMPT_RT (mm/slab_common.c, kvfree_call_rcu())."""
    override_map: bool = True
    """Lockdep is told to let a spinlock_t pass in __kfree_rcu_sheaf() (commit f8b4cd2dad09)."""
    flush_takes_lock: bool = True
    """A main sheaf is flushed with the CPU's lock taken; before commit 48647d3f9a64 it was tried, and what a task of
    PREEMPT_RT had locked stayed as it was."""
    on_cache_waits: bool = True
    """kvfree_rcu_barrier_on_cache() calls rcu_barrier() for the sheaves that it has flushed (commit b55b423e8518)."""
    on_cache_reads_cpus: bool = True
    """It holds off CPU hotplug meanwhile (commit 67ea9d353d0b)."""
    deferred_first: bool = True
    """It waits for the irq_work that hands objects on before it flushes sheaves (commit 3bc999d944b3)."""
    unused_goes_to_barn: bool = False
    """An empty sheaf for which there is no use goes into the barn, however many are there (v6.18); else it is freed."""
