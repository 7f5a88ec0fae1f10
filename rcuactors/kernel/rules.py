"""What differs between kernel versions on this floor: values that an era picks (eras/)."""

from __future__ import annotations

import attrs

from .debugobjects_pool import PoolRules


@attrs.frozen(kw_only=True)
class KernelRules:
    """One version's. The defaults are v5.9's."""

    irq_work_in_reader: bool = False
    """On PREEMPT_RT the thread irq_work/N runs its work inside a read-side section (kernel/irq_work.c,
    run_irq_workd())."""
    one_cpu_allowed_is_bound: bool = True
    """DEBUG_PREEMPT lets whoever has one CPU allowed ask which it is (nr_cpus_allowed == 1); later kernels ask for a
    thread that is bound, whose CPUs nobody can change (is_percpu_thread(), lib/smp_processor_id.c since commit
    570a752b7a9b)."""
    debug_irqflags: bool = False
    """local_irq_restore() looks whether interrupts are off, in a kernel with DEBUG_IRQFLAGS (commit 997acaf6b4b5 of
    January 2021, not in 5.11; include/linux/irqflags.h)."""
    exit_notes_preempt_count: bool = True
    """do_exit() prints a preempt_count that is not 0, and forgets it; later kernels do so for tasks that die of an oops
    only, and do_task_dead() finds it (commit 05ea0424f0e2 moved it to make_task_dead(), which 0e25498f8cd4 had made;
    kernel/exit.c: 5.9.4 and 5.11 have the one, 6.1.166 the other)."""
    exit_warns_of_irqs: bool = False
    """do_exit() begins with WARN_ON(irqs_disabled()) (commit 001c28e57187, in 6.1-stable since March 2023)."""
    exit_takes_locks: bool = False
    """do_exit() begins with &sighand->siglock (synchronize_group_exit()), and perf_event_exit_task() takes a mutex: as
    6.1.192 was seen to do. For older kernels nobody has looked at the mutex."""
    on_stack_warns_in: str = "__debug_object_init"
    """The function that says where debug objects lie (lookup_object_or_alloc() since commit 63a759694eed)."""
    add_timer_bugs: bool = True
    """add_timer() of a pending timer and mod_timer() of one without a function are a BUG(); later kernels warn of the
    first and ignore the second (commits 82ed6f7ef58f and d02e382cef06, which 6.1.192 has)."""
    debug_objects: PoolRules = attrs.field(factory=PoolRules)
    activates_work_first: bool = True
    """__queue_work() tells debug objects of the work before it looks at it; later kernels do so in insert_work()
    (commit d812796eb390)."""
    rt_section_ends_last: bool = False
    """On PREEMPT_RT a spinlock_t is let go before the read-side section ends that it is (rt_spin_unlock() and its kin,
    commit 89038cc87d80 of 2026, which no version here has); before, an object that was given to kfree_rcu() may be
    freed while a lock in it is let go."""
    cancel_tells_lockdep: bool = False
    """cancel_work_sync() and its kin take the work's lockdep map as flush_work() does; before, __flush_work() left it
    out for them (commit c0feea594e05, merged for v6.0 in September 2022, and into the stable trees of that time:
    5.10.228 has it, 5.9.4 and 5.11 have not)."""
    soft_lockup_is_told_once: bool = True
    """"BUG: soft lockup" is printed once, until the CPU has gone on (soft_watchdog_warn); later kernels print it again
    after another 20 s (watchdog_report_ts; kernel/watchdog.c: 5.9.4 and 5.11 have the one, 6.1.166 the other)."""
    pushes_tasks_off_dying_cpus: bool = False
    """A CPU that goes pushes threads away from when it is inactive, and waits until they have gone (balance_push(),
    sched_cpu_wait_empty(), commit 1cf12e08bc4d, merged for v5.11); before, they ran on until it died
    (migrate_tasks())."""
    cpu_down_runs_elsewhere: bool = False
    """cpu_down() is done by a work on the first other CPU (work_on_cpu(), commit 2b8272ff4a70, merged for v6.6, in
    6.1-stable), so that it cannot run on the CPU that goes."""
    hrtimers_leave_dying_cpus: bool = False
    """A CPU that goes sends its hrtimers away itself, with interrupts off (hrtimers_cpu_dying(), commit 5c0930ccaad5,
    merged for v6.7, in 6.1-stable); before, they were fetched from the dead CPU, late (hrtimers_dead_cpu())."""
    offline_hrtimers_are_told: bool = False
    """An hrtimer that is started on a CPU whose hrtimers have left is a WARN_ON_ONCE() in enqueue_hrtimer() (commit
    dad6a09f3148, merged for v6.8, in 6.1-stable)."""
    offline_hrtimers_move: bool = False
    """Such a timer is queued on another CPU (commit 53dac345395c, merged for v6.14, in the stable trees of then:
    6.1.166 and 6.12.94 have it, 6.6.80 and 6.12.0 have not)."""
    inactive_works: str = "delayed"
    """How show_pwq() calls works that wait for max_active: "delayed" in v5.9 and v5.11, "inactive" in 6.1
    (kernel/workqueue.c)."""
    idle_work_tells_lockdep: bool = True
    """flush_work() and cancel_work_sync() take the work's lockdep map whether there is something to wait for or not;
    later start_flush_work() takes it, of a work that is queued or runs, inside rcu_read_lock() (commit c35aea39d1e1 of
    v6.9)."""
    cancel_checks_dependency: bool = True
    """cancel_work_sync() of a work of a workqueue without WQ_MEM_RECLAIM is told as a flush is; not since commit
    de35994ecd2d of v6.13 (kernel/workqueue.c, check_flush_dependency(): in 6.6.80 and 6.12.94 too)."""
    leaks_are_compared: bool = False
    """process_one_work() compares what is held, and the depth of RCU readers, with what it was before the work, and
    says "workqueue leaked atomic, lock or RCU" (commit c35aea39d1e1; v6.9)."""
    cancel_disables_work: bool = False
    """cancel_work_sync() disables the work until it is over, and there is disable_work() (commits 86898fa6b8cd and
    f09b10b6f442 of v6.10). Before, it marked the work as being cancelled, and others waited for it."""
    destroying_is_told: bool = False
    """Whoever queues on a workqueue that is being destroyed, or was, is told by __queue_work(), and nothing is queued
    (__WQ_DESTROYING; commit 33e3f0a3358b of v6.3)."""
    cpu_intensive_by_itself: bool = False
    """A work that runs for cpu_intensive_thresh_us without sleeping counts no longer for its pool's concurrency
    (wq_worker_tick(); commit 616db8779b1e of v6.5)."""
    rescuer_name: str = "{}"
    """A rescuer's comm: its workqueue's name, later after "kworker/R-" (commit b6a46f7263bd of v6.6)."""
    workers_at_boot: int = 2
    """How many workers a CPU's pool of normal priority has when a scenario begins. Three are what lockups of 6.12.117
    show, and most of 6.1.192's, which a machine that has not slept in a work yet would not have."""
    bh_pools: bool = False
    """Every CPU has two more pools, those of BH workqueues, which the numbers of the others come after (commit
    4cb1ef64609f of v6.9)."""
    has_percpu_wq: bool = False
    """There are system_percpu_wq and system_dfl_wq beside system_wq and system_unbound_wq, each of the same name. So
    lockdep tells them apart by a number, whoever is used first having none: that the new ones were, 6.12.117 has shown
    (workqueue_init_early(); commit 128ea9f6ccfb of v6.17: 6.12.94 has it, 6.12.0 has not)."""
    schedules_on_percpu_wq: bool = False
    """schedule_work() and schedule_delayed_work() use system_percpu_wq (include/linux/workqueue.h: 6.18.44 does, and
    6.12.94 still uses system_wq)."""
    consoles_tell_lockdep: bool = True
    """A printk() on a live console takes the serial port's lock under lockdep's eyes, which objects in hardirq and
    under a raw lock; not since printk_legacy_allow_spinlock_enter() (kernel/printk/printk.c: 6.12.0 has it, 6.6.80 has
    not)."""
    printk_has_thread: bool = False
    """On PREEMPT_RT a thread of its own, pr/legacy, goes through what was printed (kernel/printk/printk.c,
    force_legacy_kthread(): 6.12.0 has it, 6.6.80 has not)."""
    syslog_line: int = 1024
    """With so many bytes dmesg reads the log (kernel/printk/printk.c, syslog_print_all()): CONSOLE_LOG_MAX, and
    PRINTK_MESSAGE_MAX, which is 2,048, since v6.3 (6.6.80 has it, 6.1.166 has not)."""
    woken_preempts_spinner: bool = True
    """Who has spun for a turn gives way to an equal that is woken (CFS, wakeup_preempt_entity()); EEVDF lets it go on
    until its turn is over (commit 147f3efaa241 of v6.6; RUN_TO_PARITY)."""
    pwq_shows_limit: bool = True
    """show_pwq() prints "active=1/256"; from v6.9 on the limit is no pwq's, and left out (kernel/workqueue.c, 6.6.80
    and 6.12.0)."""
    lockup_shows_running: bool = False
    """"BUG: workqueue lockup" ends with the stacks of the stalled pools' workers that run (commit cd2440d66fec of
    v6.4)."""
    tasks_tell_tgid: bool = False
    """sched_show_task() prints the thread group (6.12.0 does, 6.6.80 does not)."""
    tasks_tell_flags: bool = False
    """And the task's flags (6.18 does, 6.12.94 does not)."""
    idle_state_is_told: bool = False
    """When a handler on the idle thread's stack has slept for a time, schedule_idle() finds that thread in the state of
    a sleeper, and warns of it once. 6.12.117 was seen to, 6.1.192 not, though both look."""
    lazy_preemption: bool = False
    """There is PREEMPT_LAZY (commit 7c70cb94d29c of v6.13)."""
    fair_server: bool = False
    """Threads that are not real-time get 50 ms of each second of a CPU that a real-time thread hogs (commits
    557a6bfc662c and a110a81c52a9 of v6.12; kernel/sched/deadline.c, fair_server)."""
    timer_migration: bool = False
    """Timers of an idle CPU that are not pinned may be expired by another one (commit 7ee988770326 of v6.9)."""
    msleep_adds_jiffy: bool = True
    """msleep() sleeps for a jiffy more than it is told; not since commit 4381b895f544 of v6.12."""
    timers_shut_down: bool = False
    """There is timer_shutdown() (kernel/time/timer.c, v6.2; 6.1.166 has it, 6.1.0 has not)."""
    bh_lock_is_optional: bool = False
    """PREEMPT_RT: bottom halves off is a lock of the CPU only with PREEMPT_RT_NEEDS_BH_LOCK (commit 3253cb49cbad of
    v6.18)."""
    timers_have_own_thread: bool = True
    """PREEMPT_RT: the softirqs of timers are for a real-time thread ktimers/N. So the patches of 6.1-rt have it, and
    the mainline since commit 49a17639508c of v6.13; 6.12's ksoftirqd serves them (kernel/softirq.c)."""
