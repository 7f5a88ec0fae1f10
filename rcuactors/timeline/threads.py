"""Who runs on each CPU, who has woken whom, and what actors tell each other.

A wake-up's arrow goes from where the thread was woken, which for a thread of another CPU is where the message was
sent, to where it comes onto its CPU. A message's goes from when it was sent to when it was taken.
"""

from __future__ import annotations

import attrs

from ..engine.actor import Actor, Message
from ..kernel.cpu import Cpu
from ..kernel.messages import HardIrq, WakeUp
from ..kernel.thread import Thread, ThreadState
from ..machine import MachineProbes
from .board import Board
from .elements import ArrowKind, LaneKind, Span, SpanKind
from .places import Places


@attrs.define(eq=False)
class Threads:
    """The lanes of threads, and the arrows of messages and wake-ups."""

    board: Board
    places: Places
    _running: dict[int, Span] = attrs.field(factory=dict)
    _woken: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    """By pid: from which lane and when, of those that have not run since."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.kernel.switched.listen(self._switched)
        probes.kernel.woken.listen(self._wakes)
        probes.engine.message.listen(self._sent)
        probes.engine.message_taken.listen(self._taken)
        for cpu in self.places.machine.system.cpus.values():
            self._begin(cpu, cpu.current, cpu.clock)

    def _begin(self, cpu: Cpu, thread: Thread, begin_ns: int) -> Span:
        kind = SpanKind.IDLE if thread is cpu.idle_thread else SpanKind.RUNS
        begun = self.board.begin(self.places.threads[cpu.cpu_id], begin_ns, kind, thread.comm, str(thread))
        self._running[cpu.cpu_id] = begun
        return begun

    def _switched(self, cpu: Cpu, leaving: Thread, following: Thread, preempted: bool) -> None:
        # A CPU that nothing has touched before has idled since the beginning.
        begun = self._running.get(cpu.cpu_id) or self._begin(cpu, leaving, 0)
        now = cpu.clock
        cost = self.places.machine.setup.costs.context_switch_ns
        self.board.close(begun, now - cost, (("leaves", _why(leaving, preempted=preempted)),))
        self._begin(cpu, following, now)
        woken = self._woken.pop(following.pid, None) if following.pid else None
        if woken is not None:
            to = self.places.threads[cpu.cpu_id], now
            self.board.arrow(ArrowKind.WAKE_UP, woken, to, f"wakes {following.comm}", str(following))

    def _wakes(self, cpu: Cpu, thread: Thread) -> None:
        if thread.pid and thread.pid not in self._woken:
            running = self.places.machine.conductor.running
            # Who boots the machine is nobody: the first thread begins where it is.
            lane = self.places.here() if running is not None else self.places.threads[cpu.cpu_id]
            self._woken[thread.pid] = lane, self.places.now()

    def _sent(self, _recipient: Actor, message: Message) -> None:
        if isinstance(message, WakeUp) and message.thread.pid:
            sender = self.places.of_actor(message.sender)
            self._woken.setdefault(message.thread.pid, (sender, message.time_ns))

    def _taken(self, recipient: Actor, message: Message) -> None:
        label, lane = type(message).__name__, self.places.of_actor(recipient.name)
        if isinstance(message, HardIrq) and isinstance(recipient, Cpu):
            label, lane = f"{label} {message.line}", self.places.of_cpu(recipient.cpu_id, LaneKind.HARDIRQ)
        begin = self.places.of_actor(message.sender), message.time_ns
        self.board.arrow(ArrowKind.MESSAGE, begin, (lane, recipient.clock), label)


def _why(leaving: Thread, *, preempted: bool) -> str:
    """Why a thread leaves its CPU."""
    if preempted and leaving.state is ThreadState.RUNNABLE:
        return "preempted"
    if leaving.state is ThreadState.RUNNABLE:
        return "gives way"
    if leaving.state is ThreadState.SLEEPING and leaving.waiting_for:
        return f"sleeps: {leaving.waiting_for}"
    return str(leaving.state.value)
