"""Bugs of the kernel that the model has, as a table of docs/kernel-bugs.md: each with the versions, and the test of it.

Which versions have one is read off their rules. One that none of them has is shown on a neighbour: a version with one
rule changed, in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from rcuactors.context.locks import LockKind
from rcuactors.eras import ERAS
from rcuactors.kvfree.parts.arming import TodoFlag
from rcuactors.kvfree.parts.batching import by_channel
from rcuactors.kvfree.parts.counting import loose
from rcuactors.kvfree.parts.one_argument import ALLOCATES
from rcuactors.kvfree.parts.recycling import to_current_cpu
from rcuactors.kvfree.parts.shrinker import cache_and_queue_shrinker, queue_shrinker
from rcuactors.kvfree.parts.workqueue import system_unbound_wq
from rcuactors.mm.slab.rules import DestroyWaits, NolockContexts

ROOT = Path(__file__).resolve().parent.parent.parent

Row = tuple[str, ...]
Rules = Any

TIME, ONE, SOME, RANDOM = (
    "in order of time",
    "one decision",
    "two decisions",
    "the first decisions of a random run",
)
"""How the schedule on which it happens is written down in the test."""


@attrs.frozen
class Bug:
    """`commit` mends it; `has` says by a version's rules whether that has it, or on which neighbour it is shown."""

    commit: str
    what: str
    has: Callable[[Rules], object] | str
    schedule: str
    test: str

    def versions(self) -> str:
        """Those that have it."""
        if isinstance(self.has, str):
            return self.has
        return ", ".join(name for name, era in ERAS.items() if self.has(era.rules))


def _worker_fills(rules: Rules) -> bool:
    """The cache is filled by a worker (commit 56292e8609e3)."""
    return not rules.kvfree.boot_prefill


UPSTREAM, LATER = "tests/kvfree/test_upstream_bugs.py", "tests/kvfree/test_later_bugs.py"
SNAPSHOTS, SHEAVES = "tests/kvfree/test_snapshots.py", "tests/mm/slab/test_sheaf_bugs.py"
RCU, WORKQUEUE = "tests/rcu/test_upstream_bugs.py", "tests/kernel/workqueue/test_versions.py"
HRTIMERS = "tests/kernel/hotplug/test_hrtimers.py"

