"""What `--live` shows of work that is made of many runs: an exploration, a comparison, recordings.

Frames are made by the thread that draws, out of what the one that works has counted, and keep nothing back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from ..compare.tasks import Answer, Task
from ..conform import Conformance
from ..conform.course import Course
from ..hunt.tally import Tally
from ..report.styled import Line
from ..report.units import size
from ..spelling import plural
from .watching import Frame, HowFar

_BAR: Final = 20


def _bar(done: float, width: int = _BAR) -> str:
    filled = min(int(done * width), width)
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def _line(text: str, style: str = "") -> Line:
    return ((text, style),)


def _cut(lines: list[Line], height: int, what: str) -> list[Line]:
    """As many as there is room for, and how many are not shown."""
    if len(lines) <= height:
        return lines
    left = len(lines) - height + 1
    return [*lines[: height - 1], _line(f"and {plural(left, what)} not shown", "note")]


def exploration(tally: Tally, head: str, limit: int, seconds: float | None, how_far: Callable[[], str]) -> Frame:
    """How many schedules a second, what they have shown that is new, what was found."""
    began = time.monotonic()

    def frame(_width: int, height: int) -> list[Line]:
        gone = max(time.monotonic() - began, 1e-3)
        count = tally.schedules
        part = gone / seconds if seconds is not None else count / limit
        rate = f"{count / gone:,.1f} a second"
        lines: list[Line] = [
            _line(head, "title"),
            _line(f"{_bar(part)} {plural(count, 'schedule')}, {rate}, {gone:,.0f} s"),
            _line(f"traces        {tally.traces.distinct:,} distinct; {tally.traces.said()}"),
            _line(f"pairs         {tally.pairs.distinct:,} of accesses, by their order"),
            _line(f"final states  {len(tally.states):,}"),
            _line(f"decisions     {tally.choices:,}"),
        ]
        lines += [_line(f"  {name:<24} {times:,}") for name, times in list(tally.by_strategy.items())]
        if tally.plan.search:
            lines.append(_line(how_far()))
        found = [_line(f"  {signature}: {times:,} x", "wrong") for signature, times in list(tally.times.items())]
        lines.append(_line(f"findings      {len(found)}", "wrong" if found else ""))
        return _cut([*lines, *found], height, "line")

    return frame


def comparison(tasks: Sequence[Task], answers: dict[int, Answer], how_far: Callable[[], str]) -> Frame:
    """For each design and kernel how many of its cells are done."""
    designs = list(dict.fromkeys(task.design.name for task in tasks))
    kernels = list(dict.fromkeys(task.kernel.name for task in tasks))
    wanted = Counter((task.design.name, task.kernel.name) for task in tasks)
    first = max(map(len, designs))

    def frame(_width: int, height: int) -> list[Line]:
        done = Counter((tasks[number].design.name, tasks[number].kernel.name) for number in list(answers))
        columns = [max(len(kernel), len("99/99")) for kernel in kernels]
        heads = "  ".join(f"{kernel:>{column}}" for kernel, column in zip(kernels, columns, strict=True))
        rows: list[Line] = []
        for design in designs:
            cells: list[tuple[str, str]] = [(f"{design:<{first}}", "")]
            for kernel, column in zip(kernels, columns, strict=True):
                have, of = done[design, kernel], wanted[design, kernel]
                style = "busy" if have == of else "wait" if have else "idle"
                cells.append((f"  {f'{have}/{of}' if of else '-':>{column}}", style))
            rows.append(tuple(cells))
        part = len(answers) / len(tasks) if tasks else 1.0
        lines = [_line(f"{_bar(part)} {how_far()}"), _line(f"{'':<{first}}  {heads}", "head")]
        return [*lines, *_cut(rows, max(height - len(lines), 1), "design")]

    return frame


def conformance(
    paths: Sequence[str], answers: dict[int, Conformance | str], watched: HowFar, course: Callable[[], Course | None]
) -> Frame:
    """How far each recording is; of the one that is read here, what has been compared."""

    def now() -> list[Line]:
        if not watched.lines:
            return []
        part = f"{_bar(watched.part)} " if watched.total else ""
        of = f" of {size(watched.total)}" if watched.total else ""
        lines = [_line(f"{part}{plural(watched.lines, 'line')}{of}")]
        at = course()
        if at is not None:
            compared, steps = at.so_far()
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in compared.most_common())
            lines.append(_line(f"decisions     {compared.total():,} agree{': ' if kinds else ''}{kinds}"))
            lines.append(_line(f"hidden steps  {steps:,}"))
            lines.append(_line(f"disagree      {len(at.found):,}", "wrong" if at.found else ""))
        return lines

    def frame(_width: int, height: int) -> list[Line]:
        done = dict(answers)
        rows: list[Line] = []
        for number, path in enumerate(paths):
            answer = done.get(number)
            if isinstance(answer, Conformance):
                verdict = ("agrees", "disagrees", "undecided")[answer.exit_code]
                agreed = plural(sum(answer.compared.values()), "decision")
                rows.append(_line(f"{path}: {verdict}, {agreed}", "busy" if answer.exit_code == 0 else "wrong"))
            else:
                said = answer if isinstance(answer, str) else "to come"
                rows.append(_line(f"{path}: {said}", "idle" if answer is None else "wrong"))
        head = [_line(f"{len(done)} of {plural(len(paths), 'recording')}", "title"), *now()]
        return [*head, *_cut(rows, max(height - len(head), 1), "recording")]

    return frame
