"""`rcuactors may`: whether a context may call this, and on which kernel."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

import click

from ..eras import DEFAULT_ERA
from ..errors import BadInput, bad_value
from ..may.answer import Answer, Cell, Verdict
from ..may.asking import ask_each
from ..may.calls import FORMS, find_call
from ..may.document import answer_document
from ..may.kernels import ALL, ALL_BUILDS, find_kernels
from ..may.places import BY_NAME, all_places, find_place, shown_name
from ..may.text import answer_lines
from ..spelling import plural
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .screen import with_error
from .session import collect
from .watching import PATIENCE_S

_IN_EACH: Final = (f"{DEFAULT_ERA}:all", f"{DEFAULT_ERA}:rt")
"""The kernels that are asked where no context is given, and no kernel."""


@click.command(
    "may",
    cls=ProgramCommand,
    epilog="Examples: rcuactors may 'kfree_rcu(p, rcu)' --in raw_spin_lock; "
    "rcuactors may 'mutex_lock(&m)' --in hardirq --kernels v6.12",
)
@click.argument("operation", nargs=-1)
@click.option(
    "--in",
    "contexts",
    multiple=True,
    metavar="CONTEXT",
    help="Where it is called, such as spin_lock or hardirq; repeatable, for one in the other. Default: each context.",
)
@click.option(
    "--kernels",
    multiple=True,
    metavar="NAME,NAME...",
    help=f"Versions, builds ({', '.join(ALL_BUILDS)}), VERSION:BUILD, or {ALL}; repeatable. Default: all, or with each "
    f"context {' and '.join(_IN_EACH)}.",
)
@click.option("--why", is_flag=True, help="Print the report of each reason in full.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--list", "as_list", is_flag=True, help="List the calls and the contexts that there are.")
def may_command(
    operation: tuple[str, ...],
    contexts: tuple[str, ...],
    kernels: tuple[str, ...],
    why: bool,
    as_json: bool,
    as_list: bool,
) -> int:
    """Say whether OPERATION, a call as in C, may be made in a context: 'kfree_rcu(p, rcu)' --in raw_spin_lock.

    Exit code 0: yes. 1: no, or it depends. 2: it cannot be asked so.
    """
    if as_list:
        if operation or contexts or kernels or why or as_json:
            raise BadInput("--list: goes by itself: it lists all calls and contexts")
        print_lines(_list_lines())
        return 0
    if len(operation) != 1:
        given = " ".join(("may", *operation))
        raise bad_value(given, "a call as in C, in quotes, such as 'kfree_rcu(p, rcu)'; --list has all")
    if as_json and why:
        raise BadInput("--json and --why: only one of them; the document has every report")
    asked = find_call(operation[0])
    places = [find_place(contexts)] if contexts else all_places()
    chosen = find_kernels(_names(kernels) or ((ALL,) if contexts else _IN_EACH))
    cells: list[Cell] = []
    error = collect(
        ask_each(asked, places, chosen),
        cells.append,
        patience_s=PATIENCE_S,
        how_far=lambda: f"{len(cells)} of {plural(len(places) * len(chosen), 'answer')}",
    )
    answer = Answer(asked=asked, cells=tuple(cells), unreached=len(places) * len(chosen) - len(cells))
    if not error and answer.verdict is Verdict.NOT_MODELLED:
        raise BadInput(f"{asked}: not modelled: {cells[0].missing}")
    if as_json:
        print_json(with_error(answer_document(answer), str(error) if error is not None else None))
    elif cells:
        print_lines(answer_lines(answer, why=why))
    if error is not None:
        raise error
    return 0 if answer.verdict is Verdict.YES else EXIT_VIOLATIONS


def _names(given: Iterable[str]) -> Sequence[str]:
    names = [name.strip() for text in given for name in text.split(",")]
    if "" in names:
        raise bad_value(f"--kernels {','.join(given)}", "names between its commas")
    return tuple(names)


def _list_lines() -> list[str]:
    lines = ["calls:", *(f"  {form.prototype}" for form in FORMS), "", "contexts, and other names for them:"]
    others: dict[str, list[str]] = {}
    for name, context in BY_NAME.items():
        if name != shown_name(context):
            others.setdefault(context, []).append(name)
        else:
            others.setdefault(context, [])
    for context, names in others.items():
        known = f" ({', '.join(names)})" if names else ""
        lines += textwrap.wrap(f"{shown_name(context)}{known}", 100, initial_indent="  ", subsequent_indent="    ")
    return lines
