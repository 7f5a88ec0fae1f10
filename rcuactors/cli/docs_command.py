"""`rcuactors docs [PAGE]`: the documentation, offline, as it came with this version."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import BadInput
from ..report.text import aligned
from ..spelling import no_such
from ..userfiles.shipped import find_pages
from .output import print_lines
from .program import ProgramCommand


@click.command("docs", cls=ProgramCommand, epilog="Examples: rcuactors docs; rcuactors docs check")
@click.argument("page", required=False)
def docs_command(page: str | None) -> None:
    """Print a page of the documentation, or without PAGE say which there are."""
    pages = find_pages()
    if not pages:
        raise BadInput("docs: this installation has none")
    if page is None:
        print_lines([*aligned([(name, title_of(path)) for name, path in pages.items()]), "", "`rcuactors docs PAGE`"])
        return
    name = page.removeprefix("docs/").removesuffix(".md")
    if name not in pages:
        raise no_such("docs: page", page, pages)
    print_lines(pages[name].read_text(encoding="utf-8").splitlines())


def title_of(page: Path) -> str:
    """What a page is called: its first line."""
    with page.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()
