"""The shape of the rcu_node tree (include/linux/rcu_node_tree.h; kernel/rcu/tree.c, rcu_init_geometry()).

A leaf serves up to rcu_fanout_leaf CPUs, any other node up to rcu_fanout nodes below it, and there are as few levels as
will do, four at most. The CPUs are dealt out evenly: 17 of them with leaves of 16 make one leaf of nine and one of
eight (rcu_init_levelspread(), rcu_fanout_exact=0). It is alike in all versions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from ..config import Config


RCU_FANOUT: Final = 64
RCU_FANOUT_LEAF: Final = 16


@attrs.frozen
class Geometry:
    """rcu_num_lvls, num_rcu_lvl[] and levelspread[]: from the root's level, 0, to that of the leaves."""

    nr_cpus: int
    nodes: tuple[int, ...]
    """How many there are of each level."""
    spread: tuple[int, ...]
    """How many nodes below it one of that level has, or CPUs."""

    leaf_level: int = attrs.field(init=False)
    """That of the leaves, which is the root's, too, where one node does."""

    @leaf_level.default
    def _last_level(self) -> int:
        return len(self.nodes) - 1

    def stride(self, level: int) -> int:
        """How many CPUs a node of that level serves."""
        cpus = 1
        for kids in self.spread[level:]:
            cpus *= kids
        return cpus

    def span(self, level: int, index: int) -> tuple[int, int]:
        """The first CPU and the last of that node (grplo, grphi)."""
        stride = self.stride(level)
        return index * stride, min((index + 1) * stride, self.nr_cpus) - 1


def is_set_by_hand(config: Config) -> bool:
    """The tree has another shape than a kernel's has by itself: somebody wants to see it at work."""
    return (config.rcu_fanout, config.rcu_fanout_leaf) != (RCU_FANOUT, RCU_FANOUT_LEAF)


def rcu_init_geometry(config: Config) -> Geometry:
    """rcu_init_geometry(), and rcu_init_levelspread()."""
    return _geometry(config.nr_cpus, config.rcu_fanout, config.rcu_fanout_leaf)


@cache
def _geometry(nr_cpus: int, rcu_fanout: int, rcu_fanout_leaf: int) -> Geometry:
    capacity = [rcu_fanout_leaf]
    while capacity[-1] < nr_cpus:
        capacity.append(capacity[-1] * rcu_fanout)
    nodes = [-(-nr_cpus // serves) for serves in reversed(capacity)]
    spread: list[int] = []
    below = nr_cpus
    for count in reversed(nodes):
        spread.insert(0, -(-below // count))
        below = count
    return Geometry(nr_cpus, tuple(nodes), tuple(spread))
