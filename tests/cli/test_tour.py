"""`rcuactors tour`: one screen, with what it says that it has; and each command that it names works."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from click.testing import Result

Call = Callable[..., Result]


def test_a_report_then_clean_then_what_is_next(call: Call) -> None:
    result = call("tour")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) <= 40
    report = next(number for number, line in enumerate(lines) if "[ BUG: Invalid wait context ]" in line)
    clean = next(number for number, line in enumerate(lines) if line.startswith("On v7.3, the same: clean ("))
    assert 0 < report < clean < lines.index("Next:")


def test_each_command_that_it_names_works(call: Call) -> None:
    lines = call("tour").stdout.splitlines()
    named = [line.strip().partition("  ")[0] for line in lines[lines.index("Next:") + 1 :]]
    assert len(named) == 5
    for words in map(shlex.split, named):
        assert words[0] == "rcuactors"
        short = ["--kernels", "v7.3", "--schedules", "4"] if words[1] == "check" else []
        assert call(*words[1:], *short).exit_code in (0, 1)
