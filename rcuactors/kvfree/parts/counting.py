"""Counting: what krcp->count says when some of what it counted has been moved into a batch.

It goes up by one with each object that is queued. The shrinker answers with it, and some versions arm the monitor by
it. Each is a plain function of what it was and of how many objects were moved.
"""

from __future__ import annotations


def loose(_count: int, _moved: int) -> int:
    """v5.9 to v6.1: zero, also when only some of the channels could be moved; so it may say too little."""
    return 0


def exact(count: int, moved: int) -> int:
    """Since 4c33464ae85e (v6.3): what is left. The kernel has a counter for each channel, and adds them up."""
    return count - moved
