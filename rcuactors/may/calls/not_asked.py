"""What of the API cannot be asked for, and why. What ends a section is asked for by what begins it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_RIG: Final = "is the model's own and no function of the kernel: for scenarios, to look at the machine or to set it up"
_BLOCK: Final = "is a block of Python: ask for the function that it begins with"
_MADE: Final = "declares something, which no code runs for"
_TYPE: Final = "is the type of a member of an object, in a scenario"
_SYSTEM_CALL: Final = "is what user space does, in a system call: it is only ever made in process context"
_SAYS_ITSELF: Final = "says itself where it is right: where that lock is held"
_READER: Final = "may be called by a reader of just that kind only, and no context of `may` is one"
_QUEUE: Final = "is a workqueue, to be given to queue_work()"

_BY_REASON: Final = {
    _RIG: "machine cached_pages cold_caches deref drain_local_pages has jiffies kthread_join now "
    "min_wmark_pages nr_free_pages pcp_count raise_irq raise_nmi reinit set_cached_pages write_once "
    "this_rq_lock zone_lock zone_lock_irqsave zone_unlock_irqrestore kfree_rcu_batch_init rcu_scheduler_running "
    "online_cpus module_text PREEMPT_RT",
    _BLOCK: "open_nursery rcu_reader rcu_trace_reader srcu_reader cpus_read_locked stack_frame",
    _MADE: "atomic64_t atomic_long_t atomic_notifier_head atomic_t blocking_notifier_head completion declare_work "
    "define_per_cpu delayed_work hlist_head hlist_node hrtimer irq_work kref list_head local_lock_t lock_init mutex "
    "notifier_block raw_spinlock rcu_head rcu_work refcount_t rt_mutex rwlock rwsem seqcount_mutex "
    "seqcount_raw_spinlock seqcount_rwlock seqcount_spinlock seqcount_t seqlock_t spinlock srcu_struct struct "
    "wait_queue_head work",
    _TYPE: "delayed_work_struct hrtimer_list irq_work_struct rcu_work_struct tasklet_struct timer_list work_struct",
    _SYSTEM_CALL: "delete_module drop_slab load_module read_file user_exit user_process",
    _SAYS_ITSELF: "lockdep_assert_held lockdep_assert_held_read lockdep_assert_held_write",
    _READER: "rcu_dereference_trace srcu_dereference srcu_dereference_check",
    _QUEUE: "system_dfl_wq system_highpri_wq system_long_wq system_percpu_wq system_unbound_wq system_wq",
    "never comes back, and is legal wherever there is no going on": "BUG",
    "is spin_lock() as far as contexts go: ask for that": "spin_lock_nest_lock",
    "only writes the thread's own state: ask for schedule(), or for wait_event()": "set_current_state",
    "sleeps only if the thread that it moves runs where it must not: ask for wait_for_completion(), which that is": (
        "set_cpus_allowed set_cpus_allowed_ptr"
    ),
    "is mutex_lock() as far as contexts go: ask for that": (
        "mutex_lock_interruptible mutex_lock_killable mutex_lock_io down down_interruptible down_killable"
    ),
    "is down_read() as far as contexts go: ask for that": "down_read_interruptible down_read_killable mmap_read_lock",
    "is down_write() as far as contexts go: ask for that": "down_write_killable mmap_write_lock",
    "may fault, and a fault may sleep: ask for might_sleep()": "copy_from_user copy_to_user get_user put_user",
    "goes through the CPUs' numbers, and is legal everywhere": "for_each_online_cpu for_each_possible_cpu",
}

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {name: reason for reason, names in _BY_REASON.items() for name in names.split()}
)
"""By the name of a function of the API."""

ENDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rcu_unexpedite_gp": "rcu_expedite_gp",
        "put_cpu": "get_cpu",
        "put_cpu_ptr": "get_cpu_ptr",
        "tasklet_enable": "tasklet_disable",
        "preempt_enable": "preempt_disable",
        "migrate_enable": "migrate_disable",
        "local_irq_enable": "local_irq_disable",
        "local_irq_restore": "local_irq_save",
        "local_bh_enable": "local_bh_disable",
        "up_read": "down_read",
        "up_write": "down_write",
        "write_seqcount_end": "write_seqcount_begin",
    }
)
"""What ends a section, by the name of that, and what begins it. Of locks: see `begins`."""


def begins(name: str, known: Mapping[str, object]) -> str:
    """What begins the section that the function of this name ends, such as spin_lock for spin_unlock; or empty."""
    if name in ENDS:
        return ENDS[name]
    lock = name.replace("_sequnlock", "_seqlock").replace("_unlock", "_lock").replace("_irqrestore", "_irqsave")
    return lock if lock != name and lock in known else ""
