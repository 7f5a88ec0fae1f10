"""`--report FILE`: what was found as plain text, or what happened as an HTML page where the file's name ends in .html.

What makes a page is imported when one is wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from ..errors import bad_value
from ..hunt.keep import Kept
from ..hunt.report import MOST_LINES, report_lines
from .output import print_lines
from .whole_file import WholeFile

if TYPE_CHECKING:
    from ..machine import Machine
    from ..page import Report
    from ..picture.runs import Watcher
    from ..runs import Result

Function = TypeVar("Function", bound=Callable[..., Any])

_OF_A_FINDING: Final = click.option(
    "--report",
    metavar="FILE",
    help=f"Write what was found: an HTML page if FILE ends in .html, else plain text of at most {MOST_LINES} lines.",
)
page_option: Final = click.option(
    "--report", metavar="FILE.html", help="Write what happened as one HTML file to look at."
)
"""Of commands that show what they do, whether something was found or not."""


def report_option(function: Function) -> Function:
    """The option, for a command that finds something, runs it again or cuts it down."""
    return _OF_A_FINDING(function)


def _is_page(name: str) -> bool:
    return name.lower().endswith((".html", ".htm"))


@contextlib.contextmanager
def finding_file(name: str | None, *, quiet: bool) -> Iterator[Callable[[Kept], None]]:
    """The file of --report, tried before there is anything to look for; who is given a finding writes it.

    Nothing found is told, unless `quiet`: an older file of that name stays as it is. Raises OutputError.
    """
    if name is None:
        yield lambda _kept: None
        return
    written = False

    def write(kept: Kept) -> None:
        nonlocal written
        write_report(name, kept)
        written = True

    with WholeFile("--report", name):
        pass
    yield write
    if not written and not quiet:
        print_lines([f"{name}: not written, there is no finding to show"])


def write_report(name: str, kept: Kept) -> None:
    """Write a finding. Raises OutputError."""
    if _is_page(name):
        from ..picture.finding import finding_report  # noqa: PLC0415

        with page_file(name) as page:
            assert page is not None
            page.write(finding_report(kept))
        return
    with WholeFile("--report", name) as file:
        file.write("\n".join(report_lines(kept)) + "\n")


@attrs.define
class PageFile:
    """The file of a page, open before there is anything to draw; and who watches the run that is drawn, if one is."""

    _file: WholeFile
    _watcher: Watcher | None = None

    def watch(self, machine: Machine) -> None:
        """Before the run of that machine."""
        from ..picture.runs import Watcher  # noqa: PLC0415

        self._watcher = Watcher()
        self._watcher.listen(machine)

    def write(self, report: Report) -> None:
        """Write the page. Raises OutputError."""
        from ..page import write_report as write_page  # noqa: PLC0415

        try:
            write_page(report, self._file.stream)
        except OSError as error:
            raise self._file.cannot(error) from None
        self._file.finish(keep=True)

    def write_run(self, result: Result, raised: BaseException | None) -> None:
        """Write that of the run that was watched. Raises OutputError."""
        assert self._watcher is not None
        self.write(self._watcher.drawn("", result, raised).report())

    def write_replay(self, path: str, probe: str, result: Result, shift_ns: int, note: str) -> None:
        """Write that of a recording, and of the run of it that was watched. Raises OutputError."""
        from ..picture.recorded import Reading, replay_report  # noqa: PLC0415

        assert self._watcher is not None
        drawn = self._watcher.drawn(f"the model's run of it, {result.kernel}", result)
        self.write(replay_report(path, Reading(probe=probe), drawn, shift_ns, note))


@contextlib.contextmanager
def page_file(name: str | None) -> Iterator[PageFile | None]:
    """The file of --report, or of nothing. Raises BadInput for a name that is no page's."""
    if name is None:
        yield None
        return
    if not _is_page(name):
        raise bad_value(f"--report {name}", f"the name of an HTML file, as in --report {name or 'report'}.html")
    with WholeFile("--report", name) as file:
        yield PageFile(file)
