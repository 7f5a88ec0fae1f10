"""What differs between kernel versions in RCU: values that an era picks (eras/). Source: kernel/rcu/tree.c."""

from __future__ import annotations

import attrs

from ..context.locks import LockKind
from ..kernel.workqueue.workqueue import NO_FLAGS, WqFlags
from .exp_drivers import ExpeditedDriver, OnWorkqueue


@attrs.frozen(kw_only=True)
class RcuRules:
    """One version's. The defaults are v5.9's."""

    segments_are_counted: bool = False
    """struct rcu_segcblist counts the callbacks of each segment, and rcu_do_batch() looks at that (commit
    ae5c2341ed39, v5.12)."""
    one_cpu_needs_no_grace_period: bool = True
    """Without preemption synchronize_rcu() returns at once on a machine of one CPU (rcu_blocking_is_gp()). From v6.1 on
    it waits as soon as the scheduler runs ("rcu: Disable run-time single-CPU grace-period optimization")."""
    deboosting_needs_irq_work: bool = False
    """A reader that was switched out ends with interrupts off, on a kernel with RCU_BOOST (PREEMPT_RT): an irq_work
    has the scheduler look once they are on (kernel/rcu/tree_plugin.h, rcu_read_unlock_special(), `expboost`)."""
    deferral_ends_with_report: bool = False
    """That irq_work is not queued again before the deferred quiescent state was reported (commit b41642c87716, in
    v6.18, and in stable 6.12 by 6.12.94); before, its handler made room for the next, which its own end might queue."""
    defer_qs_iw_initialised_anew: bool = True
    """It is initialised whenever it is queued (kernel/rcu/tree_plugin.h, rcu_read_unlock_special()), until commit
    61399e0c5410 (in v6.18.2, and in stable 6.12 by 6.12.94). That harms where a report makes room for the next while it
    is queued still."""
    bh_between_callbacks: bool = False
    """A thread that invokes callbacks has bottom halves on between two of them (rcu_do_batch(), where it is not in a
    softirq), as 6.1.192 was seen to do; before, only those of offloaded CPUs."""
    stall_names_online_cpus: bool = False
    """Stall reports end in " ncpus=2)" (kernel/rcu/tree_stall.h)."""
    double_freed_cb_warns: bool = True
    """A second call_rcu() of a head is a WARN_ONCE() (kernel/rcu/tree.c); else a line of the log (pr_err()), beside the
    warnings of debug objects."""
    double_freed_cb: str = "__call_rcu()"
    """How the kernel begins to tell of a second call_rcu() of a head, with debug objects: a WARN_ONCE() in
    __call_rcu(), from v5.12 on a pr_err() with what the head lies in (commit b4b7914a6a73), recorded on 6.1.192."""
    polled_functions: bool = False
    """There are poll_state_synchronize_rcu() (commit 7abb18bd7567, v5.13) and what belongs to it, the full form
    included (91a967fd6934, v6.1), and a one-word cookie is of gp_seq_polled. Before, get_state_synchronize_rcu() and
    cond_synchronize_rcu(), which are all that there is, go by rcu_state.gp_seq."""
    cookies_from_root: bool = True
    """A full cookie is taken of the root rcu_node's gp_seq; since commit 85aad7cc4178 (in stable 6.12, and in v6.18) of
    rcu_state.gp_seq, which says earlier that a grace period has begun."""
    done_exact_guard: int = 7
    """How far a counter may be behind a cookie and not have wrapped (rcu_seq_done_exact()): 2 * 3 + 1; since commit
    85aad7cc4178 3 * 3 + 1, for the root may lag now; in v6.18 two grace periods, 8."""
    start_poll_wants_irqs: bool = True
    """start_poll_synchronize_rcu_common() demands that interrupts be on; not in v6.18."""
    wakes_from_gp_up_to: int | None = None
    """On how many CPUs the grace-period kthread itself wakes who waits in synchronize_rcu(), unless that is said at
    boot (rcutree.rcu_normal_wake_from_gp; sr_normal.py); None: it never does. At v6.12 on none, in v6.18 on up to 16
    (WAKE_FROM_GP_CPU_THRESHOLD), in v7.3 always."""
    synchronize_rcu_flood: int = 0
    """At so many callers at once later ones queue callbacks (RCU_SR_NORMAL_LATCH_THR, 64 in v7.3); 0: at none."""
    full_cookies_prove_synchronize_rcu: bool = False
    """Under PROVE_RCU each caller takes a full cookie (commit 5a562b8b3f5d, "rcu: Use _full() API to debug").
    A one-word cookie may miss a grace period that an expedited one overlaps, and the kernel warns for nothing."""
    sync_wq: WqFlags = NO_FLAGS
    """Of the workqueue sync_wq, besides WQ_MEM_RECLAIM: unbound in v6.18, not at v6.12."""
    incoming_cpu_warns: bool = False
    """A grace period that waits for a CPU which only now comes is a WARN_ON_ONCE() (rcu_cpu_starting(), v5.11)."""
    cpu_starting: str = "rcu_cpu_starting"
    """What that function is called: since v6.7 rcutree_report_cpu_starting()."""
    dying_says_it_wrong: bool = True
    """rcutree_dying_cpu() traces "cpuofl-bgp" of a CPU that nobody waits for, and "cpuofl" of another; not in v6.1."""
    early_boot_counts: bool = False
    """A grace period that is none, of early boot (rcu_blocking_is_gp()), advances the counters all the same, for those
    who poll (v6.1, kernel/rcu/tree.c, synchronize_rcu())."""
    expedited_driver: type[ExpeditedDriver] = OnWorkqueue
    """Who drives an expedited grace period: a work, or a thread of its own (kernel/rcu/tree_exp.h; exp_drivers.py)."""
    exp_forgets_own_cpu: bool = True
    """A CPU that is to be interrupted, and on which who drives the grace period has come to run meanwhile, is passed by
    and never reported: the grace period does not end (commit 81f6d49cce2d, v5.17)."""
    exp_tasks_at_reset: bool = False
    """Readers that are switched out are waited for as soon as the CPUs are (sync_exp_reset_tree(), so in v6.18), not
    when their leaf is looked through: a CPU that answered early could have ended it without them."""
    exp_handler_sees_preempt_count: bool = False
    """Without preemptible RCU the interrupt of an expedited grace period is answered at once where it has found
    preemption and bottom halves on; before, on an idle CPU only (kernel/rcu/tree_exp.h, rcu_exp_handler(): so at v6.1,
    not so at v5.11)."""
    exp_stall_timeout: bool = False
    """An expedited stall is told after a time of its own (rcu_exp_jiffies_till_stall_check(), kernel/rcu/tree_stall.h:
    at v6.1, not at v5.11)."""
    blocking_might_sleep: bool = False
    """synchronize_rcu() says first that it might sleep (rcu_blocking_is_gp(), kernel/rcu/tree.c: at v6.6, not at v6.1);
    before, what it waits in does."""
    srcu_usage: str = "ssp"
    """What holds an srcu_struct's locks, as lockdep names them: itself; from v6.4 on "ssp->srcu_sup"."""
    srcu_is_in_the_graph: bool = False
    """A reader of an srcu_struct is a dependency, and synchronize_srcu() is checked against it before anything else
    (commit f0f44752f5f6, v6.4); before, nothing but that check knew of readers."""
    srcu_callbacks_on_boot_cpu: bool = False
    """Callbacks of an srcu_struct that is not contended are in the boot CPU's list (SRCU_SIZE_SMALL,
    kernel/rcu/srcutree.c: at v6.1, not at v5.11)."""
    srcu_looks_less_often: bool = False
    """Who waits for readers of an srcu_struct looks a jiffy later for each that it has waited, up to ten
    (srcu_get_delay(), kernel/rcu/srcutree.c: at v6.1, not at v5.11); before, after each jiffy, or at once."""
    unlock_tells_lockdep_first: bool = False
    """rcu_read_unlock() tells lockdep of its end before it counts (include/linux/rcupdate.h: at v6.12, not at v6.6)."""
    srcu_lock_kind: LockKind = LockKind.SPINLOCK
    """SRCU's locks: raw ones in v7.3, so that call_srcu() may be called with preemption off on PREEMPT_RT, too ("srcu:
    Use raw spinlocks", merged for v7.0)."""
    srcu_queues_by_irq_work: bool = False
    """call_srcu() leaves it to an irq_work to queue the work that drives a grace period, as its caller may hold the
    scheduler's locks (commit 7c405fb3279b, merged for v7.0); before, it queued it with its own lock held."""
    aux_stacks_allocate: bool = True
    """KASAN's stack of who calls call_rcu(), and kvfree_rcu(), may bring memory for the stack depot with it, whatever
    the caller holds (until commit 300c0c5e7218, v5.17; mm/kasan_aux.py)."""
    tasks_trace_wakes_by_irq_work: bool = False
    """call_rcu_tasks_trace() has an irq_work wake the thread that sees to it: so at v6.1, not at v5.11, which takes a
    wait queue's lock (kernel/rcu/tasks.h)."""
    tasks_trace_is_srcu: bool = False
    """RCU Tasks Trace is an srcu_struct (commit c27cea4416a3, merged for v7.0)."""
    lazy_callbacks: bool = False
    """There is CONFIG_RCU_LAZY, and call_rcu_hurry() (commits 3cb278e73be5 and 7651d6b25086, v6.2)."""
    nocb_toggles_offline: bool = False
    """CPUs are (de-)offloaded while they are offline, behind an rcu_barrier() (commit 1fcb932c8b5c, v6.12)."""
    nocb_parks_with_callbacks: bool = False
    """A thread that invokes offloaded callbacks parks when it is told to, whatever it has: an rcu_barrier() that has
    slipped in between its last callback and its count is never done (until commit 2996980e20b7)."""
