"""`python tests/outcomes/write.py [TESTS...]`: write down anew what the runs of tests come to (runs.py), all or some.

For a change that is meant. Of a test that fails nothing is written. What is written is the same whatever else runs, and
in whatever order: the difference of the files says which tests' runs went otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.outcomes.plugin import INTO  # noqa: E402
from tests.outcomes.runs import FOLDER, ROOMS, file_of  # noqa: E402

Lines = dict[str, set[str]]
"""By test file."""


def main(args: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=[f"tests/{room}" for room in ROOMS], help="files or folders")
    parser.add_argument("--jobs", type=int, default=2)
    said = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as folder:
        many = ["-n", str(said.jobs), "--dist", "loadfile"] if said.jobs > 1 else ["-n", "0"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *many, *said.tests]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, INTO: folder}, check=False)
        found = read(sorted(Path(folder).glob("*.jsonl")))
    write(found)
    for file in FOLDER.rglob("*.tsv"):
        if not (ROOT / "tests" / file.relative_to(FOLDER).with_suffix(".py")).exists():
            file.unlink()
    return done.returncode


def read(files: Iterable[Path]) -> Lines:
    """What the plugin has noted."""
    found: Lines = defaultdict(set)
    for file in files:
        for line in file.read_text().splitlines():
            told = json.loads(line)
            found[told["test"].partition("::")[0]].update("\t".join(run) for run in told["runs"])
    return found


def write(found: Lines) -> None:
    """A file for each test file."""
    for test_file, lines in found.items():
        file = file_of(test_file)
        if lines:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{line}\n" for line in sorted(lines)))
        else:
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
