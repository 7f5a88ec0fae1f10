"""What the module measured, as facts that can be compared: counts, orders, what was returned; no times.

A fact has a key, which says what was asked, and a value. Where the module measured the same thing several times, the
values are a set: a kernel that answered now this and now that answered both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from ..context.preempt import HARDIRQ_MASK, PREEMPT_MASK, SOFTIRQ_OFFSET
from ..report.console import Said
from .words import Question

Facts = dict[str, set[str]]
Fact = tuple[str, str]

_NOISE: Final = re.compile(r"^(?:CMD |END |ready |before: |after: |hog: |no such )")
_TIME: Final = re.compile(r"\b\d+ us\b|@\d+")
_WHO: Final = re.compile(r"\bpid \d+ \S+?(?=[ ,])")
_COUNT: Final = re.compile(r"(?<=\bpreempt_count )(?P<count>[0-9a-f]+)(?= irqs_disabled \d rcu depth)")
_IN_INTERRUPT: Final = HARDIRQ_MASK | SOFTIRQ_OFFSET
_POINTER: Final = re.compile(r"(?<=: )(?:ff[0-9a-f]{14}|a pointer)\b")
_NUMBER: Final = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b|-\d+\b")
SIZES: Final = "BATCH sizes"
"""A fact that only a kernel has whose callbacks run in a softirq."""

_JIFFIES: Final = ((1, "less than a jiffy"), (10, "some jiffies"), (100, "tens of jiffies"))
_BY_COUNT: Final = 10_000
"""From so many callbacks on rcu_do_batch() looks at the time (qhimark): sizes are the machine's."""
_WORK_US: Final = 20_000
_SERIAL: Final = 0.75
_VMSTAT_DRIFT: Final = 125
"""MAX_THRESHOLD of calculate_normal_threshold() (mm/vmstat.c)."""
_OF_THE_WRITER: Final = re.compile(r"sb_writers\b")
"""What vfs_write() holds of whoever puts the question. Recorded once, by 6.12 with PREEMPT_RT for v=ipi, whose
interrupt hit that process; all other hardirqs of op=dump, on both kernels, hit a thread that held nothing."""


def _plain(said: Iterable[Said]) -> Iterator[Fact]:
    """Every line by itself: its words are the key, its numbers are the value."""
    seen: Counter[str] = Counter()
    for one in said:
        text = _POINTER.sub("a pointer", _TIME.sub("", _WHO.sub("", _COUNT.sub(_without_thread, one.text))))
        text = " ".join(text.split())
        key = _NUMBER.sub("#", text)
        seen[key] += 1
        yield (f"{key} [{seen[key]}]" if seen[key] > 1 else key), text
        if one.held is not None:
            names = [str(lock.name) for lock in one.held]
            if _hits_somebody(one.text):
                names = [name for name in names if not _OF_THE_WRITER.match(name)]
            yield f"{key}: held", ", ".join(names) or "nothing"


def _hits_somebody(text: str) -> bool:
    """A hardirq tells of the thread that it has hit, which is a matter of the instant."""
    found = _COUNT.search(text)
    return found is not None and bool(int(found["count"], 16) & HARDIRQ_MASK)


def _without_thread(found: re.Match[str]) -> str:
    """A preempt_count without that of the thread below an interrupt: whom one hits is a matter of the instant."""
    count = int(found["count"], 16)
    return f"{count & ~PREEMPT_MASK if count & _IN_INTERRUPT else count:x}"


def _outcome(prefix: str, pattern: str) -> Callable[[Iterable[Said]], Iterator[Fact]]:
    """One fact for all lines that begin so: what the pattern finds in them."""
    found = re.compile(pattern)

    def facts(said: Iterable[Said]) -> Iterator[Fact]:
        for one in said:
            outcome = found.search(one.text) if one.text.startswith(prefix) else None
            if outcome is not None:
                yield prefix, outcome[1]

    return facts


