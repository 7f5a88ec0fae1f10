"""Possible states, kept apart by CPU as long as nothing is about two CPUs at once.

What one CPU's struct kfree_rcu_cpu may be has nothing to do with what another's may be, until a shrinker or a barrier
goes through all of them, or a line could be about either. So the set of states is a product of sets, one for some CPUs
each, and only what is joined is multiplied out. A set that is such a product is taken apart again.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from .state import State

GLOBAL = frozenset({"count", "scan", "barrier"})
"""Operations that go through all CPUs."""


@attrs.define(eq=False)
class Factor:
    """Some CPUs, and the states that they may be in. What a state holds of other CPUs means nothing."""

    cpus: frozenset[int]
    states: list[State]


def joined(factors: list[Factor]) -> Factor:
    """One factor of several: each of the states of one with each of the others. All of them are saved."""
    if len(factors) == 1:
        return factors[0]
    states = [
        _product(factors, combination) for combination in itertools.product(*(factor.states for factor in factors))
    ]
    return Factor(frozenset().union(*(factor.cpus for factor in factors)), states)


def _product(factors: list[Factor], states: tuple[State, ...]) -> State:
    saved = list(states[0].saved or ())
    under_way: dict[Any, Any] = {}
    started: dict[int, tuple[int, str]] = {}
    told: dict[Any, Any] = {}
    for factor, state in zip(factors, states, strict=True):
        assert state.saved is not None
        for cpu_id in factor.cpus:
            saved[cpu_id] = state.saved[cpu_id]
        for ctx, stack in state.under_way.items():
            if stack and (ctx not in under_way or under_way[ctx][-1].done):
                under_way[ctx] = [op.copy() for op in stack]
        started |= state.started
        told |= state.told
    return attrs.evolve(
        states[0],
        saved=tuple(saved),
        under_way=under_way,
        started=started,
        read=frozenset().union(*(state.read for state in states)),
        jiffies=max(state.jiffies for state in states),
        told=told,
        doomed=any(state.doomed for state in states),
        trail=tuple(state.trail for state in states),
    )


def taken_apart(factor: Factor) -> list[Factor]:
    """Its CPUs one by one, where it is a product; else itself. All its states are saved."""
    if len(factor.cpus) == 1:
        return [factor]
    for state in factor.states:
        if state.told or any(op.kind in GLOBAL and op.whose < 0 for stack in state.under_way.values() for op in stack):
            return [factor]
    parts = [_of_cpu(factor, cpu_id) for cpu_id in sorted(factor.cpus)]
    number = 1
    for part in parts:
        number *= len(part.states)
    return parts if number == len(factor.states) else [factor]


def _of_cpu(factor: Factor, cpu_id: int) -> Factor:
    found: dict[Any, State] = {}
    for state in factor.states:
        assert state.saved is not None
        mine = attrs.evolve(
            state,
            under_way={ctx: stack for ctx, stack in state.under_way.items() if stack and stack[-1].whose == cpu_id},
            started={at: whose for at, whose in state.started.items() if whose[0] == cpu_id},
        )
        key = (state.saved[cpu_id], *mine.key()[1:])
        other = found.get(key)
        if other is None or mine.jiffies < other.jiffies:
            found[key] = mine
    return Factor(frozenset({cpu_id}), [_alone(state) for state in found.values()])


def _alone(state: State) -> State:
    return attrs.evolve(state, under_way={ctx: [op.copy() for op in stack] for ctx, stack in state.under_way.items()})
