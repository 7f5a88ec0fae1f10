"""What a shell offers (rcuactors/cli/completion.py)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from click.shell_completion import ShellComplete

from rcuactors.cli import cli

Spawn = Callable[..., "subprocess.Popen[str]"]


def offered(line: str) -> list[str]:
    """What there is for the last word of a line; a `*` where files are offered, too."""
    *args, last = line.split(" ")
    items = ShellComplete(cli, {}, "rcuactors", "_RCUACTORS_COMPLETE").get_completions(args, last)
    return ["*" if item.type == "file" else item.value for item in items]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cam", ["campaign"]),
        ("run chu", ["churn", "*"]),
        ("explore churn --kernel v6.1", ["v6.1.0", "v6.1-stable", "v6.12.0", "v6.12", "v6.18"]),
        ("run churn --design kmalloc", ["kmalloc-nolock", "*"]),
        ("run churn --set PROVE_R", ["PROVE_RCU_LIST=", "PROVE_RAW_LOCK_NESTING="]),
        ("explore churn --strategy d", ["delays", "dfs", "dpor"]),
        ("compare --designs direct,hr", ["direct,hrtimer-work"]),
        ("check churn --builds plain,p", ["plain,plain", "plain,prove"]),
        ("may x --in rcu_read_lock_", ["rcu_read_lock_bh", "rcu_read_lock_sched"]),
        ("api kvfree_rcu_barrier_", ["kvfree_rcu_barrier_on_cache"]),
        ("show scenario stale", ["stale_batch"]),
        ("new scenario stale", []),
        ("run churn --strat", ["--strategy"]),
        ("run churn --seed 1", []),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert offered(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_ask(spawn: Spawn, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("_RCUACTORS_COMPLETE", f"{shell}_source")
    with spawn("-m", "rcuactors") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert f"_RCUACTORS_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize("asked", ["bash", "nosuch_source", "bash_x", "=", "\n"])
def test_what_no_shell_asks(spawn: Spawn, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("_RCUACTORS_COMPLETE", asked)
    with spawn("-m", "rcuactors", "list") as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.startswith("rcuactors: environment: _RCUACTORS_COMPLETE=")
    assert err.count("\n") == 1
