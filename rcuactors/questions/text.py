"""Answers and comparisons as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..spelling import plural
from .asking import Answer
from .comparison import Comparison, Pair
from .facts import LEFT_OUT


def answer_lines(answer: Answer, shown: str) -> list[str]:
    """One answer: the console, then what only the model's oracle saw."""
    lines = [f"{shown}: {answer.question}", *answer.text.split("\n")]
    if not answer.ended:
        lines.append("(did not come back)")
    if answer.ours:
        lines += ["", "Only the model's oracle sees, of which this kernel prints nothing:"]
        lines += [f"  {title}" for title in answer.ours]
    return lines


def _table(comparison: Comparison) -> list[str]:
    lines = [f"{'group':<8}{'agree':>7}{'differ':>8}{'not expressible':>17}"]
    for group, pairs in comparison.groups().items():
        agree = sum(pair.agrees for pair in pairs)
        differ = sum(bool(pair.differences) for pair in pairs)
        lines.append(f"{group:<8}{agree:>7}{differ:>8}{len(pairs) - agree - differ:>17}")
    return lines


def _head(pair: Pair) -> str:
    command = pair.recording.command
    words = f": {command.question}" if command is not None else ""
    return f"{pair.recording.kernel}/{pair.recording.name}{words}"


def _differences(pairs: Iterable[Pair]) -> list[str]:
    lines: list[str] = []
    for pair in pairs:
        lines.append(_head(pair))
        for found in pair.differences:
            lines += [f"    {found.what}", f"        kernel: {found.kernel}", f"        model:  {found.model}"]
    return lines


def _ours(pairs: Iterable[Pair]) -> list[str]:
    return [f"{_head(pair)}\n    {title}" for pair in pairs for title in dict.fromkeys(pair.answer.ours)]


def _left_out(comparison: Comparison) -> list[str]:
    """What was not looked at of the questions that were compared."""
    compared = [pair for pair in comparison.pairs if not pair.not_expressible]
    verbs = Counter(pair.answer.question.verb.name for pair in compared)
    return [f"  {verb:<6}{verbs[verb]:>4}  {what}" for verb, what in LEFT_OUT.items() if verbs[verb]]


def comparison_lines(comparison: Comparison) -> list[str]:
    """The comparison in full."""
    lines = _table(comparison)
    if comparison.differing:
        lines += ["", "What differs:", "", *_differences(comparison.differing)]
    if comparison.apart:
        reasons = Counter(pair.not_expressible for pair in comparison.apart)
        lines += ["", "Not expressible:", *(f"  {count:>3}  {reason}" for reason, count in reasons.most_common())]
        lines += [f"       {_head(pair)}: {pair.not_expressible}" for pair in comparison.apart]
    ours = _ours(comparison.pairs)
    if ours:
        lines += ["", "What only the model's oracle sees; those kernels were silent:", *ours]
    left_out = _left_out(comparison)
    if left_out:
        lines += ["", "Not compared, though measured (nor are times, addresses and PIDs anywhere):", *left_out]
    counted = (
        f"{comparison.agreeing} agree, {len(comparison.differing)} differ, {len(comparison.apart)} not expressible"
    )
    not_run = f", and {comparison.missing} not asked" if comparison.missing else ""
    return [*lines, "", f"{plural(len(comparison.pairs), 'question')}: {counted}{not_run}"]
