"""`rcuactors api`: what a scenario can call, and what each of it does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import attrs
import click

from ..reference import Entry, entries, find_entries
from ..report.text import aligned
from .output import print_json, print_lines
from .program import ProgramCommand

_WIDTH = 100
_AT_LENGTH = 3
"""So many are told whole; of more than that there is a line each."""


@click.command("api", cls=ProgramCommand, epilog="Examples: rcuactors api kmalloc; rcuactors api srcu")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON list: name, room, called, doc, module, contexts of each."
)
def api_command(words: tuple[str, ...], as_json: bool) -> None:
    """Tell what a scenario can call.

    Without a WORD all of it, a line each. A name of the kernel's, such as `kmalloc`, with what its docstring says; or
    what has the WORD in its name, else in what is said of it.
    """
    found = tuple(dict.fromkeys(entry for word in words for entry in find_entries(word))) if words else entries()
    if as_json:
        print_json([{**attrs.asdict(entry), "contexts": entry.contexts} for entry in found])
    elif len(found) <= max(_AT_LENGTH, len(words)):
        print_lines(_at_length(found))
    else:
        print_lines(_listed(found))


def _at_length(found: Sequence[Entry]) -> Iterator[str]:
    for number, entry in enumerate(found):
        if number:
            yield ""
        yield entry.called
        yield from (f"  {line}" if line else "" for line in entry.doc.splitlines())
        for told in entry.contexts:
            yield from textwrap.wrap(told, _WIDTH, initial_indent="  contexts: ", subsequent_indent="    ")
        yield f"  in {entry.file}: {entry.room}"


def _listed(found: Sequence[Entry]) -> Iterator[str]:
    rooms = list(dict.fromkeys(entry.room for entry in found))
    for room in rooms:
        yield f"{room}:"
        of_room = [entry for entry in found if entry.room == room]
        yield from (f"  {line}" for line in aligned([(entry.name, entry.about) for entry in of_room]))
        yield ""
    yield "`rcuactors api NAME` says how each is called, and all that is said of it."
