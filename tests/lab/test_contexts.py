"""lab/contexts.py: each way runs the body once, in the context that it says, and leaves nothing behind."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.builds import BUILDS
from rcuactors.lab.contexts import CONTEXTS, Off, State, Where


def found_by(k: Kernel) -> State:
    """What the kernel itself answers."""
    off = Off.NOTHING
    if k.in_atomic():
        off |= Off.PREEMPTION
    if k.in_interrupt():
        off |= Off.BH
    if k.irqs_disabled():
        off |= Off.IRQS
    if k.in_nmi():
        return State(Where.NMI, off)
    if k.in_hardirq():
        return State(Where.HARDIRQ, off)
    return State(Where.SOFTIRQ if k.in_serving_softirq() else Where.TASK, off)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", CONTEXTS)
def test_the_body_runs_once_and_finds_what_is_promised(name: str, build: str) -> None:
    context = CONTEXTS[name]
    seen: list[State] = []

    async def script(k: Kernel) -> None:
        async def body() -> None:
            seen.append(found_by(k))

        before = found_by(k)
        await context.enter(k, body)
        assert seen, "it comes back when the body is done"
        assert found_by(k) == before == State(Where.TASK, Off.NOTHING)

    result = run(scenario()(script), **BUILDS[build].settings)
    assert result.clean
    assert seen == [context.state(rt=build == "rt")]


def test_the_contexts_differ_and_have_their_names() -> None:
    assert all(name == context.name and context.about for name, context in CONTEXTS.items())
    assert len({context.about for context in CONTEXTS.values()}) == len(CONTEXTS)
    assert len({context.enter for context in CONTEXTS.values()}) == len(CONTEXTS)
    assert {context.found.where for context in CONTEXTS.values()} == set(Where)


@pytest.mark.parametrize("name", [name for name, context in CONTEXTS.items() if context.enter_later])
def test_what_is_done_beforehand_is_done_shortly_before(name: str) -> None:
    context = CONTEXTS[name]
    times: list[int] = []

    async def script(k: Kernel) -> None:
        async def note() -> None:
            times.append(k.now)

        times.append(k.now)
        assert context.enter_later is not None
        await context.enter_later(k, note, note)

    assert run(scenario()(script)).clean
    began, before, body = times
    assert body - before < 100_000 < before - began


@pytest.mark.parametrize("name", [name for name, context in CONTEXTS.items() if context.found.where is Where.TASK])
def test_a_sleep_is_reported_where_preemption_is_off(name: str) -> None:
    """Off.PREEMPTION is what might_sleep() goes by, with interrupts off as well."""

    async def script(k: Kernel) -> None:
        async def body() -> None:
            k.might_sleep()

        await CONTEXTS[name].enter(k, body)

    result = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y")
    off = CONTEXTS[name].found.off
    # might_sleep() also looks at rcu_preempt_depth(), which is not about what is off.
    assert result.clean == (not off & (Off.PREEMPTION | Off.IRQS) and name != "rcu_read")
