"""What a shell offers for a word that is not finished: scenarios, kernels, designs, settings by their names.

Click asks for it when the shell does (`_RCUACTORS_COMPLETE=bash_source rcuactors` prints what tells a shell to). What a
word may be is known by the option before it, or by how an argument is called.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from ..builds import BUILDS
from ..errors import bad_value

Words = Callable[[], Iterable[str]]


def _scenarios() -> Iterable[str]:
    from ..userfiles import find_scenarios  # noqa: PLC0415 - only a shell that completes needs what follows

    return find_scenarios()


def _kernels() -> Iterable[str]:
    from ..eras import ERAS  # noqa: PLC0415 - as above

    return ERAS


def _designs() -> Iterable[str]:
    from ..designs import DESIGNS  # noqa: PLC0415 - as above

    return DESIGNS


def _settings() -> Iterable[str]:
    from ..config import field_names  # noqa: PLC0415 - as above

    return (f"{name}=" for name in field_names())


def _strategies() -> Iterable[str]:
    from ..explore import describe_strategies  # noqa: PLC0415 - as above

    return (name for name, _ in describe_strategies())


def _functions() -> Iterable[str]:
    from ..reference import entries  # noqa: PLC0415 - as above

    return (entry.name for entry in entries())


def _contexts() -> Iterable[str]:
    from ..may.places import BY_NAME  # noqa: PLC0415 - as above

    return BY_NAME


_WORDS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "SCENARIO": _scenarios,
        "--kernel": _kernels,
        "--kernels": _kernels,
        "--design": _designs,
        "--designs": _designs,
        "--set": _settings,
        "--strategy": _strategies,
        "--build": lambda: BUILDS,
        "--builds": lambda: BUILDS,
        "--in": _contexts,
        "api WORD": _functions,
        "show scenario NAME": _scenarios,
    }
)
_ASKED: Final = "_RCUACTORS_COMPLETE"
_ALSO_FILES: Final = ("SCENARIO", "--design")


def complete(ctx: click.Context, parameter: click.Parameter, unfinished: str) -> list[CompletionItem]:
    """What it may be; of names in a row, with commas between them, the last one. Nothing where we know nothing."""
    names = [*parameter.opts, (parameter.metavar or parameter.human_readable_name).strip("[]. ")]
    path = ctx.command_path.partition(" ")[2]
    known = next((name for name in (*names, *(f"{path} {name}" for name in names)) if name in _WORDS), None)
    if known is None:
        return []
    before, comma, last = unfinished.rpartition(",")
    items = [CompletionItem(f"{before}{comma}{word}") for word in _WORDS[known]() if word.startswith(last)]
    return [*items, CompletionItem(unfinished, type="file")] if known in _ALSO_FILES else items


def answer_shell(command: click.Command, name: str) -> bool:
    """Whether a shell has asked, which has its answer then. Raises BadInput for what no shell asks."""
    asked = os.environ.get(_ASKED)
    if not asked:
        return False
    shell, _, what = asked.partition("_")
    if get_completion_class(shell) is None or what not in ("source", "complete"):
        raise bad_value(f"environment: {_ASKED}={asked}", "bash_source, zsh_source or fish_source")
    shell_complete(command, {}, name, _ASKED, asked)
    return True


def offer_words(command: click.Command) -> None:
    """Have each parameter of the command whose words we know offer them."""
    for parameter in command.params:
        if getattr(parameter.type, "name", "") == "text":
            own = functools.partial(_of, parameter)
            setattr(parameter, "shell_complete", own)  # noqa: B010 - Click wants a word at each place where one is made


def _of(parameter: click.Parameter, ctx: click.Context, unfinished: str) -> list[CompletionItem]:
    return complete(ctx, parameter, unfinished)
