"""Floor 1: where code runs (preempt.h), what a lock is, lockdep, the kernel's reports (splats).

Taking and letting go of locks is `kernel/locking/`. Knows nothing of who takes which lock: CPUs, timers and memory
come above.
"""
