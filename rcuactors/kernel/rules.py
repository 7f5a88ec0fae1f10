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
