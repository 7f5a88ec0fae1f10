"""A cell of the verdict table: what the probes of all seeds found, as one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs

from .probe import Fill, Finding

LEGAL: Final = "legal"
DRY_MARK: Final = "~"
LOW_MARK: Final = "-"
LATE_MARK: Final = "+"

WHEN: Final = MappingProxyType({DRY_MARK: "the pcplist runs dry", LOW_MARK: "memory is short"})
"""What a mark says."""

AT_THE_END: Final = frozenset({"never-freed", "leak"})
"""Kinds that are found when the machine is idle at last: they say what a design keeps, not where it may be called."""

WORDS: Final = MappingProxyType(
    {
        "invalid-wait-context": "wait-ctx",
        "scheduling-while-atomic": "atomic",
        "sleeping-function": "sleeps",
        "recursive-locking": "recursion",
        "circular-locking": "circular",
        "inconsistent-lock-state": "lock-state",
        "irq-lock-inversion": "inversion",
        "safe-unsafe-lock-order": "lock-order",
        "bad-unlock": "bad-unlock",
        "lock-held-at-exit": "lock-held",
        "held-lock-freed": "lock-freed",
        "suspicious-rcu": "susp-rcu",
        "voluntary-switch-in-reader": "rcu-switch",
        "rtmutex-deadlock": "rt-deadlk",
        "use-after-free": "use-free",
        "double-free": "dbl-free",
        "never-freed": "not-freed",
        "null-dereference": "oops",
        "out-of-memory": "OOM",
        "page-allocation-failure": "no-page",
        "bad-context": "bad-ctx",
        "preemptible-cpu-id": "cpu-id",
        "foreign-cpu-state": "cpu-state",
        "rcu-stall": "rcu-stall",
    }
)
"""Kinds of report as a narrow column has them; the others are short as they are."""


def word_of(kind: str) -> str:
    """A kind of report in a narrow column."""
    return WORDS.get(kind, kind)[:10]


_NAMED: Final = 5
"""Seeds that are named one by one."""


@attrs.frozen(kw_only=True)
class Verdict:
    """Legal (`kind` is empty), or the first report; `fatal` is the kind after which nothing went on, if any.

    `dry` says that no probe with a filled page list found anything, unless the zone was low: legal until the pcplist
    runs dry. `low` says that only those in a low zone did: legal until memory is short, and kswapd is woken. Of
    `seeds` runs `failed` were not legal, those with the seeds `failing`. `late` is what was found only when nothing ran
    any more.
    """

    kind: str = ""
    title: str = ""
    fatal: str = ""
    way: str = ""
    dry: bool = False
    low: bool = False
    late: str = ""
    failed: int = 0
    seeds: int = 1
    failing: tuple[int, ...] = ()

    @property
    def legal(self) -> bool:
        """Nothing was reported while anything ran."""
        return not self.kind

    @property
    def keeps(self) -> bool:
        """Objects were left over when nothing ran any more, of which nothing had died."""
        return bool(self.late) or (self.kind in AT_THE_END and not self.fatal)

    @property
    def rank(self) -> int:
        """How bad it is."""
        if self.legal:
            return int(bool(self.late))
        return 2 + bool(self.fatal) + 2 * (not self.low) + 2 * (not self.low and not self.dry)

    @property
    def mark(self) -> str:
        """What stands before the word: when it comes to this."""
        return DRY_MARK if self.dry else LOW_MARK if self.low else ""

    @property
    def word(self) -> str:
        """A narrow column's text: what the machine died of, or else the first report."""
        if self.legal:
            return f"{LEGAL}{LATE_MARK if self.late else ''}"
        share = f" {self.failed}/{self.seeds}" if self.seeds > 1 else ""
        return f"{self.mark}{word_of(self.fatal or self.kind)}{share}"

    def sentence(self) -> str:
        """The whole verdict."""
        if self.legal:
            return f"{LEGAL}, but at the end {self.late}" if self.late else LEGAL
        when = f"legal until {WHEN[self.mark]}, then " if self.mark else ""
        after = f", then {self.fatal}" if self.fatal and self.fatal != self.kind else ""
        share = f" (in {self.failed} of {self.seeds} seeds: {seeds_named(self.failing)})" if self.seeds > 1 else ""
        return f"{when}{self.kind}{after}{share}: {self.title}"

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"verdict": self.kind or LEGAL, **attrs.asdict(self)}


def seeds_named(seeds: Sequence[int]) -> str:
    """The first of them, for a line of text."""
    more = f" and {len(seeds) - _NAMED} more" if len(seeds) > _NAMED else ""
    return ", ".join(map(str, seeds[:_NAMED])) + more


def verdict_of(by_seed: Mapping[int, Sequence[Finding]]) -> Verdict:
    """The worst over the seeds, and in which there was anything."""
    single = {seed: _of_one(findings) for seed, findings in by_seed.items()}
    worst = max(single.values(), key=lambda verdict: verdict.rank)
    failing = tuple(seed for seed, verdict in single.items() if not verdict.legal)
    return attrs.evolve(worst, failed=len(failing), seeds=len(single), failing=failing)


def _of_one(findings: Sequence[Finding]) -> Verdict:
    wrong = [finding for finding in findings if not finding.legal and finding.kind not in AT_THE_END]
    if not wrong:
        late = next((finding for finding in findings if not finding.legal), None)
        return Verdict(late=f"{late.kind}: {late.title}") if late is not None else Verdict()
    # What is wrong with a filled list is told first, then with an empty one, then in a low zone; what the machine dies
    # of with an empty one is told, whenever that is.
    fill = next(fill for fill in Fill if any(finding.fill == fill.value for finding in wrong))
    telling = [finding for finding in wrong if finding.fill == fill.value]
    first = next((finding for finding in telling if finding.fatal), telling[0])
    dies = (finding.fatal for finding in wrong if finding.fatal and finding.fill != Fill.LOW.value)
    fatal = first.fatal or next(dies, "")
    return Verdict(
        kind=first.kind,
        title=first.title,
        fatal=fatal,
        way=first.way,
        dry=fill is Fill.EMPTY,
        low=fill is Fill.LOW,
        failed=1,
    )
