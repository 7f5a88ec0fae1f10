"""Many recordings with one line changed, held against the model: what `conform` says of each, and what it has missed.

`python tests/conform/judged.py --seed N --count 1000 --recordings FOLDER ... [--log FILE] [--largest BYTES]`: each case
follows from the seed and its number alone; with a log that is there already it goes on where that ends. Only recordings
that agree as they are, with every one of their decisions, are changed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from rcuactors.conform import conform
from rcuactors.errors import BadInput
from rcuactors.lab.jobs import do_all

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conform.mutations import KINDS, mutated

VERDICTS: Final = ("agrees", "disagrees", "undecided")
FOUND: Final = ("disagrees", "undecided", "bad input")
"""Of one that agreed before it was changed."""

LARGEST: Final = 30_000
"""In bytes, compressed: longer ones only take longer."""


def text_of(path: Path) -> str:
    """A recording's text."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def judged(text: str) -> tuple[str, int]:
    """What is said of a recording, and the line at which, 0 for none."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        try:
            answer = conform(file.name)
        except BadInput:
            return "bad input", 0
        except Exception as error:  # what must not be, and is told with the case
            return f"crash {error!r}", 0
    return VERDICTS[answer.exit_code], answer.found[0].line if answer.found else 0


@attrs.frozen
class Case:
    """One recording to be changed. `number` and `seed` say how."""

    number: int
    seed: int
    path: Path
    kind: str = ""

    def do(self) -> dict[str, Any]:
        """Change it, and ask."""
        rng = random.Random(f"{self.seed}:{self.number}")
        changed = mutated(text_of(self.path).splitlines(), rng, self.kind)
        verdict, line = judged(changed.text)
        return {
            "case": self.number,
            "recording": f"{self.path.parent.name}/{self.path.name}",
            "kind": changed.kind,
            "event": changed.event,
            "line": changed.number,
            "before": changed.before.strip(),
            "after": changed.after.strip(),
            "verdict": verdict,
            "at": line,
        }


def cases(seed: int, count: int, paths: Sequence[Path], known: Iterable[int] = ()) -> list[Case]:
    """All of them but those that are known already."""
    done = set(known)
    order = sorted(paths)
    return [
        Case(number, seed, random.Random(f"{seed}:{number}:recording").choice(order))
        for number in range(count)
        if number not in done
    ]


@attrs.frozen
class Plain:
    """A recording as it is."""

    path: Path

    def do(self) -> str:
        """What is said of it."""
        return judged(text_of(self.path))[0]


def agreeing(paths: Sequence[Path], jobs: int) -> Iterator[tuple[Path, str]]:
    """What is said of each recording as it is."""
    for number, verdict in do_all(Plain.do, [Plain(path) for path in paths], jobs):
        yield paths[number], verdict


def found_in(folders: Sequence[Path], largest: int) -> list[Path]:
    """The recordings of some folders, or such themselves, none that has no lines of single objects."""
    return sorted(
        path
        for folder in folders
        for path in ([folder] if folder.is_file() else folder.rglob("*.txt.gz"))
        if "lightevents" not in path.name and path.stat().st_size <= largest
    )


def told(answers: Sequence[dict[str, Any]]) -> list[str]:
    """In words: how many were found, by kind, and each that was not."""
    kinds: dict[str, Counter[str]] = {}
    for answer in answers:
        kinds.setdefault(answer["kind"], Counter())[answer["verdict"]] += 1
    missed = [answer for answer in answers if answer["verdict"] not in FOUND]
    lines = [f"{len(answers)} changed, {len(answers) - len(missed)} found"]
    for kind, verdicts in sorted(kinds.items()):
        lines.append(f"  {kind:<8} " + ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items())))
    for answer in missed:
        lines.append(
            f"not found: case {answer['case']}, {answer['recording']}, line {answer['line']}, {answer['kind']}"
        )
        lines += [f"  - {answer['before']}", f"  + {answer['after']}"]
    return lines


UNEXPLAINED: Final = "not explained"


def summed(answers: Sequence[dict[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
    """By kind how many were changed and found; each that was not, with the reason that it was given `before`."""
    reasons = {tuple(one[key] for key in _KEYS): one["why"] for one in before.get("missed", ())}
    kinds = {kind: [0, 0] for kind in KINDS}
    missed = []
    for answer in answers:
        found = answer["verdict"] in FOUND
        kinds[answer["kind"]][0] += 1
        kinds[answer["kind"]][1] += found
        if not found:
            key = tuple(answer[name] for name in _KEYS)
            missed.append({**dict(zip(_KEYS, key, strict=True)), "why": reasons.get(key, UNEXPLAINED)})
    return {"kinds": kinds, "missed": missed}


_KEYS: Final = ("recording", "line", "kind", "event")


def _logged(log: Path | None) -> list[dict[str, Any]]:
    if log is None or not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().splitlines()]


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--recordings", type=Path, action="append", required=True, metavar="FOLDER")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--data", type=Path, help="Where the documentation's table is made of it.")
    parser.add_argument("--largest", type=int, default=LARGEST, metavar="BYTES")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    answers = [answer for answer in _logged(asked.log) if answer.get("seed") == asked.seed]
    good = _good(asked.recordings, asked.largest, asked.jobs, asked.log)
    todo = cases(asked.seed, asked.count, good, [answer["case"] for answer in answers])
    for _number, answer in do_all(Case.do, todo, asked.jobs):
        answer["seed"] = asked.seed
        answers.append(answer)
        if asked.log is not None:
            with asked.log.open("a") as file:
                file.write(json.dumps(answer) + "\n")
        if answer["verdict"] not in FOUND:
            print(json.dumps(answer), flush=True)
    answers.sort(key=lambda answer: answer["case"])
    print("\n".join(told(answers)))
    if asked.data is not None:
        before = json.loads(asked.data.read_text()) if asked.data.exists() else {}
        asked.data.write_text(json.dumps(summed(answers, before), indent=1) + "\n")
    return 0


def _good(folders: Sequence[Path], largest: int, jobs: int, log: Path | None) -> list[Path]:
    """Those that agree as they are: the others are named. With a log beside the other that is asked once."""
    paths = found_in(folders, largest)
    notes = log.with_suffix(".plain") if log is not None else None
    known: dict[str, str] = {}
    if notes is not None and notes.exists():
        known = dict(line.split("\t") for line in notes.read_text().splitlines())
    for path, verdict in agreeing([path for path in paths if str(path) not in known], jobs):
        known[str(path)] = verdict
        if notes is not None:
            with notes.open("a") as file:
                file.write(f"{path}\t{verdict}\n")
    for path in paths:
        if known[str(path)] != "agrees":
            print(f"left out, it {known[str(path)]} as it is: {path.parent.name}/{path.name}", flush=True)
    return [path for path in paths if known[str(path)] == "agrees"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
