"""Softirqs (kernel/softirq.c), irq_work, interrupt threads (kernel/irq/): what runs between interrupt and thread."""