BUGS = (
    Bug(
        "5da7cb193db3",
        "an object joins a batch that waits for an older grace period, and is freed under a reader",
        lambda r: r.kvfree.batching is by_channel,
        TIME,
        "tests/kvfree/test_composed.py",
    ),
    Bug(
        "85aad7cc4178",
        "a cookie from the root node names a grace period too early; kvfree_rcu() frees by it under a reader",
        lambda r: r.rcu.cookies_from_root and r.kvfree.snapshots is not None,
        ONE,
        RCU,
    ),
    Bug(
        "594aa5975b9b", "what a monitor had to leave is never freed", "v5.11, its monitor not repeated", TIME, UPSTREAM
    ),
    Bug(
        "d434c00fa3d6",
        "blocks filled before the scheduler runs get no monitor",
        lambda r: r.kvfree.boot_prefill and issubclass(r.kvfree.arming, TodoFlag),
        TIME,
        "tests/kvfree/test_boot.py",
    ),
    Bug(
        "56292e8609e3",
        "a page is asked for under krcp->lock; a drained one goes to the CPU that drains",
        lambda r: r.kvfree.recycling is to_current_cpu,
        TIME,
        UPSTREAM,
    ),
    Bug(
        "ee6ddf58475c",
        "the refill's worker invokes the OOM killer",
        lambda r: _worker_fills(r) and not r.kvfree.refill.ends_at_failure,
        TIME,
        UPSTREAM,
    ),
    Bug(
        "d0bfa8b3c411",
        "cached pages are kept when memory is short, and refilled at once",
        lambda r: _worker_fills(r) and r.kvfree.shrinker is queue_shrinker,
        TIME,
        "tests/kvfree/test_shrinker.py",
    ),
    Bug(
        "4c33464ae85e",
        "waste: the shrinker is told of too few objects",
        lambda r: r.kvfree.counting is loose,
        TIME,
        UPSTREAM,
    ),
    Bug(
        "309a43165077",
        "waste: a caller that moves puts its page into another CPU's lists",
        lambda r: r.kvfree.one_argument == ALLOCATES,
        RANDOM,
        LATER,
    ),
    Bug(
        "60888b77a06e",
        "waste: a refill takes pages that come back meanwhile",
        lambda r: _worker_fills(r) and not r.kvfree.refill.starts_at_cached,
        TIME,
        LATER,
    ),
    Bug(
        "021a5ff84743",
        "waste: a worker is woken for a cache that is off",
        lambda r: _worker_fills(r) and r.kvfree.refill.asks_without_cache,
        TIME,
        LATER,
    ),
    Bug(
        "6b706e5603c4",
        "waste: the lock of a cache that is off is taken",
        lambda r: r.kvfree.shrinker is cache_and_queue_shrinker,
        TIME,
        LATER,
    ),
    Bug(
        "a23da88c6c80",
        "the monitor comes in 5 s where a jiffy was wanted",
        lambda r: r.kvfree.draining is not None and not r.kvfree.draining.locked_again,
        SOME,
        LATER,
    ),
    Bug(
        "1e237994d9c9",
        "debug objects take a leaked object for one that is queued nowhere",
        "v6.6, told first, with batches by channel",
        TIME,
        SNAPSHOTS,
    ),
    Bug(
        "6c6c47b063b5",
        "a cache is destroyed while kvfree_rcu() has objects of it",
        lambda r: r.mm.destroy_waits is DestroyWaits.NOTHING,
        TIME,
        "tests/mm/slab/test_kmem_cache.py",
    ),
    Bug(
        "dfd3df31c9db",
        "the barrier, called under memory reclaim, flushes works that have no rescuer",
        lambda r: r.kvfree.workqueue is system_unbound_wq,
        TIME,
        "tests/kvfree/test_barrier.py",
    ),
    Bug(
        "3bc999d944b3",
        "kfree_rcu() in an NMI waits for krcp->lock, which what it has interrupted holds",
        lambda r: not r.mm.kfree_rcu_nolock,
        TIME,
        SHEAVES,
    ),
    Bug(
        "b55b423e8518",
        "the barrier on a cache does not wait for the sheaves that it has flushed",
        "v7.3, without that",
        TIME,
        SHEAVES,
    ),
    Bug(
        "67ea9d353d0b",
        "the barrier on a cache comes back early when a CPU goes meanwhile",
        "v7.3, with hotplug not held off",
        ONE,
        SHEAVES,
    ),
    Bug(
        "48647d3f9a64",
        "a flush of sheaves fails in silence: a cache is destroyed with objects (PREEMPT_RT; merged by 9a881ea3da16)",
        lambda r: r.mm.sheaves is not None and not r.mm.sheaves.flush_takes_lock,
        ONE,
        SHEAVES,
    ),
    Bug(
        "f8b4cd2dad09",
        "a false report: a sheaf's locks under the caller's raw lock",
        lambda r: r.mm.sheaves is not None and not r.mm.sheaves.override_map,
        TIME,
        SHEAVES,
    ),
    Bug(
        "99a3e3a1cfc9",
        "kmalloc_nolock() sleeps with preemption off (PREEMPT_RT)",
        lambda r: r.mm.kmalloc_nolock is NolockContexts.NOT_IN_IRQ,
        TIME,
        SHEAVES,
    ),
    Bug("c379b745e12a", "kmalloc_nolock() with debugging goes on for ever", "v6.18, trying again", TIME, SHEAVES),
    Bug(
        "b41642c87716",
        "rcu_read_unlock() at the end of an interrupt asks for the next interrupt, without end",
        lambda r: not r.rcu.deferral_ends_with_report,
        TIME,
        RCU,
    ),
    Bug(
        "61399e0c5410",
        "an irq_work that waits for a tick is initialised anew, and the list of irq_works becomes a ring",
        "v6.12, initialised whenever it is queued",
        TIME,
        RCU,
    ),
    Bug(
        "2996980e20b7",
        "rcu_barrier() misses callbacks of a CPU that is de-offloaded",
        lambda r: r.rcu.nocb_parks_with_callbacks,
        TIME,
        "tests/rcu/test_nocb.py",
    ),
    Bug(
        "7c405fb3279b",
        "call_srcu() under the scheduler's locks queues a work",
        lambda r: not r.rcu.srcu_queues_by_irq_work,
        TIME,
        "tests/rcu/test_srcu_lockdep.py",
    ),
    Bug(
        "5c0930ccaad5",
        "a timer that is left on a dying CPU has cpu_down() wait for ever",
        lambda r: not r.kernel.hrtimers_leave_dying_cpus,
        TIME,
        HRTIMERS,
    ),
    Bug(
        "53dac345395c",
        "an hrtimer that is started on a CPU whose hrtimers have left is lost (dad6a09f3148 warns)",
        lambda r: r.kernel.hrtimers_leave_dying_cpus and not r.kernel.offline_hrtimers_move,
        TIME,
        HRTIMERS,
    ),
    Bug(
        "1ace9bac1ad2",
        "call_rcu_tasks_trace() in an NMI waits for the lock that the same call, which it has interrupted, holds",
        "all; mended in who calls it",
        TIME,
        "tests/rcu/test_tasks_trace.py",
    ),
    Bug(
        "3063b33a347c",
        "call_rcu_tasks_trace() takes a wait queue's spinlock_t under its caller's raw lock",
        lambda r: not r.rcu.tasks_trace_wakes_by_irq_work,
        TIME,
        "tests/rcu/test_tasks_trace.py",
    ),
    Bug(
        "300c0c5e7218",
        "with KASAN call_rcu() may ask for pages for the stack depot, under the caller's raw lock",
        lambda r: r.rcu.aux_stacks_allocate,
        TIME,
        "tests/mm/test_kasan_aux.py",
    ),
    Bug(
        "78564b943487",
        "with KASAN call_rcu() of a stack that is new takes a spinlock_t, under the caller's raw lock",
        lambda r: r.mm.depot_lock is LockKind.SPINLOCK,
        TIME,
        "tests/mm/test_kasan_aux.py",
    ),
    Bug(
        "c0feea594e05",
        "a missed report: cancel_work_sync() does not tell lockdep of the work",
        lambda r: not r.kernel.cancel_tells_lockdep,
        TIME,
        WORKQUEUE,
    ),
    Bug(
        "de35994ecd2d",
        "a false report: a cancel is taken for a flush of a work without rescuer",
        lambda r: r.kernel.cancel_checks_dependency,
        TIME,
        WORKQUEUE,
    ),
    Bug(
        "89038cc87d80",
        "rt_spin_unlock() leaves its read-side section before it lets go of a lock in an object that is freed",
        "all (PREEMPT_RT); mended on a neighbour of v7.3",
        TIME,
        "tests/kernel/locking/test_lock_in_freed_memory.py",
    ),
)


def upstream_bugs(markdown: Callable[[Row, Iterable[Row]], str]) -> str:
    """The table."""
    rows = [(f"`{bug.commit}`", bug.what, bug.versions(), bug.schedule, f"`{bug.test}`") for bug in BUGS]
    return markdown(("mended by", "what goes wrong", "on", "schedule", "test"), rows)
