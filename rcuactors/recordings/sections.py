"""From the calls of a recording to what is driven: for each CPU one or two feeders with their sections.

A section is a run of calls that one caller made in one go: it enters a context once, frees, and leaves. The
recording has only the calls, so a gap decides. A kvfree_call_rcu() with its kprobe takes 1-10 us on the
recorded (emulated) machines, and a caller that frees its next object within 50 us has hardly done anything
else. The script of a rig's recording says more: a whole burst is one section, and between two of them it
sleeps, never less than its shortest pause; while the emulator may stand still inside a section, 14 ms at the
worst. There the pause decides, except in process context, where nothing was entered and a feeder that sleeps
too often does no harm.

One-argument calls may wait for a grace period. They have a feeder of their own on each CPU, so that they hold
up only one another; and no call of one feeder lies inside a section of the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..lab import contexts as lab
from ..lab.contexts import Context
from ..traces.events import Call
from .recording import Recording

BURST_GAP_NS: Final = 50_000
LONGEST_BURST_GAP_NS: Final = 20_000_000

CONTEXTS: Final[Mapping[str, Context]] = MappingProxyType(
    {
        recorded: lab.CONTEXTS[name]
        for recorded, name in (
            ("process", "process"),
            ("preempt_off", "preempt_disable"),
            ("irqs_off", "irq_disable"),
            # Nothing is known of who shared the lock: one that all CPUs took would make them wait.
            ("raw_lock", "raw_spin_irqsave"),
            ("rcu_read", "rcu_read"),
            ("softirq", "softirq_bh_enable"),
            ("hardirq", "hardirq"),
        )
    }
)
"""The contexts that can be driven, by the recordings' words. kvfree_rcu() is not allowed in an NMI."""

_PAUSE: Final = re.compile(r"\b(?:sleep|burstr? +[0-9]+ +[0-9]+) +([0-9]{1,6})\b", re.ASCII)
"""`sleep MS` and `burst N TIMES MS`; `burstr` is a burst under a raw spinlock."""
_COLD: Final = re.compile(r"@([0-9]{1,5}) +cold\b", re.ASCII)


@attrs.frozen
class Section:
    """Calls of one task (or of an interrupt on top of it) on one CPU in one context, in the order of time."""

    context: str
    calls: tuple[Call, ...]


@attrs.frozen
class Feed:
    """What one feeder does."""

    cpu: int
    one_argument: bool
    sections: tuple[Section, ...]


@attrs.define
class _Open:
    """The section that a CPU is in, while the calls are gone through."""

    calls: list[Call]
    sections: dict[bool, list[Section]] = attrs.field(factory=dict)

    def close(self) -> None:
        """End the section, and put it where its feeder will find it."""
        first = self.calls[0]
        self.sections.setdefault(first.one_argument, []).append(Section(first.context, tuple(self.calls)))


def feeds_of(recording: Recording) -> tuple[tuple[Feed, ...], Counter[str]]:
    """What each feeder does, and how many calls cannot be driven, by the reason."""
    gap_ns = section_gap_ns(recording.script)
    skipped: Counter[str] = Counter()
    cpus: dict[int, _Open] = {}
    for call in sorted(recording.calls, key=_time):  # a stable sort: equal times keep the recording's order
        if call.context not in CONTEXTS:
            skipped[f"called in {call.context} context"] += 1
            continue
        now = cpus.get(call.cpu)
        if now is None:
            cpus[call.cpu] = _Open([call])
        elif _belongs(call, now.calls[-1], gap_ns):
            now.calls.append(call)
        else:
            now.close()
            now.calls = [call]
    return tuple(_feeds(cpus)), skipped


def _feeds(cpus: dict[int, _Open]) -> Iterable[Feed]:
    for cpu, now in sorted(cpus.items()):
        now.close()
        for one_argument, sections in sorted(now.sections.items()):
            yield Feed(cpu, one_argument, tuple(sections))


def _time(call: Call) -> int:
    return call.time_ns


def _belongs(call: Call, before: Call, gap_ns: int) -> bool:
    """Whether a call goes on where the CPU's call before it was."""
    same = (call.pid, call.context, call.one_argument) == (before.pid, before.context, before.one_argument)
    return same and call.time_ns - before.time_ns < (BURST_GAP_NS if call.context == "process" else gap_ns)


def section_gap_ns(script: str) -> int:
    """The longest gap between two calls of one section, outside of process context."""
    if not script:
        return BURST_GAP_NS
    shortest_ns = min((int(pause) * 1_000_000 for pause in _PAUSE.findall(script)), default=LONGEST_BURST_GAP_NS)
    return min(max(shortest_ns, BURST_GAP_NS), LONGEST_BURST_GAP_NS)


def cold_cpus(recording: Recording) -> frozenset[int]:
    """The CPUs whose page cache the rig's script emptied before the run."""
    return frozenset(int(cpu) for cpu in _COLD.findall(recording.script))
