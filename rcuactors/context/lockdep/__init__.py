"""Lockdep (kernel/locking/lockdep.c): what is wrong with the way in which locks are taken.

validator.py knows who holds what and validates each chain of held locks once; it asks wait_context.py (nesting of wait
types), usage.py (interrupts) and order.py (deadlocks) over the dependency graph of graph.py. texts.py writes the
reports.
"""
