"""A machine as it is at this moment: what each CPU does and what its krcp holds, grace periods, objects, reports.

Another thread may ask while the machine runs: nothing here changes anything or keeps anything back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..kernel.cpu import Cpu
from ..kvfree.krc import Krc, objects_in
from ..machine import Machine
from ..spelling import plural
from .styled import Line
from .units import duration, size

_BAR: Final = 10
_HEADS: Final = ("CPU", "runs", "in", "newest block", "queued", "list", "cache", "waiting", "monitor")
_OTHERS: Final = 6
"""Lines of a frame that are not a CPU's."""


def machine_frame(machine: Machine, title: str, width: int, height: int) -> list[Line]:
    """The lines, of at most `width` characters where that is possible, and at most `height`."""
    conductor, gp, oracle = machine.conductor, machine.gp.statistics(), machine.oracle
    cpus = [machine.system.cpus[number] for number in sorted(machine.system.cpus)]
    krcs = {krcp.cpu_id: krcp for krcp in machine.kvfree.all_krcs()}
    room = max(height - _OTHERS, 1)
    shown = sorted(cpus, key=lambda cpu: (cpu.idle, cpu.cpu_id))[:room] if len(cpus) > room else cpus
    capacity = machine.kvfree.rules.block_capacity
    rows = [_cpu_cells(cpu, krcs.get(cpu.cpu_id), capacity) for cpu in sorted(shown, key=lambda cpu: cpu.cpu_id)]
    lines: list[Line] = [
        ((title, "title"),),
        ((f"virtual time {duration(conductor.now)}, {plural(conductor.steps, 'step')}", ""),),
        *_table(_HEADS, rows, width),
    ]
    if len(shown) < len(cpus):
        lines.append(((f"and {plural(len(cpus) - len(shown), 'more CPU')}", "note"),))
    state = "in progress" if gp.in_progress else "none in progress"
    readers = plural(oracle.sections, "reader")
    lines.append(((f"grace periods  {gp.completed:,} ended, {state}; {readers}", "wait" if gp.in_progress else ""),))
    lines.append(((f"objects        {len(oracle.live):,} outstanding, {size(oracle.live_bytes)}", ""),))
    count = machine.reporter.count
    lines.append(((f"reports        {count:,}", "wrong" if count else ""),))
    return lines


def _cpu_cells(cpu: Cpu, krcp: Krc | None, capacity: int) -> tuple[tuple[str, str], ...]:
    idle = cpu.idle
    runs = "idle" if idle else cpu.current.comm
    kind = cpu.ctx.kind()
    first = ((str(cpu.cpu_id), ""), (runs, "idle" if idle else "busy"), ("" if idle or kind == "process" else kind, ""))
    if krcp is None:
        return (*first, *((("", ""),) * 6))
    newest = max((len(blocks[-1].records) for blocks in krcp.blocks if blocks), default=0)
    filled = -(-newest * _BAR // capacity)
    bar = f"{'#' * filled}{'.' * (_BAR - filled)} {newest}"
    waiting = sum(objects_in(batch.blocks) + len(batch.head) for batch in krcp.batches)
    armed = "armed" if krcp.monitor_work.timer.pending else "queued" if krcp.monitor_work.work.pending else ""
    return (
        *first,
        (bar, ""),
        (f"{krcp.queued():,}", ""),
        (f"{len(krcp.head):,}", "wait" if krcp.head else ""),
        (f"{len(krcp.cache)}", ""),
        (f"{waiting:,}", "wait" if waiting else ""),
        (armed, ""),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], width: int) -> list[Line]:
    """Columns beside each other; the last ones are left out where there is no room."""
    widths = [max([len(head), *(len(row[at][0]) for row in rows)]) for at, head in enumerate(heads)]
    kept = len(heads)
    while kept > 2 and sum(widths[:kept]) + 2 * (kept - 1) > width:
        kept -= 1
    lines: list[Line] = [tuple((f"{head:<{widths[at]}}  ", "head") for at, head in enumerate(heads[:kept]))]
    lines += [tuple((f"{text:<{widths[at]}}  ", style) for at, (text, style) in enumerate(row[:kept])) for row in rows]
    return lines
