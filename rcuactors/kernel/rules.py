"""What differs between kernel versions on this floor: values that an era picks (eras/)."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class KernelRules:
    """One version's. The defaults are v5.9's."""

    irq_work_in_reader: bool = False
    """On PREEMPT_RT the thread irq_work/N runs its work inside a read-side section (kernel/irq_work.c,
    run_irq_workd())."""
