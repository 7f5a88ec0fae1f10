"""Floor 1: where code runs (preempt_count and its friends), what is judged there, locks, lockdep's nesting rules, the kernel's reports.

Knows nothing of who takes which lock: CPUs, timers and memory come above.
"""
