"""The page of commands: what each says of itself with `--help`, as the command line has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from rcuactors.cli import cli

MORE = {
    "tour": "start",
    "list": "scenarios",
    "may": "may-i",
    "run": "first-scenario",
    "check": "check",
    "compare": "compare",
    "describe": "read-a-recording",
    "conform": "conform",
    "replay": "replay",
    "export": "viewers",
    "report": "report",
    "lockdep": "which-lock-where",
    "lockdep selftest": "lockdep-selftest",
    "lockdep matrix": "which-lock-where",
    "lockdep ask": "asking",
    "campaign": "campaign",
    "explore": "hunting",
    "replay-schedule": "hunting",
    "shrink": "hunting",
    "selfcheck": "changing-it",
    "api": "api",
    "show": "scenarios",
    "docs": "index",
    "new": "first-scenario",
    "new design": "your-own-design",
}
"""Which page is about a command; one of a group without an entry has the group's."""


def commands() -> str:
    """All of them, each with its usage, its options, and the examples that it gives."""
    ctx = click.Context(cli, info_name="rcuactors")
    return "\n".join(line for name in cli.list_commands(ctx) for line in _section(ctx, cli, name, ""))


def _section(above: click.Context, group: click.Group, name: str, within: str) -> Iterator[str]:
    command = group.get_command(above, name)
    assert command is not None
    ctx = click.Context(command, info_name=name, parent=above)
    full = f"{within}{name}"
    yield from (f"{'###' if within else '##'} `rcuactors {full}`", "")
    yield from ("```text", f"rcuactors {' '.join([full, *command.collect_usage_pieces(ctx)])}", "```", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_text(paragraph), "")
    options = [one for one in command.get_params(ctx) if isinstance(one, click.Option) and "--help" not in one.opts]
    told = [row for row in (option.get_help_record(ctx) for option in options) if row is not None]
    if told:
        yield from ("| option | what it does |", "| --- | --- |")
        yield from (f"| {_code(names)} | {_cell(about)} |" for names, about in told)
        yield ""
    for example in _examples(command.epilog or ""):
        yield from ("```text", example, "```", "")
    page = MORE.get(full, MORE.get(within.strip()))
    assert page is not None, f"{full}: which page is about it (MORE in tests/docs/commands.py)?"
    yield from (f"[More about it]({page}.md).", "")
    if isinstance(command, click.Group):
        for below in command.list_commands(ctx):
            yield from _section(ctx, command, below, f"{full} ")


def _text(paragraph: str) -> str:
    return " ".join(paragraph.replace("\b", "").split())


def _code(names: str) -> str:
    return f"`{names}`".replace("|", r"\|")


def _cell(about: str) -> str:
    return _text(about).replace("|", r"\|").replace("<", r"\<")


def _examples(epilog: str) -> Iterator[str]:
    """What an epilog gives as examples: `Examples: one; another`."""
    found = re.match(r"Examples?: (.*)", _text(epilog))
    if found:
        yield "\n".join(re.split(r"; (?=rcuactors )", found[1]))
