"""What differs between kernel versions on this floor: values that an era picks (eras/)."""

from __future__ import annotations

import attrs


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
    activates_work_first: bool = True
    """__queue_work() tells debug objects of the work before it looks at it; later kernels do so in insert_work()
    (commit d812796eb390)."""
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
