"""a3: what the machine had done to the zone before it was asked, from the "before:" line that a kernel printed.

That line has the zone's free pages and pcp->count, which is of all migrate types. What it does not have is how many of
those are of the type that the question asks for (MIGRATE_UNMOVABLE). The module has just given pages back, and each
that was one too many for the list sent others to the zone, of its own type first (free_pcppages_bulk()). So it is tried
out, by the version's own rules: with how many pages of other types on the list, and how many in the zone, before the
pages were given back, does the line come out as it was printed? What the list then has of the type that is asked for is
the rules' answer, and not the recording's.
"""

from __future__ import annotations

import attrs

from ..mm.page.page_lists import PageList
from ..mm.page.trial import give_back
from ..mm.page.zone import Zone

_AS_FAR_AS = 300
"""How far, in pages, from what is likely."""


@attrs.frozen(kw_only=True)
class Before:
    """The line, in pages: what the zone has free, its min watermark, and pcp->count of the CPU."""

    free: int
    min: int
    listed: int


@attrs.frozen(kw_only=True)
class Past:
    """Before the pages are given back: pages of other types on the CPU's list, and the zone's free ones.

    `free` is None where so many that it decides nothing were free.
    """

    others: int
    free: int | None


def past_of(zone: Zone, pages: PageList, count: int, before: Before, *, is_low: bool) -> Past:
    """What must have been, that giving back `count` pages ends in that line; what is likely, if nothing fits.

    `pages.others` is what is likely; of several that fit it is the nearest. `is_low`: the zone was emptied first.
    """
    likely, free = pages.others, before.free if is_low else None
    tries = sorted(range(max(0, likely - _AS_FAR_AS), likely + _AS_FAR_AS), key=lambda others: abs(others - likely))
    for others in tries:
        # As if it were never enough, so that each number that may have gone is among these.
        most, _ = give_back(zone, pages, others, -zone.managed if is_low else zone.free, count)
        for given in {0, *most}:
            if len(pages.pages) + others + count - given != before.listed:
                continue
            had = free - given if free is not None else zone.free
            gone, listed = give_back(zone, pages, others, had, count)
            if (listed, gone[-1]) == (before.listed, given):
                return Past(others=others, free=had if is_low else None)
    if free is None:
        return Past(others=likely, free=None)
    gone, _ = give_back(zone, pages, likely, free, count)
    return Past(others=likely, free=free - gone[-1])
