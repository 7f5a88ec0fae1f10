"""Floor 1: where code runs, what is judged there, locks, lockdep's nesting rules, the kernel's reports.

Knows nothing of who takes which lock: CPUs, timers and memory come above.
"""
