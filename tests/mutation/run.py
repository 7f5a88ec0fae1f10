"""`python tests/mutation/run.py`: how many small wrong changes of the program do the tests notice?

    python tests/mutation/run.py --map                      which test enters what: once, about as long as the suite
    python tests/mutation/run.py --map tests/rcu            the same anew for those tests only, on the same sources
    python tests/mutation/run.py --seed 1 --count 300       draws 300 mutants, tries them; goes on where it was ended
    python tests/mutation/run.py --seed 1 --show            what came of it

Each mutant is tried on the tests that enter its block, the nearest first, the quick ones first, until one fails.
What no test enters is not noticed. `equivalent.toml` names mutants that are the same program, each with the argument;
they count as tried and not as noticed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

HERE: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))

from tests.mutation import equivalent  # noqa: E402
from tests.mutation.covered import INTO  # noqa: E402
from tests.mutation.mutants import Mutant, draw  # noqa: E402
from tests.mutation.selection import Map, Test, batches, map_lines, sources_digest, sources_said  # noqa: E402
from tests.mutation.trying import Try  # noqa: E402

_SECONDS: Final = (2.5, 6.0, 20.0)
"""How long the tests of each batch take (s)."""
_TICK_S: Final = 0.02
_CONTROL: Final = 20
_ELSEWHERE: Final = ("docs", "cli", "mutation")
"""Tests that run commands in processes of their own, where nothing is marked or changed."""


@attrs.frozen
class Tried:
    """What came of a mutant."""

    mutant: Mutant
    outcome: str
    """"noticed", "survived", "not entered", or "equivalent"."""
    how: str
    """By what it was noticed: a test that failed, a crash, too long; or how many tests it survived."""

    def as_json(self) -> str:
        """One line of the file."""
        return json.dumps({"mutant": str(self.mutant), "outcome": self.outcome, "how": self.how})


def make_map(root: Path, folder: Path, workers: int, tests: Sequence[str] = ()) -> int:
    """Run the whole suite with marks, or some tests whose lines are then new. Its own failures are said; not used.

    Lines of a part are put with those that are there: the blocks have to be the same. Raises SystemExit if not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tests and sources_said(folder) != sources_digest(root):
        raise SystemExit("a part of the map can be made anew only while the program is what the map is of: --map")
    kept = [line for line in map_lines(folder) if tests and not _is_of(line, root, tests)]
    with tempfile.TemporaryDirectory(dir=folder) as into:
        done = _run_marked(root, Path(into), workers, tests)
        found = list(map_lines(Path(into)))
    for old in folder.glob("*.jsonl"):
        old.unlink()
    (folder / "map.jsonl").write_text("".join(f"{line}\n" for line in [*kept, *found]))
    (folder / "sources").write_text(sources_digest(root))
    return done


def _is_of(line: str, root: Path, tests: Sequence[str]) -> bool:
    """Whether what is noted there is of one of those files, or below one of those folders."""
    file = root / json.loads(line)["test"].partition("::")[0]
    return any(file.is_relative_to((root / test.partition("::")[0]).resolve()) for test in tests)


def _run_marked(root: Path, into: Path, workers: int, tests: Sequence[str]) -> int:
    many = ["-n", str(workers), "--dist", "worksteal"] if workers > 1 else []
    left_out = [f"--ignore=tests/{name}" for name in _ELSEWHERE]
    environment = {**os.environ, INTO: str(into), "PYTHONPATH": str(HERE)}
    args = ["-q", "-p", "no:cacheprovider", "-p", "tests.mutation.covered", *many, *left_out, *(tests or ["tests"])]
    command = [sys.executable, "-m", "pytest", *args]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode


@attrs.define
class _Attempt:
    """A mutant on its way: the batches that are left, and the child."""

    root: Path
    mutant: Mutant
    left: list[list[Test]]
    log: Path
    tried: int = 0
    child: Try | None = None

    def go_on(self) -> None:
        """The next batch."""
        batch = self.left.pop(0)
        self.tried += len(batch)
        seconds = sum(test.seconds for test in batch)
        self.child = Try.begin(self.root, self.mutant, [test.name for test in batch], seconds, self.log)

    def come_to(self) -> Tried | None:
        """What came of it, when it has."""
        assert self.child is not None
        said = self.child.ended()
        if said is None:
            return None
        if said != "passed":
            return Tried(self.mutant, "noticed", _first_failure(self.log) if said == "failed" else said)
        if self.left:
            self.go_on()
            return None
        return Tried(self.mutant, "survived", f"{self.tried} tests")

    def end(self) -> None:
        """Before it has come to anything."""
        assert self.child is not None
        self.child.kill()
        self.log.unlink(missing_ok=True)


