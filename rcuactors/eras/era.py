"""What a version is: a name, what it says of itself, the design that it ships, and its rules."""

from __future__ import annotations

import attrs

from ..kvfree.rules import EraRules
from .known import KnownBug


@attrs.frozen(kw_only=True)
class Era:
    """One version.

    `release` is what `uname -r` and splats say; `design` is how it gets pages unless the user chooses otherwise.
    `known_bugs` are what it is known to do wrong: a report that is none of them is news.
    """

    name: str
    release: str
    about: str
    design: str
    rules: EraRules
    known_bugs: tuple[KnownBug, ...] = ()