def _two(said: Iterable[Said]) -> Iterator[Fact]:
    """a7 v=two: whether one CPU waited for the other."""
    times = re.compile(r"asked (\d{1,18}) got (\d{1,18}) left")
    for one in said:
        waited = [int(got) - int(asked) > _WORK_US for asked, got in times.findall(one.text)]
        if waited:
            yield "A7 two CPUs", "one waits for the other" if any(waited) else "nobody waits"
        elif not one.text.startswith("A7 cpu"):
            yield from _plain([one])


def _grace_periods(said: Iterable[Said]) -> Iterator[Fact]:
    """a9: about how many jiffies the usual one took."""
    took: list[int] = []
    jiffy = 4000
    for one in said:
        head = re.search(r": HZ ([1-9]\d{0,5}), online CPUs (\d{1,9}), n (\d{1,9}): min \d+ mean (\d{1,18})", one.text)
        if head is not None:
            jiffy = 1_000_000 // int(head[1])
            yield "A9 online CPUs", head[2]
            yield "A9 n", head[3]
        elif one.text.startswith("A9 "):
            took += [int(word) for word in one.text.split()[1:]]
    if took:
        median = sorted(took)[len(took) // 2]
        yield "A9", next((word for most, word in _JIFFIES if median < most * jiffy), "hundreds of jiffies")


def _stalled(said: Iterable[Said], question: Question) -> Iterator[Fact]:
    """f8: whether synchronize_rcu() waited for as long as the reader lasted."""
    for one in said:
        took = re.search(r"synchronize_rcu took (\d{1,18}) us", one.text)
        if took is None:
            yield from _plain([one])
        else:
            waited = int(took[1]) >= question.number("s") * 900_000
            yield "F8 synchronize_rcu", "waited for the reader" if waited else "did not wait for it"


def _batches(said: Iterable[Said], question: Question) -> Iterator[Fact]:
    """batch: how many ran; and below the number at which the time counts, in runs of which sizes.

    With interrupts on ticks come while they are queued, and begin grace periods for those that are: where they cut is
    the clock's matter, so that what is left over runs in shorter runs. That the ticks do that is inferred; recorded are
    100 runs of 10 on 6.1, and 99 of 10 and one each of 3 and 7 on 6.12. Compared are the usual size and the largest.
    """
    sizes: list[int] = []
    total, by_thread = 0, False
    for one in said:
        head = re.search(r"BATCH n=(\d{1,18}) CPU \w+: (\d{1,18}) callbacks ran", one.text)
        if head is not None:
            total = int(head[1])
            yield "BATCH callbacks ran", head[2]
        elif one.text.startswith("BATCH"):
            sizes += [int(size) for size in re.findall(r" (\d{1,18})\(\w\)@", one.text)]
            by_thread = by_thread or "(r)" in one.text
    if by_thread:
        # PREEMPT_RT's rcuc: a thread's runs are no softirqs to count, and the module told them apart by time.
        return
    if sizes and total <= _BY_COUNT:
        usual = Counter(sizes).most_common(1)[0][0]
        limits = dict.fromkeys((usual, max(sizes)) if question.word("irqon") == "1" else sizes)
        yield SIZES, ", ".join(str(size) for size in limits)
    elif sizes:
        yield SIZES, "several runs" if len(sizes) > 1 else "one run"


def _order(said: Iterable[Said], question: Question) -> Iterator[Fact]:
    """word: the works, whether they ran beside each other, and on the CPU that queued them."""
    for one in said:
        works = [(int(work), int(at), cpu) for work, at, cpu in re.findall(r"(\d)@(\d{1,18})/cpu(\d)", one.text)]
        if not works:
            continue
        starts = sorted(at for _, at, _ in works)
        how = question.word("how")
        apart = all(later - at >= _WORK_US * _SERIAL for at, later in pairwise(starts))
        yield "word works that ran", str(len(works))
        if how in ("sleep", "spin"):
            yield "word", "one after the other" if apart else "beside each other"
        if apart or how != "sleep":
            yield "word order", " ".join(str(work) for work, _, _ in works)
        if question.word("wq") in ("own", "hi"):
            yield "word CPUs", " ".join(sorted({cpu for _, _, cpu in works}))


def _without_counts(said: Iterable[Said], *patterns: str) -> Iterator[Fact]:
    """Every line by itself, without what these patterns match."""
    lines: list[Said] = []
    for one in said:
        text = one.text
        for pattern in patterns:
            text = re.sub(pattern, "", text)
        if text.strip():
            lines.append(Said(text, one.held))
    return _plain(lines)


def _pages(said: Iterable[Said]) -> Iterator[Fact]:
    """a3: how many pages were had, unless the zone was at its watermark.

    There it is the counters of the CPUs that decide, of which the zone's sum knows nothing yet (mm/vmstat.c).
    """
    at_mark, lines = False, list[Said]()
    for one in said:
        zone = re.search(r"before: zone \w+ free (\d{1,18}) min (\d{1,18})", one.text)
        if zone is not None:
            at_mark = int(zone[1]) < int(zone[2]) + _VMSTAT_DRIFT
        elif not _NOISE.match(one.text):
            text = re.sub(r"\bgot \d+ of", "got some of", one.text) if at_mark else one.text
            lines.append(Said(text, one.held))
    return _plain(lines)


_READERS: Final[Mapping[str, Callable[[Iterable[Said], Question], Iterator[Fact]]]] = MappingProxyType(
    {
        "a1": lambda said, _: _outcome("A1", r"=> (BEFORE|after)")(said),
        "a8": lambda said, _: _outcome("A8", r"=> (BEFORE|after)")(said),
        "a3": lambda said, _: _pages(said),
        # Whether there was something left to wait for: the worker may have been faster.
        "a4b": lambda said, _: _without_counts(said, r"^A4b flush_delayed_work\(\), timer pending += \d"),
        "a4d": lambda said, _: _without_counts(said, r"tries \d+: ", r"(?<=true )\d+", r"(?<=false )\d+(?= \()"),
        "a4e": lambda said, _: _outcome("A4e", r"=> (did not wait|WAITED)")(said),
        "a7": lambda said, _: _two(said),
        "a9": lambda said, _: _grace_periods(said),
        "a10": lambda said, _: _without_counts(said, r"^msleep\(1\) .*"),
        "f8": _stalled,
        "f9": lambda said, _: _without_counts(said, r"(?<=after )\d+( pages)?", r"gfp 0x[0-9a-f]+"),
        "batch": _batches,
        "word": _order,
    }
)
"""How what a verb said is read, where that is not line by line."""


LEFT_OUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "a3": "how many pages a zone at its watermark gave",
        "a4b": "what flush_delayed_work() returned with its timer pending",
        "a4d": "how often; whether ever is compared",
        "a9": "how long, but for the order of magnitude in jiffies",
        "a10": "what msleep(1) took",
        "batch": f"sizes of batches above {_BY_COUNT:,} callbacks, of those that PREEMPT_RT's rcuc invokes, and with "
        "interrupts on of what a tick has cut off",
        "a6": "v=unbal: ahead of which report, or behind which, the tick's comes",
        "f5": "locks of the process that asks, if a hardirq hits it; whether a tick comes behind a callback that slept",
        "f8": "how long, but for whether the reader was waited for",
        "f9": "after how many pages, and the gfp flags as a number",
        "m": "whether a tick finds an RCU nesting below zero (rcu_sched_clock_irq())",
        "word": "when the works began, but for whether beside each other",
    }
)
"""What of a verb's measurements is in no comparison, besides times, addresses and PIDs."""


def facts_of(question: Question, said: Iterable[Said]) -> Facts:
    """The facts, in the order in which they were said."""
    lines = [one for one in said if question.verb.name == "a3" or not _NOISE.match(one.text)]
    facts: Facts = {}
    read = _READERS.get(question.verb.name)
    for key, value in read(lines, question) if read is not None else _plain(lines):
        facts.setdefault(key, set()).add(value)
    return facts


def shown(facts: Mapping[str, set[str]]) -> Mapping[str, str]:
    """The facts as text, each with all its values."""
    return MappingProxyType({key: " or ".join(sorted(values)) for key, values in facts.items()})
