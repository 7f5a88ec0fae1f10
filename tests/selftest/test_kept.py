"""context/lockdep/validated.py on the selftest's programs: what silent ones leave changes no verdict of later ones.

All programs have the same few locks, so that each is at odds with many others: no worse company could be drawn.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from rcuactors.context.lockdep.validated import Kept
from rcuactors.context.lockdep.validator import Lockdep
from rcuactors.context.violation import Violation
from rcuactors.selftest.rows import sections
from rcuactors.selftest.runner import CONFIG, RULES, Bench

PROGRAMS = sorted({case.program for part in sections() for row in part.rows for case in row.cells if case is not None})
ORDERS = 12


def alone(program: str) -> Violation | None:
    return Bench(Lockdep).run(program)


def told(found: Violation | None) -> str | None:
    """What, and of which lock; the text has the lines of this file in it."""
    return None if found is None else f"{found.kind.value}: {found.title}"


def verdicts_after_others(
    run: Callable[[Kept, str, Counter[str]], Violation | None], count: Counter[str]
) -> list[tuple[str, str | None, str | None]]:
    """Programs whose verdict after others is another one than by themselves: which, and both verdicts."""
    expected = {program: told(alone(program)) for program in PROGRAMS}
    differ = []
    for seed in range(ORDERS):
        kept, drawn = Kept(), random.Random(seed)
        for program in drawn.choices(PROGRAMS, k=len(PROGRAMS)):
            found = told(run(kept, program, count))
            if found != expected[program]:
                differ.append((program, expected[program], found))
    return differ


def filtered(kept: Kept, program: str, count: Counter[str]) -> Violation | None:
    """As runs/plain.py does it."""
    validated = kept.take(RULES, CONFIG)
    found = Bench(Lockdep, validated).run(program)
    count["from before"] += validated.from_before
    if found is None:
        count["silent, from before"] += validated.from_before
        kept.leave(validated, RULES, CONFIG)
        return None
    if not validated.from_before:
        return found
    count["in vain"] += 1
    kept.in_vain()
    return alone(program)


def test_verdicts_are_those_of_programs_by_themselves() -> None:
    count: Counter[str] = Counter()
    assert verdicts_after_others(filtered, count) == []
    assert min(count["from before"], count["silent, from before"], count["in vain"]) > 20


def test_believing_what_is_reported_after_others_would_make_up_reports() -> None:
    def believing(kept: Kept, program: str, _count: Counter[str]) -> Violation | None:
        validated = kept.take(RULES, CONFIG)
        found = Bench(Lockdep, validated).run(program)
        if found is None:
            kept.leave(validated, RULES, CONFIG)
        return found

    differ = verdicts_after_others(believing, Counter())
    assert any(expected is None for _, expected, _ in differ)


def test_keeping_what_was_reported_would_lose_reports() -> None:
    def keeping(kept: Kept, program: str, count: Counter[str]) -> Violation | None:
        validated = kept.take(RULES, CONFIG)
        found = Bench(Lockdep, validated).run(program)
        kept.leave(validated, RULES, CONFIG)
        return alone(program) if found is not None and validated.from_before else found

    differ = verdicts_after_others(keeping, Counter())
    assert any(found is None for _, _, found in differ)


@pytest.mark.parametrize(
    ("program", "kept_for_others"),
    [
        ("spin_lock(A) U(A)", True),
        ("read_lock(A) U(A) down_read(B) U(B)", True),
        ("HARDIRQ_NOT_THREADED{ read_lock(A) U(A) }", True),
        ("spin_lock(N) spin_lock_nest_lock(A,N) U(A) U(N)", False),
    ],
)
def test_what_hangs_on_more_than_is_remembered_is_of_no_use_to_others(program: str, kept_for_others: bool) -> None:
    kept = Kept()
    validated = kept.take(RULES, CONFIG)
    Bench(Lockdep, validated).run(program)
    kept.leave(validated, RULES, CONFIG)
    assert kept.take(RULES, CONFIG).from_before is kept_for_others


def test_nobody_has_what_is_in_use() -> None:
    kept = Kept()
    first = kept.take(RULES, CONFIG)
    kept.leave(first, RULES, CONFIG)
    again = kept.take(RULES, CONFIG)
    assert again is first
    assert kept.take(RULES, CONFIG) is not first


def other(**changed: Any) -> tuple[Any, Any]:
    import attrs

    return attrs.evolve(RULES, **changed), CONFIG


@pytest.mark.parametrize("rule", ["chains_tell_readers", "readers_are_dependencies"])
def test_under_rules_where_order_matters_nothing_is_kept(rule: str) -> None:
    kept, (rules, config) = Kept(), other(**{rule: False})
    kept.leave(kept.take(rules, config), rules, config)
    assert not kept.take(rules, config).from_before


def test_other_rules_begin_anew() -> None:
    kept, (rules, config) = Kept(), other(first_lock_is_checked=not RULES.first_lock_is_checked)
    kept.leave(kept.take(RULES, CONFIG), RULES, CONFIG)
    assert not kept.take(rules, config).from_before


def test_in_vain_is_followed_by_a_pause() -> None:
    kept = Kept()
    for pause in (1, 3, 7, 15, 16, 16):
        kept.in_vain()
        for _ in range(pause):
            kept.leave(kept.take(RULES, CONFIG), RULES, CONFIG)
            assert not kept.take(RULES, CONFIG).from_before
        kept.leave(kept.take(RULES, CONFIG), RULES, CONFIG)
        assert kept.take(RULES, CONFIG).from_before
