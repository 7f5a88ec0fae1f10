"""Rate limits of messages (lib/ratelimit.c): so many in an interval, the others counted."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class RatelimitState:
    """struct ratelimit_state: at most `burst` in `interval_ns`, an interval beginning with the first message in it."""

    interval_ns: int
    burst: int
    _begin_ns: int | None = None
    _printed: int = 0
    _missed: int = 0

    def ratelimit(self, now_ns: int) -> tuple[bool, int]:
        """__ratelimit(): whether this message may go out, and how many were suppressed in the interval now over."""
        suppressed = 0
        if self._begin_ns is None or now_ns > self._begin_ns + self.interval_ns:
            suppressed, self._missed = self._missed, 0
            self._begin_ns, self._printed = now_ns, 0
        if self._printed < self.burst:
            self._printed += 1
            return True, suppressed
        self._missed += 1
        return False, suppressed
