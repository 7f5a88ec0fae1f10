"""`rcuactors conform RECORDING ...`: what real kernels did, held against the model, decision by decision."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import attrs
import click

from ..conform import Conformance, conform
from ..conform.course import Course
from ..eras import find_era
from ..errors import BadInput, bad_value
from ..lab.jobs import do_all, in_this_process
from .common import jobs_option, whole_number
from .frames import conformance
from .live import is_live, live_option
from .output import print_json, print_lines
from .program import EXIT_BAD_INPUT, ProgramCommand, complain
from .reporting import PageFile, page_file, page_option
from .screen import with_error
from .session import collect
from .watching import HowFar, Stopper

_LAST_LINE = 10**12
_PATIENCE_S = 3.0


@attrs.frozen
class _Job:
    """One recording, for whichever process takes it."""

    path: str
    version: str
    probe: str
    from_line: int
    keep_going: bool

    def do(
        self, watched: HowFar | None = None, begun: Callable[[Course], object] = lambda _: None
    ) -> Conformance | str:
        """Hold it against its version; what is wrong with it is told as text."""
        try:
            return conform(
                self.path,
                version=self.version,
                probe=self.probe,
                from_line=self.from_line,
                keep_going=self.keep_going,
                progress=watched.read if watched is not None else None,
                watch=watched.at if watched is not None else None,
                begun=begun,
            )
        except BadInput as error:
            return str(error)


@click.command("conform", cls=ProgramCommand, epilog="Example: rcuactors conform trace.txt.gz --kernel v6.1-stable")
@click.argument("recordings", nargs=-1)
@click.option(
    "--kernel",
    "version",
    metavar="VERSION",
    default="",
    help="The version to hold it against (default: the model's of the kernel that the recording names).",
)
@click.option("--probe", default="", metavar="NAME", help="The name of the probe on kvfree_call_rcu().")
@click.option(
    "--from-line",
    callback=whole_number(0, _LAST_LINE),
    default="0",
    metavar="NUMBER",
    help="Begin at the first state that is told from that line on.",
)
@click.option("--keep-going", is_flag=True, help="After a disagreement, go on from the next state of all CPUs.")
@page_option
@live_option("how far it is, and how many decisions agree")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@jobs_option
def conform_command(
    recordings: Sequence[str],
    version: str,
    probe: str,
    from_line: int,
    keep_going: bool,
    report: str | None,
    live: bool,
    as_json: bool,
    jobs: int,
) -> int:
    """Hold each RECORDING of a real kernel against the model, decision by decision.

    Exit code 0 if all agree, 1 if not, 2 if that is undecided.
    """
    if not recordings:
        raise bad_value("conform", "a recording")
    if report is not None and len(recordings) > 1:
        raise BadInput(f"--report {report}: is of one recording; needs one of the {len(recordings)}")
    if version:
        find_era(version)
    with page_file(report) as page:
        return _conform(recordings, version, probe, from_line, keep_going, page, as_json=as_json, jobs=jobs, live=live)


def _conform(
    recordings: Sequence[str],
    version: str,
    probe: str,
    from_line: int,
    keep_going: bool,
    page: PageFile | None,
    *,
    as_json: bool,
    jobs: int,
    live: bool,
) -> int:
    work = [_Job(path, version, probe, from_line, keep_going) for path in recordings]
    answers: dict[int, Conformance | str] = {}
    stopper = Stopper(_PATIENCE_S)
    watched = HowFar(lambda: not stopper.requested)

    def how_far() -> str:
        done = f"{len(answers)} of {len(work)} recordings" if len(work) > 1 else ""
        return ", ".join(said for said in (done, watched.say()) if said)

    courses: list[Course] = []
    frame = conformance(recordings, answers, watched, lambda: courses[-1] if courses else None)
    error = collect(
        _in_turn(work, jobs, watched, courses.append),
        lambda answer: answers.__setitem__(*answer),
        patience_s=_PATIENCE_S,
        how_far=how_far,
        stopper=stopper,
        frame=frame if is_live(live) else None,
    )
    ordered = [answers[number] for number in sorted(answers)]
    told = [answer for answer in ordered if isinstance(answer, Conformance)]
    if as_json:
        document = {"recordings": [one.as_json() for one in told], "errors": [x for x in ordered if isinstance(x, str)]}
        print_json(with_error(document, str(error) if error is not None else None))
    else:
        print_lines([line for one in told for line in one.lines()])
    for answer in ordered:
        if isinstance(answer, str):
            complain(f"rcuactors: {answer}")
    if page is not None and told:
        from ..picture.recorded import Reading, conformance_report  # noqa: PLC0415 - most do without

        page.write(conformance_report(told[0], recordings[0], Reading(probe=probe)))
    if error is not None:
        raise error
    codes = [answer.exit_code if isinstance(answer, Conformance) else EXIT_BAD_INPUT for answer in ordered]
    # A disagreement is said first: what is undecided beside it takes nothing from that.
    return 1 if 1 in codes else max(codes, default=0)


def _in_turn(
    work: Sequence[_Job], jobs: int, watched: HowFar, begun: Callable[[Course], object]
) -> Generator[tuple[int, Conformance | str]]:
    if not in_this_process(work, jobs):
        yield from do_all(_Job.do, work, jobs)
        return
    for number, job in enumerate(work):
        watched.begins(job.path)
        yield number, job.do(watched, begun)
