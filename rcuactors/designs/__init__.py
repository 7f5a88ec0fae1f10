"""The debated ways to get a page for a new block, one short file each, behind `kvfree.rules.PageSource`."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BadInput
from ..kvfree.rules import PageSource
from .direct import Direct
from .hrtimer_work import HrtimerWork
from .skip_on_rt import SkipOnRt

DESIGNS: dict[str, Callable[[], PageSource]] = {design.name: design for design in (Direct, SkipOnRt, HrtimerWork)}


def make_design(name: str) -> PageSource:
    """The design of that name. Raises BadInput."""
    if name not in DESIGNS:
        raise BadInput(f"design {name}: there are {', '.join(DESIGNS)}")
    return DESIGNS[name]()
