"""Every command's help ends with an example, and each is a command that is understood; those that are quick are run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rcuactors.cli import cli
from tests.cli.conftest import call_cli

QUICK = {
    *("api", "docs", "list", "may", "run", "tour", "describe"),
    *("new design", "new scenario", "show scenario", "lockdep matrix", "lockdep ask"),
}
"""Commands whose examples take no longer than a moment. Of others, such as searches, there are tests of their own."""

DRIVER = """
from rcuactors import Kernel, scenario

@scenario()
async def my_driver(k: Kernel) -> None:
    p = await k.kmalloc(64)
    await k.kvfree_rcu(p, "rcu")
    await k.msleep(100)
    k.deref(p)
"""


def commands(group: click.Group, above: click.Context | None = None, within: str = "") -> Iterator[tuple[str, str]]:
    """(name, epilog) of each command that is no group."""
    ctx = click.Context(group, parent=above)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, ctx, f"{within}{name} ")
        else:
            yield f"{within}{name}", " ".join((command.epilog or "").split())


EPILOGS = dict(commands(cli))


def examples_of(name: str) -> list[list[str]]:
    found = re.match(r"Examples?: (.*)", EPILOGS[name])
    if found is None:
        return []
    texts = re.split(r"; (?=rcuactors )", found[1])
    return [shlex.split(text.partition(" > ")[0])[1:] for text in texts]


ALL = [(name, words) for name in EPILOGS for words in examples_of(name)]


@pytest.mark.parametrize("name", EPILOGS)
def test_every_command_has_an_example_of_itself(name: str) -> None:
    found = examples_of(name)
    assert found
    assert all(words[: len(name.split())] == name.split() for words in found)


@pytest.mark.parametrize(("name", "words"), ALL, ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_each_example_is_understood(name: str, words: list[str]) -> None:
    group: click.Command = cli
    ctx = click.Context(cli, info_name="rcuactors")
    for part in name.split():
        assert isinstance(group, click.Group)
        found = group.get_command(ctx, part)
        assert found is not None
        group = found
    # Raises for an option that there is not, for a value out of range, for an argument too many or too few.
    group.make_context(name, words[len(name.split()) :])


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name, words in ALL if name in QUICK and "--all" not in words],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_quick_ones_run(
    name: str, words: list[str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = root / "tests" / "data" / "recordings" / "kvfree" / "a_cold_1_min5_rep1.txt.gz"
    shutil.copy(recording, "trace.txt.gz")
    if not name.startswith("new "):
        Path("my_driver.py").write_text(DRIVER, encoding="utf-8")
    done = call_cli(*words)
    assert done.exit_code in (0, 1), done.stderr
    assert done.output
