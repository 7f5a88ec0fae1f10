"""What a replay leaves: the run, what was driven, and the real kernel's counts beside the machine's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from textwrap import wrap
from typing import Any, Final

import attrs

from ..runs.result import Result
from ..spelling import counted
from ..traces.freers import FreedBlock, Freer, by_freer
from .recording import Recording
from .witness import Witness

_MOST_SIZES: Final = 12
_MOST_SPLATS: Final = 10
_WORDS: Final = {Freer.WORK: "the work", Freer.MONITOR: "the monitor", Freer.SHRINKER: "the shrinker"}


@attrs.frozen
class Compared:
    """One figure of both. `real` is None where the recorded kernel did not show it."""

    name: str
    title: str
    real: int | None
    machine: int


@attrs.frozen(kw_only=True)
class ReplayResult:
    """One replay.

    `driven` counts the calls by (one-argument, context), `skip_reasons` those that were not made; `done` and `not_done`
    what the script did beside, by the statement's word. `max_lag_ns` is the most that a call came later than the
    recording has it. `version_note` is '' where the modelled version is the recorded one.
    """

    recording: Recording
    result: Result
    driven: dict[tuple[bool, str], int]
    skip_reasons: dict[str, int]
    max_lag_ns: int
    version_note: str
    witness: Witness
    done: dict[str, int]
    not_done: dict[str, int]

    @property
    def skipped(self) -> int:
        """Calls of the recording that were not made."""
        return sum(self.skip_reasons.values())

    @property
    def calls(self) -> int:
        """Calls that were made."""
        return sum(self.driven.values())

    def calls_by_form(self) -> dict[str, dict[str, int]]:
        """The calls that were made, form -> context -> number."""
        table: dict[str, dict[str, int]] = {"two_argument": {}, "one_argument": {}}
        for (one_argument, context), number in self.driven.items():
            table["one_argument" if one_argument else "two_argument"][context] = number
        return table

    def compared(self) -> tuple[Compared, ...]:
        """The figures that both have, the channels of the freed objects first."""
        seen, counters = self.recording.observed, self.result.counters
        objects = seen.rcu_visible and seen.objects_visible
        freed = {
            "bulk": (sum(seen.bulk_sizes), counters.bulk_objects),
            "vmalloc": (seen.vmalloc_freed if objects else None, counters.vmalloc_freed),
            "list": (seen.list_freed if objects else None, counters.list_freed),
            # A caller that waits leaves no event, but the page that it could not get does.
            "inline": (seen.caller_pages_failed if objects else None, counters.inline_freed),
        }
        total = sum(real or 0 for real, _ in freed.values())
        rows = [Compared(f"freed_{name}", f"objects freed, {name}", *both) for name, both in freed.items()]
        return (
            *rows,
            *(
                Compared(f"freed_by_{freer.name.lower()}", f"  freed by {_WORDS[freer]}", *self._freed_by(freer))
                for freer in Freer
            ),
            Compared(
                "not_freed",
                "objects not seen freed",
                len(self.recording.calls) - total if objects else None,
                self.calls - sum(machine for _, machine in freed.values()),
            ),
            Compared("bulk_frees", "bulk frees", len(seen.bulk_sizes), sum(counters.bulk_frees.values())),
            Compared(
                "grace_periods",
                "grace periods",
                seen.grace_periods_ended if seen.rcu_visible else None,
                self.witness.grace_periods,
            ),
        )

    def _freed_by(self, freer: Freer) -> tuple[int | None, int]:
        """Objects in blocks and on lists that one of them has freed."""
        seen, machine = self.recording.observed, self.witness
        real = (
            None
            if seen.blocks is None or not seen.objects_visible
            else _objects(seen.blocks, freer) + seen.list_freed_by.get(freer, 0)
        )
        return real, _objects(machine.blocks, freer) + machine.list_freed_by[freer]

    def as_json(self) -> dict[str, Any]:
        """The replay as plain data."""
        recording = self.recording
        return {
            "recording": recording.name,
            "kernel": recording.kernel,
            "script": recording.script,
            "truncated": recording.truncated,
            "unknown_lines": recording.unknown_lines,
            "unknown_examples": [attrs.asdict(line) for line in recording.unknown_examples],
            "calls_recorded": len(recording.calls),
            "calls_driven": self.calls,
            "calls": self.calls_by_form(),
            "skipped": self.skipped,
            "skip_reasons": dict(self.skip_reasons),
            "max_lag_ns": self.max_lag_ns,
            "version_note": self.version_note,
            "compared": {row.name: {"real": row.real, "machine": row.machine} for row in self.compared()},
            "deeds": {"done": dict(self.done), "not_done": dict(self.not_done)},
            "bulk_sizes": {
                "real": list(recording.observed.bulk_sizes),
                "machine": list(self.result.counters.bulk_sizes_in_order),
            },
            "result": self.result.as_json(),
        }

    def lines(self, *, so_far: bool = False, every_splat: bool = False) -> list[str]:
        """The report as text: what was read, what was driven, both sides, splats, verdict."""
        return [
            *self._what_was_read(),
            "",
            *self._what_was_driven(),
            "",
            *self._both_sides(),
            "",
            *self._splats(every=every_splat),
            self.verdict(so_far=so_far),
        ]

    def verdict(self, *, so_far: bool = False) -> str:
        """`clean`, or the number of violations and their kinds; `so_far` when the replay was not finished."""
        count, unfinished = self.result.violation_count, " so far" if so_far else ""
        if not count:
            return f"clean{unfinished}"
        return f"{counted(count, 'violation')}{unfinished}: {self.result.outcome()}"

    def _what_was_read(self) -> Iterator[str]:
        recording = self.recording
        yield f"recording  {recording.name}"
        yield f"kernel     {recording.kernel or 'not said'}"
        if recording.script:
            yield f"script     {recording.script}"
        if recording.pre:
            yield f"before it  {recording.pre} (not driven)"
        span_ms = (recording.end_ns - recording.begin_ns) / 1_000_000
        early = (
            f", {recording.calls_before_begin} before its BEGIN mark left out" if recording.calls_before_begin else ""
        )
        yield f"read       {counted(len(recording.calls), 'call')} in {span_ms:.3f} ms{early}"
        yield f"           {counted(recording.unknown_lines, 'unknown line')}"
        for line in recording.unknown_examples:
            yield f"             line {line.number}: {line.text}"
        if recording.truncated:
            yield "           the recording is cut: the real kernel's figures tell only a part"

    def _what_was_driven(self) -> Iterator[str]:
        result = self.result
        shown = ", ".join(
            f"{name}={result.config[name]}" for name in ("nr_cpus", "PREEMPT_RT", "HZ", "rcu_min_cached_objs")
        )
        yield f"machine    {result.kernel}, design {result.design}, {shown}"
        yield from wrap(self.version_note, 100, initial_indent=" " * 11, subsequent_indent=" " * 11)
        yield f"driven     {counted(self.calls, 'call')}, none more than {self.max_lag_ns / 1000:.3f} us late"
        for form, row in self.calls_by_form().items():
            if row:
                contexts = ", ".join(f"{context} {number}" for context, number in row.items())
                yield f"           {form.replace('_', '-')}: {contexts}"
        for reason, number in self.skip_reasons.items():
            yield f"           {counted(number, 'call')} not made: {reason}"
        if self.done:
            yield f"           beside: {', '.join(f'{what} {number}' for what, number in self.done.items())}"
        for what, number in self.not_done.items():
            yield f"           {what} {number} not done: {self.result.kernel} has no such thing"

    def _both_sides(self) -> Iterator[str]:
        yield f"{'':<26}{'real':>10}{'machine':>10}"
        for row in self.compared():
            if row.real is not None or not row.title.startswith(" "):
                yield f"{row.title:<26}{'-' if row.real is None else row.real:>10}{row.machine:>10}"
        yield f"bulk sizes, real     {_shortened(self.recording.observed.bulk_sizes)}"
        yield f"bulk sizes, machine  {_shortened(self.result.counters.bulk_sizes_in_order)}"

    def _splats(self, *, every: bool) -> Iterator[str]:
        shown = self.result.violations if every else self.result.violations[:_MOST_SPLATS]
        for violation in shown:
            yield from violation.text.splitlines()
            yield ""
        left = self.result.violation_count - len(shown)
        if left:
            yield f"({left} more{'' if every else '; -v prints all that were kept'})"
            yield ""


def _objects(blocks: Iterable[FreedBlock], freer: Freer) -> int:
    return sum(by_freer(blocks, vmalloc=vmalloc)[freer] for vmalloc in (False, True))


def _shortened(sizes: Iterable[int]) -> str:
    """Sizes in order, equal neighbours together, only the first of many: `510 x 3, 80, ...`."""
    runs = [(size, sum(1 for _ in same)) for size, same in groupby(sizes)]
    words = [str(size) if count == 1 else f"{size} x {count}" for size, count in islice(runs, _MOST_SIZES)]
    return ", ".join([*words, "..."] if len(runs) > _MOST_SIZES else words) or "none"
