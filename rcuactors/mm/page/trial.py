"""Pages given back to a CPU's list, tried out: what would become of it, and of the zone.

free_unref_page_commit() and free_pcppages_bulk() (mm/page_alloc.c), by the rules that the zone has picked, without a
thread, a lock or a page.
"""

from __future__ import annotations

import attrs

from .page_lists import PageList
from .zone import Zone


def give_back(zone: Zone, pages: PageList, others: int, free: int, count: int) -> tuple[list[int], int]:
    """free_unref_page() of `count` pages, with `others` on the list and `free` in the zone before.

    Returns how many had gone to the zone after each, and pcp->count at the end.
    """
    flags, sizes = zone.flags, zone.sizes
    noted = flags.below_high
    own = len(pages.pages)
    tried = attrs.evolve(pages, pages=[0] * own, others=others)
    gone, given = list[int](), 0
    for _ in range(count):
        tried.pages.append(0)
        limit = sizes.limit(tried)
        if tried.count >= limit:
            wanted = min(sizes.to_free(tried, limit), tried.count)
            mine = zone.own_of_bulk(len(tried.pages), tried.others, wanted)
            del tried.pages[:mine]
            tried.others -= wanted - mine
            given += wanted
            flags.below_high = flags.below_high and free + given <= zone.watermark_high
        gone.append(given)
    flags.below_high = noted
    return gone, tried.count
