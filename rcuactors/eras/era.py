"""What a version is: a name, what it says of itself, the design that it ships, and its rules."""

from __future__ import annotations

import attrs

from ..kvfree.rules import EraRules


@attrs.frozen(kw_only=True)
class Era:
    """One version.

    `release` is what `uname -r` and splats say; `design` is how it gets pages unless the user chooses otherwise.
    """

    name: str
    release: str
    about: str
    design: str
    rules: EraRules
