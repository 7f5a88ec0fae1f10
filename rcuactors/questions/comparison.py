"""A real kernel's answer and the model's, side by side.

Compared are the kinds of reports in the order of their first; of the first of each kind the lock that it names, with
usage and wait types, what the context allows, and the held list; what the module measured (facts.py); and whether the
question came back. What ends a thread, or the machine, ends the comparison with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from ..report.console import ConsoleReport
from .asking import Answer
from .facts import LEFT_OUT, SIZES, facts_of
from .recording import Recording
from .words import Question

_SLEEPS: Final = frozenset({"synch", "msleep"})


def _by_chance(question: Question) -> str:
    """What only a tick says that falls into the microseconds in which a thread is as it should not be.

    So when a callback has slept: rcu_do_batch() enables bottom halves then that nobody has disabled, and an interrupt
    that comes before they are disabled again leaves its HARDIRQ_OFFSET behind, of which the next callback's enabling
    tells. Recorded is op=synch, three times on each kernel: the run that is written out says it on 6.1 and does not on
    6.12, and on both one of the other two runs is not like it. That it is the tick's doing, and that op=msleep is the
    same, is inferred.
    """
    if question.verb.name == "m":
        return "WARNING in rcu_sched_clock_irq()"
    if question.verb.name == "f5" and question.word("v") == "rcu" and question.word("op") in _SLEEPS:
        return "WARNING in __local_bh_enable_ip()"
    return ""


def _by_the_tick(question: Question) -> str:
    """What the first interrupt says, so that its place among the reports is the tick's; that it comes is compared.

    A preempt_count that a local_bh_enable() too many has left at 7ffffe00 is, one HARDIRQ_OFFSET further, that of a
    thread in a softirq whose bottom halves are on. Recorded: while 6.1 printed what the module says, and while 6.12
    printed the report behind that.
    """
    if question.verb.name == "a6" and question.word("v") == "unbal":
        return "WARNING: DEBUG_LOCKS_WARN_ON(current->softirqs_enabled)"
    return ""


@attrs.frozen(kw_only=True)
class Difference:
    """One thing of which the kernel says something else than the model."""

    what: str
    kernel: str
    model: str

    def __str__(self) -> str:
        return f"{self.what}: the kernel: {self.kernel}; the model: {self.model}"


@attrs.frozen(kw_only=True)
class Pair:
    """One question, as recorded and as modelled."""

    recording: Recording
    answer: Answer
    differences: tuple[Difference, ...] = ()

    @property
    def not_expressible(self) -> str:
        """Why it could not be put; '' when it was."""
        return self.answer.not_expressible

    @property
    def agrees(self) -> bool:
        """All that is compared is the same."""
        return not self.not_expressible and not self.differences

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        verdict = "not expressible" if self.not_expressible else "agrees" if self.agrees else "disagrees"
        command = self.recording.command
        return {
            "kernel": self.recording.kernel,
            "question": self.recording.name,
            "words": str(command.question) if command is not None else "",
            "verdict": verdict,
            "reason": self.not_expressible,
            "differences": [attrs.asdict(difference) for difference in self.differences],
            "only_ours": list(self.answer.ours),
        }


def _firsts(reports: Iterable[ConsoleReport], by_chance: str) -> dict[str, ConsoleReport]:
    """The first report of each kind that is compared, in their order; none after one that is fatal."""
    found: dict[str, ConsoleReport] = {}
    for report in reports:
        if report.kind != by_chance:
            found.setdefault(report.kind, report)
        if report.fatal:
            break
    return found


def _names(report: ConsoleReport) -> str:
    return ", ".join(lock.name for lock in report.held or ()) or "nothing"


def _in_report(kernel: ConsoleReport, model: ConsoleReport) -> Iterator[Difference]:
    """What two reports of one kind say of lock, context and held list."""
    kind = kernel.kind
    if kernel.lock is not None:
        recorded, modelled = str(kernel.lock), str(model.lock) if model.lock is not None else "none"
        if recorded != modelled:
            yield Difference(what=f"{kind}: lock", kernel=recorded, model=modelled)
    if kernel.context != model.context:
        yield Difference(what=f"{kind}: context", kernel=kernel.context, model=model.context or "none")
    if kernel.held is not None and (model.held is None or _names(kernel) != _names(model)):
        modelled = _names(model) if model.held is not None else "not listed"
        yield Difference(what=f"{kind}: held", kernel=_names(kernel), model=modelled)


def _in_reports(recording: Recording, answer: Answer) -> Iterator[Difference]:
    for title in dict.fromkeys(answer.unread):
        yield Difference(what="a report that is not compared", kernel="unknown", model=title)
    assert recording.command is not None
    by_chance = _by_chance(recording.command.question)
    kernel, model = _firsts(recording.reports, by_chance), _firsts(answer.reports, by_chance)
    placed = _by_the_tick(recording.command.question)
    in_order = [[kind for kind in firsts if kind != placed] for firsts in (kernel, model)]
    if in_order[0] != in_order[1] or kernel.keys() != model.keys():
        yield Difference(what="reports", kernel="; ".join(kernel) or "none", model="; ".join(model) or "none")
    for kind in kernel:
        if kind in model:
            yield from _in_report(kernel[kind], model[kind])


def _in_facts(recording: Recording, answer: Answer) -> Iterator[Difference]:
    assert recording.command is not None
    question = recording.command.question
    kernel = facts_of(question, recording.said)
    again = facts_of(question, recording.more)
    model = facts_of(question, answer.said)
    for key, recorded in kernel.items():
        known = recorded | again.get(key, set())
        modelled = model.get(key)
        if modelled is None:
            yield Difference(what="said", kernel=_or(recorded), model=f"nothing of it ({key})")
        elif not modelled <= known:
            yield Difference(what="measured", kernel=_or(known), model=_or(modelled))
    if recording.ended:
        for key, modelled in model.items():
            if key not in kernel and key not in again and key != SIZES:
                yield Difference(what="said", kernel=f"nothing of it ({key})", model=_or(modelled))


def _or(values: set[str]) -> str:
    return " or ".join(sorted(values))


def compare(recording: Recording, answer: Answer) -> Pair:
    """Hold an answer against what was recorded."""
    if answer.not_expressible:
        return Pair(recording=recording, answer=answer)
    if answer.raised:
        raised = Difference(what="the run", kernel="went on", model=f"raised {answer.raised}")
        return Pair(recording=recording, answer=answer, differences=(raised,))
    found = [*_in_reports(recording, answer), *_in_facts(recording, answer)]
    if not recording.fatal and recording.ended != answer.ended:
        words = {True: "comes back", False: "never comes back"}
        found.append(Difference(what="the question", kernel=words[recording.ended], model=words[answer.ended]))
    return Pair(recording=recording, answer=answer, differences=tuple(found))


@attrs.frozen
class Comparison:
    """All questions of a folder, in its order."""

    pairs: tuple[Pair, ...]
    missing: int = 0

    @property
    def agreeing(self) -> int:
        """How many agree."""
        return sum(pair.agrees for pair in self.pairs)

    @property
    def differing(self) -> tuple[Pair, ...]:
        """Those that do not."""
        return tuple(pair for pair in self.pairs if pair.differences)

    @property
    def apart(self) -> tuple[Pair, ...]:
        """Those that could not be put."""
        return tuple(pair for pair in self.pairs if pair.not_expressible)

    def groups(self) -> dict[str, Sequence[Pair]]:
        """The questions by group."""
        found: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault(pair.recording.group, []).append(pair)
        return dict(found)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "asked": len(self.pairs),
            "agreed": self.agreeing,
            "disagreed": len(self.differing),
            "not_expressible": len(self.apart),
            "not_run": self.missing,
            "not_compared": dict(LEFT_OUT),
            "groups": {
                group: {
                    "agreed": sum(pair.agrees for pair in pairs),
                    "disagreed": sum(bool(pair.differences) for pair in pairs),
                    "not_expressible": sum(bool(pair.not_expressible) for pair in pairs),
                }
                for group, pairs in self.groups().items()
            },
            "questions": [pair.as_json() for pair in self.pairs],
        }
