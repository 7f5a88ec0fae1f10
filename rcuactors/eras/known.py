"""Bugs that a version is known to have: each is a list's line in the version's file.

A report of a run on that version is one of them when kind, function and design fit; any other is news. The list is read
by campaigns of random runs (campaign/), which tell news from what is known.
"""

from __future__ import annotations

import attrs

from ..context.violation import Violation, ViolationKind


@attrs.frozen
class KnownBug:
    """One of them.

    `commit` is the one that mends it. `function` is the kernel function in whose call the report is made, or, where
    freed memory is used, the free was: it stands in that call trace. `designs` are those that have it, none for all.
    When it `spoils` the machine, as who sleeps with a raw lock does, a deadlock may come of it, or objects that nobody
    frees.
    """

    commit: str
    kind: ViolationKind
    function: str
    what: str
    designs: tuple[str, ...] = ()
    spoils: bool = False

    def explains(self, violation: Violation, design: str) -> bool:
        """Whether that report, on a kernel with that design, is this bug."""
        return (
            violation.kind is self.kind
            and (self.function in violation.trace or self.function in _freed_by(violation.text))
            and (not self.designs or design in self.designs)
        )


def _freed_by(text: str) -> list[str]:
    """The call trace of who freed the memory that a report is about, if it has one."""
    lines = [line.strip() for line in text.partition("\n Freed by ")[2].splitlines()[1:]]
    return lines[: next((at for at, line in enumerate(lines) if line.startswith("CPU: ")), len(lines))]
