"""Threads, time, completions, and the context-tracking nursery as scenarios use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal, get_args

import attrs

from ..context.trace import caller_site
from ..errors import bad_value
from ..kernel.completion import Completion, complete, complete_all, wait_for_completion, wait_for_completion_timeout
from ..kernel.thread import Thread, ThreadState, Urgency
from ..kernel.time.timeouts import burn, msleep, schedule_timeout, schedule_timeout_uninterruptible, sleep_ns
from ..spelling import no_such
from .arguments import checks_itself, wrong_argument
from .base import Inside, KernelBase, begun, name_of, not_negative

TaskState = Literal["TASK_RUNNING", "TASK_UNINTERRUPTIBLE"]
TASK_STATES = get_args(TaskState)


@attrs.frozen(eq=False)
class Task:
    """A kernel thread that a scenario started."""

    thread: Thread
    done: Completion

    @property
    def name(self) -> str:
        """Its comm."""
        return self.thread.comm


class Nursery:
    """Kernel threads that end before the block does. See `Threads.open_nursery`."""

    def __init__(self, kernel: Threads) -> None:
        self._kernel = kernel
        self._tasks: list[Task] = []

    async def start_soon(
        self,
        function: Callable[..., Awaitable[None]],
        *args: Any,
        cpu: int | None = None,
        name: str = "",
        urgent: bool = False,
    ) -> Task:
        """Start a kernel thread on a CPU (default: this one) that runs `function(*args)`."""
        task = await self._kernel.kthread_run(function, *args, cpu=cpu, name=name, urgent=urgent)
        self._tasks.append(task)
        return task

    async def join(self) -> None:
        """Wait for all of them."""
        for task in self._tasks:
            await self._kernel.kthread_join(task)


class Threads(KernelBase):
    """Threads, time, completions (include/linux: kthread.h, delay.h, completion.h).

    A function that takes a time raises BadInput unless it is a whole number, 0 or more; one that takes a CPU, when the
    machine has no such CPU.
    """

    async def kthread_run(
        self,
        function: Callable[..., Awaitable[None]],
        *args: Any,
        cpu: int | None = None,
        name: str = "",
        urgent: bool = False,
    ) -> Task:
        """Start a kernel thread on a CPU, to which it is bound then (default: on this one, and it may move).

        `urgent` lets it preempt normal threads: it is real-time (sched_set_fifo_low()). When the CPU goes offline the
        thread goes on on another. Raises BadInput for a CPU that is offline.
        """
        me = self._cpu
        target = self._online_cpu("kthread_run", cpu) if cpu is not None else me
        done = self._system.new_completion(f"the end of {name or name_of(function)}")

        async def body() -> None:
            await begun(function, *args)
            await complete_all(self._system, self._cpu, done)

        urgency = Urgency.HIGH if urgent else Urgency.NORMAL
        comm = (name or name_of(function))[:15]
        bound = target.cpu_id == cpu and target.active
        thread = self._system.create_thread(target, comm, body, urgency=urgency, fair=not urgent, bound=bound)
        await me.wake_up_process(thread)
        return Task(thread, done)

    async def kthread_join(self, task: Task) -> None:
        """Sleep until the thread has ended."""
        await wait_for_completion(self._system, self._thread, task.done)

    async def wake_up_process(self, task: Task) -> bool:
        """wake_up_process(): takes the scheduler's locks. Whether the thread slept."""
        return await self._cpu.wake_up_process(task.thread)

    def set_current_state(self, state: TaskState) -> None:
        """set_current_state(): from "TASK_UNINTERRUPTIBLE" on a wake-up counts, also before schedule()."""
        if state not in TASK_STATES:
            raise no_such("set_current_state():", str(state), TASK_STATES)
        thread = self._cpu.current
        if state == "TASK_UNINTERRUPTIBLE":
            thread.prepare_to_sleep()
        else:
            thread.stay_awake()

    async def schedule(self) -> None:
        """schedule(): sleep until woken, if the state says so; else give way to who waits for this CPU."""
        thread = self._thread
        if thread.state is ThreadState.SLEEPING:
            await thread.sleep("wake_up_process()")
        else:
            await thread.cpu.schedule()
            self._took_no_time("schedule")

    # -- on which CPU --

    async def set_cpus_allowed(self, task: Task | None, cpus: Iterable[int]) -> None:
        """set_cpus_allowed_ptr(): the CPUs that a thread may run on (None: this thread).

        One that runs elsewhere moves at once, and this waits for it; a sleeping one moves when it is woken. Raises
        BadInput for no CPU at all, for one that the machine has not, and for a thread that is bound (started with
        `cpu=`).
        """
        if not isinstance(cpus, Iterable):
            raise wrong_argument("set_cpus_allowed", "cpus", cpus, "numbers of CPUs, such as [0, 1]")
        me = self._thread
        thread = me if task is None else task.thread
        await self._system.migration.set_cpus_allowed_ptr(me, thread, frozenset(cpus))

    def migrate_disable(self) -> None:
        """migrate_disable(): this thread stays on its CPU, though it may be preempted; nests."""
        self._thread.migrate_disable()

    async def migrate_enable(self) -> None:
        """migrate_enable(): it may be moved again, and is at once if this CPU is not allowed any more."""
        await self._system.migration.migrate_enable(self._thread)

    def get_cpu(self) -> int:
        """get_cpu(): preemption off; the number of the CPU on which that is."""
        site = caller_site()
        cpu = self._thread.preempt_disable(site)
        self._machine.book.preempt_disabled(cpu, site)
        return cpu.cpu_id

    async def put_cpu(self) -> None:
        """put_cpu(): preempt_enable()."""
        cpu = self._cpu
        self._machine.book.preempt_enabled(cpu)
        await cpu.preempt_enable()

    @asynccontextmanager
    async def open_nursery(self) -> AsyncIterator[Nursery]:
        """A block at whose end its threads have ended.

        It takes the place of a Trio nursery, whose children would have no context: the machine refuses them.
        """
        nursery = Nursery(self)
        yield nursery
        await nursery.join()

    # -- time --

    @property
    def now(self) -> int:
        """Virtual nanoseconds since boot, on this CPU (ktime_get_ns())."""
        return self._cpu.clock

    @property
    def jiffies(self) -> int:
        """Jiffies since boot."""
        return self._cpu.clock // self._system.config.jiffy_ns

    @checks_itself
    async def udelay(self, microseconds: int) -> None:
        """Burn time without giving up the CPU; interrupts are served meanwhile, if they are on."""
        await burn(self._thread, not_negative("udelay", microseconds) * 1000)
        if not microseconds:
            self._took_no_time("udelay")

    @checks_itself
    async def ndelay(self, nanoseconds: int) -> None:
        """udelay(), in nanoseconds."""
        await burn(self._thread, not_negative("ndelay", nanoseconds))
        if not nanoseconds:
            self._took_no_time("ndelay")

    async def usleep_range(self, low_us: int, high_us: int) -> None:
        """Sleep for `low_us` microseconds, or a little longer. Raises BadInput when `high_us` is smaller."""
        self._cpu.judge.might_sleep(self._cpu)
        if not_negative("usleep_range", high_us) < not_negative("usleep_range", low_us):
            raise bad_value(f"usleep_range({low_us}, {high_us})", "a second number that is not smaller than the first")
        await sleep_ns(self._system, self._thread, low_us * 1000)

    async def msleep(self, milliseconds: int) -> None:
        """Sleep for at least that many milliseconds, in jiffies."""
        jiffies = -(-not_negative("msleep", milliseconds) * self._system.config.HZ // 1000)
        await msleep(self._system, self._thread, jiffies)

    async def schedule_timeout(self, jiffies: int) -> int:
        """schedule_timeout(): sleep for at least that many jiffies, unless woken since set_current_state().

        Returns how many were left. Who has not called that goes on at once.
        """
        jiffies = not_negative("schedule_timeout", jiffies)
        return await schedule_timeout(self._system, self._thread, jiffies)

    async def schedule_timeout_uninterruptible(self, jiffies: int) -> int:
        """schedule_timeout_uninterruptible(): the same, set_current_state() included."""
        jiffies = not_negative("schedule_timeout_uninterruptible", jiffies)
        return await schedule_timeout_uninterruptible(self._system, self._thread, jiffies)

    async def cond_resched(self) -> None:
        """Give way to a thread that waits for this CPU, if there is one.

        A quiescent state in a kernel without preemption.
        """
        cpu = self._cpu
        cpu.judge.might_sleep(cpu)
        cpu.clock += self._system.costs.copy_user_ns
        await cpu.current.cond_resched()
        if not self._system.costs.copy_user_ns:
            self._took_no_time("cond_resched")

    async def cpu_relax(self) -> None:
        """One turn of a busy loop."""
        await self._thread.cpu_relax(self._system.costs.copy_user_ns)
        if not self._system.costs.copy_user_ns:
            self._took_no_time("cpu_relax")

    # -- completions --

    def completion(self, name: str = "completion", *, inside: Inside | None = None) -> Completion:
        """DECLARE_COMPLETION(): nobody has completed it yet. Reports show its name. `inside`: a member of an object."""
        return self._member(inside, self._system.new_completion(name))

    async def complete(self, completion: Completion) -> None:
        """complete(): from any context but NMI."""
        await complete(self._system, self._cpu, completion)

    async def complete_all(self, completion: Completion) -> None:
        """complete_all(): for those who wait and those who come later."""
        await complete_all(self._system, self._cpu, completion)

    async def wait_for_completion(self, completion: Completion) -> None:
        """wait_for_completion(): may sleep."""
        await wait_for_completion(self._system, self._thread, completion)

    async def wait_for_completion_timeout(self, completion: Completion, jiffies: int) -> int:
        """wait_for_completion_timeout(): the jiffies that were left, 1 or more; 0 when it was not completed."""
        jiffies = not_negative("wait_for_completion_timeout", jiffies)
        return await wait_for_completion_timeout(self._system, self._thread, completion, jiffies)

    def pr_info(self, text: str) -> None:
        """A line in the event stream."""
        if self._system.events.on:
            self._system.emit(self._cpu, "console", text)
