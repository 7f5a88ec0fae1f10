"""The pictures of reports in these pages: made by the commands that make the reports, and photographed in Chromium.

`python -m docs.pictures` makes all of them anew, in docs/pictures/, and `python -m docs.pictures NAME ...` some; from a
checkout, with Chromium and its driver (`apt-get install chromium chromium-driver`). A picture says nothing that a test
relies on: what is on the pages, the tests ask the pages themselves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from docs.small_png import small
from tests.page.browser import Browser, browser, missing

HERE: Final = Path(__file__).with_name("pictures")
RECORDING: Final = "tests/data/recordings/kvfree-6.12/d_rawspin_600_min0.txt.gz"


@attrs.frozen
class Picture:
    """What makes a report, and how it is looked at. `{}` in a command is the folder that it may write into.

    `script` is run in the page before the picture is taken.
    """

    name: str
    commands: tuple[str, ...]
    script: str = ""
    dark: bool = False
    width: int = 1400
    height: int = 860


_RAW: Final = "report raw_lock_caller --kernel v5.9 --set PROVE_RAW_LOCK_NESTING=y -o {}/it.html"
_FOUND: Final = "{}/found/01-use-after-free-vfree.json"
_COMPARED: Final = (
    "compare raw_lock_caller cold_cache_burst --designs hrtimer-work,skip-on-rt,lockless,reserve "
    "--kernels prove,rt --html {}/it.html"
)

PICTURES: Final = (
    Picture("run", ("report cold_cache_burst -o {}/it.html",)),
    Picture("run-dark", ("report cold_cache_burst -o {}/it.html",), dark=True),
    Picture(
        "splat",
        (_RAW,),
        "const { app } = rcuactors, p = app.data.panels[0]; rcuactors.openReport(p, 0);",
    ),
    Picture(
        "object",
        ("report stale_batch --kernel v6.12 -o {}/it.html",),
        "const of = rcuactors.find('object').entries.filter((each) => each.kind === 'object');"
        "rcuactors.follow(of.sort((a, b) => b.count - a.count || a.serial - b.serial)[0]);",
    ),
    Picture(
        "finding",
        (
            "explore stale_batch --kernel v6.1.0 --out {}/found",
            "report {}/found/01-use-after-free-vfree.json -o {}/it.html",
        ),
        width=1900,
        height=1000,
    ),
    Picture("recording", (f"report {RECORDING} -o {{}}/it.html",)),
    Picture("two", ("report stale_batch --kernel v6.1.0 --kernel v6.12 -o {}/it.html",), width=1900, height=1000),
    Picture("comparison", (_COMPARED,), "document.getElementById('verdicts').scrollIntoView();"),
)


def made(picture: Picture, folder: Path) -> Path:
    """The report's file. A command that found what it should ends with 1."""
    folder.mkdir()
    for command in picture.commands:
        words = [word.replace("{}", str(folder)) for word in command.split()]
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "rcuactors", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=HERE.parents[1],
        )
        if done.returncode not in (0, 1):
            raise SystemExit(f"rcuactors {command}: {done.stderr}")
    return folder / "it.html"


def photograph(page: Browser, picture: Picture, file: Path) -> bytes:
    """The page as it is seen."""
    page.size(picture.width, picture.height, dark=picture.dark)
    page.go(file.resolve().as_uri())
    page.wait_until("return document.documentElement.dataset.ready === 'yes' || !document.getElementById('data')")
    if picture.script:
        page.run(picture.script)
    return small(page.picture())


def main(names: Sequence[str]) -> int:
    """Make those named, or all."""
    if missing():
        print(missing())
        return 2
    unknown = set(names) - {picture.name for picture in PICTURES}
    if unknown:
        print(f"no such picture: {', '.join(sorted(unknown))}; there are {', '.join(each.name for each in PICTURES)}")
        return 2
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, browser(Path(temporary)) as page:
        for picture in PICTURES:
            if names and picture.name not in names:
                continue
            data = photograph(page, picture, made(picture, Path(temporary) / picture.name))
            (HERE / f"report-{picture.name}.png").write_bytes(data)
            print(f"docs/pictures/report-{picture.name}.png: {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
