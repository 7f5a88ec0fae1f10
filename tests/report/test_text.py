"""Plain text: head line, splats, verdict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors.builds import BUILDS
from rcuactors.config import Config
from rcuactors.context.violation import Violation
from rcuactors.report.text import head_line, result_lines, settings_that_differ, splat_lines, verdict, worth
from rcuactors.runs.result import Result

Made = Callable[..., Result]


def test_the_head_line_of_defaults(made: Made) -> None:
    assert head_line(made()) == "made_up on v6.12, design hrtimer-work, strategy timed, seed 0"


@pytest.mark.parametrize(("kernel", "shown"), [("v5.11", {}), ("v5.9", {"rcu_min_cached_objs": "5"})])
def test_the_versions_own_default_is_no_difference(made: Made, kernel: str, shown: dict[str, str]) -> None:
    assert settings_that_differ(made(kernel=kernel)) == shown


def test_parameters_are_always_shown(made: Made) -> None:
    result = made(parameters={"objects": 5, "careful": True, "text": "x"})
    assert settings_that_differ(result) == {"objects": "5", "careful": "y", "text": "x"}


def test_a_splat_has_the_time_stamps_of_the_kernels_log(violation: Violation) -> None:
    assert splat_lines(violation) == [
        "[    2.000123]",
        "[    2.000123] BUG: double free of an object",
        "[    2.000123]  first freed at one (file.py:3)",
    ]


def test_the_verdict(made: Made, violation: Violation) -> None:
    bad = made(violations=(violation, violation), violation_count=3)
    assert verdict(made()) == (
        "clean (one schedule, in order of time; off: PROVE_RAW_LOCK_NESTING, DEBUG_ATOMIC_SLEEP and 4 more; "
        "worst case: rcuactors check)"
    )
    assert verdict(made(), so_far=True) == "clean so far"
    assert verdict(bad) == "3 violations: double-free"
    assert verdict(made(violations=(violation,), violation_count=1), so_far=True) == "1 violation so far: double-free"


def test_the_verdict_says_what_was_expected_if_that_is_another(made: Made, violation: Violation) -> None:
    bad = made(violations=(violation,), violation_count=1, expected="clean")
    assert verdict(bad) == "1 violation: double-free (expect= says clean)"
    assert verdict(made(expected="leak")).startswith("clean (expect= says leak; one schedule, ")
    assert verdict(made(expected="clean")).startswith("clean (one schedule, ")
    assert verdict(made(expected="leak"), so_far=True) == "clean so far"


def test_clean_is_worth_more_with_more_checks(made: Made) -> None:
    on = {**Config().as_settings(), **BUILDS["all"].settings}
    assert worth(made(config=on))[:2] == ["one schedule, in order of time", "all checks on"]
    assert worth(made(config={**on, "KASAN": "n"}))[1] == "off: KASAN"
    assert worth(made(config={**on, "PROVE_LOCKING": "n"}, strategy="walk"))[:2] == [
        "one schedule, strategy walk",
        "off: PROVE_LOCKING",
    ]


def test_the_order_of_the_lines(made: Made, violation: Violation) -> None:
    lines = result_lines(made(violations=(violation,), violation_count=1))
    assert lines[:4] == [*splat_lines(violation), ""]
    assert lines[4] == "calls             0"
    assert lines[-1] == "1 violation: double-free"


@pytest.mark.parametrize(
    ("every", "count", "said"),
    [
        (False, 20, None),
        (False, 22, "... and 2 more reports (-v prints all that were kept)"),
        (True, 22, None),
        (True, 30, "... and 5 more reports"),
    ],
)
def test_of_many_splats_some_are_left_out(
    made: Made, violation: Violation, every: bool, count: int, said: str | None
) -> None:
    kept = (violation,) * min(count, 25)
    lines = result_lines(made(violations=kept, violation_count=count), every_splat=every)
    shown = sum("BUG: double free" in line for line in lines)
    assert shown == (len(kept) if every else 20)
    assert [line for line in lines if line.startswith("...")] == ([said] if said else [])
