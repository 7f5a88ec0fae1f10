"""What lockdep has validated: its classes with what is known of them, and the chains in which they were held.

Of one run it is what a kernel knows since boot. Who makes many runs of one thing may have each go on from what silent
ones before it have left (`Kept`), so that it need not validate again what they have.

Why nothing is lost by that: lockdep reports two things that do not go together, a lock's use and another use, a path
and the path back, and it does so when the second is seen, whichever that is. What silent runs have left has no two
such things in it, and a run that goes on from there and stays silent adds none. Whatever that run would have known by
itself is among that, class by class, so it would have been silent, too. Which class is which is told by name, type and
the how manieth of these it is in its run: any other way that gives each class of a run one of its own would do.

And nothing is made up: what is reported in a run that has gone on from others counts for nothing; that run is made
again by itself (runs/plain.py), and what was kept is thrown away. So is what a run leaves that did not come to its
end, or in which something was validated that hangs on more than what is remembered of it: an interrupt's readers may
share a lock in two ways that leave one and the same mark, and a nest lock is this or that lock. What is kept is only of
use under the same rules, where a chain is told by the ways in which its locks were taken (v5.10 on).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from ...config import Config
    from ..locks import LockClass
    from .chains import ChainNode
    from .rules import LockdepRules

_LONGEST_PAUSE: Final = 16
"""In runs: so that where each second run is silent, little is made twice."""


@attrs.define(eq=False)
class Validated:
    """Classes by sort, in the order in which a run asks for them, and the tree of chains.

    `from_before`: runs before this one have left it. `alone`: something in it is of no use to any other run.
    """

    chains: dict[int, ChainNode] = attrs.field(factory=dict)
    from_before: bool = False
    alone: bool = False
    classes: defaultdict[Hashable, list[LockClass]] = attrs.field(factory=lambda: defaultdict(list))

    def forget_locks(self) -> None:
        """What was held is the run's that has held it."""
        below = list(self.chains.values())
        while below:
            node = below.pop()
            node.last = None
            below += node.children.values()


@attrs.define(eq=False)
class Kept:
    """What silent runs have left for the next one of the same kind.

    Each time that a run was made in vain, more runs go by before anything is kept again.
    """

    _left: Validated | None = None
    _kind: tuple[LockdepRules, Config] | None = None
    _pause: int = 0
    _to_go: int = 0

    def take(self, rules: LockdepRules, config: Config) -> Validated:
        """What a run begins with. Nobody else has it then, until it is left for the next one."""
        left, self._left = self._left, None
        return left if left is not None and self._kind == (rules, config) else Validated()

    def leave(self, validated: Validated, rules: LockdepRules, config: Config) -> None:
        """A silent run has come to its end with that."""
        if self._to_go:
            self._to_go -= 1
        elif not validated.alone and rules.chains_tell_readers and rules.readers_are_dependencies:
            validated.forget_locks()
            validated.from_before = True
            self._left, self._kind = validated, (rules, config)

    def in_vain(self) -> None:
        """A run that had begun with what was kept is to be made again."""
        self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
        self._to_go = self._pause
