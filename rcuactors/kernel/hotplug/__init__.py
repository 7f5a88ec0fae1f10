"""CPUs that come and go (kernel/cpu.c).

| file | what |
|---|---|
| states.py | enum cpuhp_state, and who has set up which callbacks |
| cpuhp.py | cpu_down(), cpu_up(), the thread cpuhp/N |
| dying.py | take_cpu_down(), the idle thread of a dead CPU, and how that comes back |
| stop_machine.py | stop_machine(), the thread migration/N |
| cpus_lock.py | cpu_hotplug_lock: cpus_read_lock(), cpus_write_lock() |
| sched.py | the scheduler's callbacks: threads leave |
| smpboot.py | the threads that each CPU has: parked while it is gone |
| onoff.py | CPUs that go off- and online when the strategy decides so |

What a dead CPU leaves is moved by whoever owns it: time/timer.py and time/hrtimer.py, workqueue/hotplug.py,
irq/softirq.py, the page lists, the slab allocator, RCU.
"""
