"""Per-CPU variables, and which CPU this is (include/linux: percpu-defs.h, smp.h)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import attrs

from ..context.trace import caller_site
from ..errors import BadInput
from ..kernel.percpu import PerCpu
from ..kernel.smp_processor_id import check_preemption_disabled, report_foreign_state
from ..kernel.thread import Thread
from .base import KernelBase

T = TypeVar("T")


@attrs.frozen(eq=False)
class PerCpuVariable(Generic[T]):
    """A variable of which each CPU has its own."""

    name: str
    values: PerCpu[T]


@attrs.define(eq=False)
class PerCpuPointer(Generic[T]):
    """A pointer to one CPU's copy, as `k.this_cpu_ptr()` and `k.per_cpu_ptr()` return it."""

    variable: PerCpuVariable[T]
    cpu_id: int
    _thread: Thread | None = None
    """Who got it by this_cpu_ptr(), and must not use it elsewhere."""

    @property
    def value(self) -> T:
        """What it points to. Read or set on another CPU than that of its this_cpu_ptr(), it is reported."""
        self._check()
        return self.variable.values[self.cpu_id]

    @value.setter
    def value(self, value: T) -> None:
        self._check()
        self.variable.values[self.cpu_id] = value

    def _check(self) -> None:
        thread = self._thread
        if thread is None:
            return
        running = thread.cpu.conductor.running
        if running is thread.cpu and thread.cpu.current is thread and thread.cpu.cpu_id != self.cpu_id:
            report_foreign_state(thread.cpu, self.variable.name, self.cpu_id)


class PerCpuVariables(KernelBase):
    """DEFINE_PER_CPU() and what goes with it.

    In a kernel with DEBUG_PREEMPT those that mean "this CPU's, for now" report a caller who could be moved.
    this_cpu_read() and this_cpu_write() are one instruction each, on whichever CPU that is, and safe everywhere, as in
    the kernel; what is read may be another CPU's value by the next await.
    """

    def define_per_cpu(self, name: str, initial: T | Callable[[], T]) -> PerCpuVariable[T]:
        """DEFINE_PER_CPU(): each CPU has `initial`, or what it returns.

        Raises BadInput for a list, a dictionary or a set, which all CPUs would share.
        """
        if isinstance(initial, list | dict | set):
            raise BadInput(
                f"define_per_cpu({name}): all CPUs would share the {type(initial).__name__}; give a function"
            )
        if callable(initial):
            return PerCpuVariable(name, PerCpu(lambda _: initial(), self._system.masks))
        return PerCpuVariable(name, PerCpu(lambda _: initial, self._system.masks))

    def this_cpu_ptr(self, variable: PerCpuVariable[T]) -> PerCpuPointer[T]:
        """this_cpu_ptr(): this CPU's; to be used for as long as the thread stays here. Asks smp_processor_id()."""
        cpu = self._cpu
        check_preemption_disabled(cpu, "smp_processor_id")
        return PerCpuPointer(variable, cpu.cpu_id, cpu.current)

    def per_cpu_ptr(self, variable: PerCpuVariable[T], cpu: int) -> PerCpuPointer[T]:
        """per_cpu_ptr(): that CPU's, from wherever. Raises BadInput when the machine has no such CPU."""
        return PerCpuPointer(variable, self._system.cpu(cpu).cpu_id)

    def per_cpu(self, variable: PerCpuVariable[T], cpu: int) -> T:
        """per_cpu(): the value of that CPU. Raises BadInput when the machine has no such CPU."""
        return self.per_cpu_ptr(variable, cpu).value

    def this_cpu_read(self, variable: PerCpuVariable[T]) -> T:
        """this_cpu_read(): the value of whichever CPU this is at this moment."""
        return variable.values[self._cpu.cpu_id]

    def this_cpu_write(self, variable: PerCpuVariable[T], value: T) -> None:
        """this_cpu_write()."""
        variable.values[self._cpu.cpu_id] = value

    def this_cpu_add(self, variable: PerCpuVariable[Any], amount: int) -> None:
        """this_cpu_add(): read and written in one step."""
        variable.values[self._cpu.cpu_id] += amount

    def this_cpu_inc(self, variable: PerCpuVariable[Any]) -> None:
        """this_cpu_inc()."""
        self.this_cpu_add(variable, 1)

    def this_cpu_dec(self, variable: PerCpuVariable[Any]) -> None:
        """this_cpu_dec()."""
        self.this_cpu_add(variable, -1)

    def this_cpu_xchg(self, variable: PerCpuVariable[T], value: T) -> T:
        """this_cpu_xchg(): what it was; in one step."""
        old = variable.values[self._cpu.cpu_id]
        variable.values[self._cpu.cpu_id] = value
        return old

    def get_cpu_ptr(self, variable: PerCpuVariable[T]) -> PerCpuPointer[T]:
        """get_cpu_ptr(), get_cpu_var(): preemption off, and this CPU's. put_cpu_ptr() is the end."""
        site = caller_site()
        cpu = self._thread.preempt_disable(site)
        self._machine.book.preempt_disabled(cpu, site)
        return PerCpuPointer(variable, cpu.cpu_id, cpu.current)

    async def put_cpu_ptr(self, variable: PerCpuVariable[Any]) -> None:  # noqa: ARG002 - as in C
        """put_cpu_ptr(), put_cpu_var(): preemption on again."""
        cpu = self._cpu
        self._machine.book.preempt_enabled(cpu)
        await cpu.preempt_enable()

    def for_each_online_cpu(self) -> Iterator[int]:
        """for_each_online_cpu(): the numbers of the CPUs that are online, each looked at when it is its turn."""
        for cpu_id in range(self._system.config.nr_cpus):
            if self._system.cpu(cpu_id).online:
                yield cpu_id

    def for_each_possible_cpu(self) -> Iterator[int]:
        """for_each_possible_cpu(): the numbers of all CPUs."""
        yield from range(self._system.config.nr_cpus)

    def smp_processor_id(self) -> int:
        """smp_processor_id(): the number of this CPU, for as long as the thread stays here."""
        check_preemption_disabled(self._cpu, "smp_processor_id")
        return self._cpu.cpu_id

    def raw_smp_processor_id(self) -> int:
        """raw_smp_processor_id(): the same for who knows better; never reported."""
        return self._cpu.cpu_id
