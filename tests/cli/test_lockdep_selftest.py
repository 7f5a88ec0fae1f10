"""`rcuactors lockdep selftest`, and the group that it belongs to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from rcuactors.context.lockdep import chain_validation
from rcuactors.selftest import run_selftest, selftest_lines

Call = Callable[..., Result]


def test_prints_the_table(call: Call) -> None:
    result = call("lockdep", "selftest")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == selftest_lines(run_selftest())
    assert result.stdout.splitlines()[-1].startswith("Good, all ")
    assert result.stderr == ""


def test_a_wrong_verdict_is_exit_code_1(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_validation, "check_noncircular", lambda *_args: None)
    result = call("lockdep", "selftest")
    assert result.exit_code == 1, result.output
    assert "FAILED|" in result.stdout
    assert "unexpected failures" in result.stdout.splitlines()[-1]


def test_in_a_process_of_its_own(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command("lockdep", "selftest")
    assert (code, err) == (0, "")
    assert out.splitlines() == selftest_lines(run_selftest())


def test_help_names_the_commands(call: Call) -> None:
    assert "selftest" in call("lockdep", "--help").stdout


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ((), "lockdep needs a command: selftest"),
        (("selftests",), "command selftests: did you mean selftest?"),
        (("selftest", "spin"), "Got unexpected extra argument"),
        (("selftest", "--json"), "No such option"),
    ],
)
def test_bad_usage(one_line: Callable[..., str], args: tuple[str, ...], complaint: str) -> None:
    assert complaint in one_line("lockdep", *args)
