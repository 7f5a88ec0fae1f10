"""What kernel versions do differently in kvfree_rcu(): one file for each difference, of which a version picks a part.

| file | the difference |
|---|---|
| arming.py | how it is remembered that the monitor will run, when it runs, and what makes it run again |
| batching.py | which channels of a CPU's queue go into a batch |
| counting.py | what becomes of krcp->count when a batch is started |
| refill.py | how the page cache is filled again |
| one_argument.py | what a caller without an rcu_head does when there is no block |
| recycling.py | whose cache a drained block's page goes to |
| snapshots.py | cookies of grace periods; what the monitor does with those that are over |
| barrier.py | what waits for all that is queued |
| workqueue.py | where the monitor, the batches and a refill that was put off are queued |
| shrinker.py | what reclaim can see, and what it can get |

A part knows the others by their protocols in `rules.py` only, and what it has to remember of a CPU it keeps in a slot
of its own (krc.py). What is decided under krcp->lock is a plain function over the CPU's state.
"""