def _first_failure(log: Path) -> str:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" - ")[0].split(" ", 1)[1]
    return "failed"


@attrs.define
class Campaign:
    """Tries mutants, some at once; what is written down is not tried again, so it goes on where it was ended."""

    root: Path
    covered: Map
    into: Path
    jobs: int
    running: list[_Attempt] = attrs.field(factory=list)
    logs: int = 0

    def run(self, mutants: Sequence[Mutant]) -> None:
        """All of which nothing is written yet."""
        done = {one["mutant"] for one in read_told(self.into)}
        waiting = [mutant for mutant in mutants if str(mutant) not in done]
        same = equivalent.read()
        self.control()
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.jobs:
                    self.begin(waiting.pop(0), same)
                self.look()
                time.sleep(_TICK_S)
        finally:
            for attempt in self.running:
                attempt.end()

    def control(self) -> None:
        """The program as it is passes some tests in such a child: else nothing of what comes would mean anything."""
        tests = sorted(self.covered.tests, key=lambda test: (test.seconds, test.name))[:_CONTROL]
        log = self.into.with_suffix(".control.log")
        child = Try.begin(self.root, None, [test.name for test in tests], 0.0, log)
        while (said := child.ended()) is None:
            time.sleep(_TICK_S)
        if said != "passed":
            raise SystemExit(f"the program as it is does not pass its tests here: see {log}")
        log.unlink()

    def begin(self, mutant: Mutant, same: Mapping[str, str]) -> None:
        """One more."""
        parts = list(batches(self.covered.of(mutant), _SECONDS))
        if mutant.key in same:
            self.note(Tried(mutant, "equivalent", same[mutant.key]))
        elif not parts:
            self.note(Tried(mutant, "not entered", "0 tests"))
        else:
            self.logs += 1
            attempt = _Attempt(self.root, mutant, parts, self.into.with_suffix(f".{self.logs}.log"))
            attempt.go_on()
            self.running.append(attempt)

    def look(self) -> None:
        """What came of those that run."""
        for attempt in list(self.running):
            tried = attempt.come_to()
            if tried is not None:
                self.running.remove(attempt)
                attempt.log.unlink(missing_ok=True)
                self.note(tried)

    def note(self, tried: Tried) -> None:
        """Write it down."""
        with self.into.open("a") as file:
            file.write(tried.as_json() + "\n")
        if sys.stderr.isatty():
            print(tried.outcome, tried.mutant, file=sys.stderr)


def read_told(into: Path) -> list[dict[str, str]]:
    """What is written down; a line that was cut by an end is none."""
    if not into.exists():
        return []
    lines = into.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def show(into: Path) -> list[str]:
    """What came of a draw, in words: the share, and each one that was not noticed."""
    told = read_told(into)
    count = {outcome: sum(one["outcome"] == outcome for one in told) for outcome in _OUTCOMES}
    share = count["noticed"] / len(told) if told else 0.0
    said = [f"{len(told)} mutants: " + ", ".join(f"{number} {outcome}" for outcome, number in count.items())]
    said.append(f"noticed: {share:.1%}")
    for outcome in _OUTCOMES[1:]:
        those = (one for one in told if one["outcome"] == outcome)
        said.extend(f"{outcome}: {one['mutant']} ({one['how']})" for one in those)
    return said


_OUTCOMES: Final = ("noticed", "survived", "not entered", "equivalent")


def main(args: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", nargs="*", metavar="TESTS", help="note which test enters what: all, or those")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="only say what came of it so far")
    parser.add_argument("--root", type=Path, default=HERE, help="of the checkout")
    said = parser.parse_args(args)
    root = said.root.resolve()
    folder = root / "build" / "mutation"
    if said.map is not None:
        return make_map(root, folder / "map", said.jobs, said.map)
    into = folder / f"seed-{said.seed}.jsonl"
    if not said.show:
        known = sources_said(folder / "map")
        if not known:
            parser.error("there is no map yet: --map makes one")
        if known != sources_digest(root):
            print("the map is of other sources: lines may have moved; --map renews it", file=sys.stderr)
        campaign = Campaign(root, Map.read(root, folder / "map"), into, said.jobs)
        campaign.run(draw(root, said.seed, said.count))
    if not into.exists():
        parser.error(f"nothing was tried with seed {said.seed}")
    print("\n".join(show(into)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
