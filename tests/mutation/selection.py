"""Which tests are tried on a mutant: those that enter its block, some drawn programs first, then the nearest.

Within these the quick ones first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Final

import attrs

from tests.mutation.covered import blocks
from tests.mutation.mutants import Mutant, modules

CONSTANTS: Final = "tests/test_constants.py"
WIDE: Final = ("tests/drawn/", "tests/test_at_birth.py", CONSTANTS)
"""Tests that look at everything at once."""


@attrs.frozen
class Test:
    """A test, and how long it took (s)."""

    __test__ = False

    name: str
    seconds: float

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.name.partition("::")[0]


@attrs.define
class Map:
    """Which tests enter which block."""

    tests: list[Test]
    by_block: dict[tuple[str, int], list[int]]
    by_module: dict[str, list[int]]
    of_constants: list[int]
    """Those that look at what a module defines, and enter nothing."""

    @classmethod
    def read(cls, root: Path, folder: Path) -> Map:
        """What `covered` noted, of tests that passed and are still there."""
        names = {number: block for block, number in blocks(root).items()}
        tests: list[Test] = []
        by_block: dict[tuple[str, int], list[int]] = defaultdict(list)
        by_module: dict[str, set[int]] = defaultdict(set)
        for line in map_lines(folder):
            told = json.loads(line)
            if not told["passed"] or not (root / told["test"].partition("::")[0]).exists():
                continue
            at = len(tests)
            tests.append(Test(told["test"], told["seconds"]))
            for number, hit in enumerate(zlib.decompress(base64.b85decode(told["blocks"]))):
                if hit:
                    by_block[names[number]].append(at)
                    by_module[names[number][0]].add(at)
        constants = [at for at, test in enumerate(tests) if test.file == CONSTANTS]
        return cls(tests, dict(by_block), {path: sorted(those) for path, those in by_module.items()}, constants)

    def of(self, mutant: Mutant) -> list[Test]:
        """All that may notice it, in the order in which they are tried."""
        if mutant.in_function:
            those = self.by_block.get((mutant.path, mutant.block), [])
        else:
            those = [*self.by_module.get(mutant.path, []), *self.of_constants]
        tests = [self.tests[at] for at in those]
        return sorted(tests, key=lambda test: (-nearness(test.file, mutant.path), test.seconds, test.name))


def nearness(test: str, path: str) -> int:
    """How many folders they share, as the tests mirror the program; one more for a test file of the module's name."""
    folders, stem = path.split("/")[1:-1], path.rpartition("/")[2].removesuffix(".py")
    pairs = zip(folders, test.split("/")[1:-1], strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return shared + (shared > 0 and test.rpartition("/")[2].startswith(f"test_{stem}"))


def batches(tests: Sequence[Test], seconds: Sequence[float], files: int = 8) -> Iterable[list[Test]]:
    """The tests in parts that take so long each: first drawn programs, which look at everything that there is to see.

    Then from few files, so that little has to be collected. The others take one test of each file in turn: two of one
    file look at nearly the same. What the last part's seconds do not reach to is left out.
    """
    wide = [test for test in tests if test.name.startswith(WIDE)]
    taken: set[Test] = set()
    for part in (
        _first(wide, seconds[0], len(WIDE)),
        _first([test for test in tests if test not in wide], seconds[1], files),
    ):
        if part:
            yield part
        taken.update(part)
    left = _in_turn([test for test in tests if test not in taken])
    for limit in seconds[2:]:
        part: list[Test] = []
        spent = 0.0
        while left and spent + left[0].seconds <= limit:
            spent += left[0].seconds
            part.append(left.pop(0))
        if part:
            yield part


def _first(tests: Sequence[Test], limit: float, files: int) -> list[Test]:
    taken: list[Test] = []
    seen: set[str] = set()
    for test in tests:
        if (test.file in seen or len(seen) < files) and test.seconds <= limit:
            seen.add(test.file)
            taken.append(test)
            limit -= test.seconds
    return taken


def _in_turn(tests: Sequence[Test]) -> list[Test]:
    by_file: dict[str, list[Test]] = {}
    for test in tests:
        by_file.setdefault(test.file, []).append(test)
    rounds = zip_longest(*by_file.values())
    return [test for turn in rounds for test in turn if test is not None]


def map_lines(folder: Path) -> Iterator[str]:
    """What `covered` noted there: a line a test."""
    for file in sorted(folder.glob("*.jsonl")):
        yield from file.read_text().splitlines()


def sources_said(folder: Path) -> str:
    """Of which sources the map there is; "" if there is none."""
    file = folder / "sources"
    return file.read_text() if file.exists() else ""


def sources_digest(root: Path) -> str:
    """By which a map is known to be of these sources."""
    digest = hashlib.sha256()
    for path in modules(root):
        digest.update(path.encode() + b"\0" + (root / path).read_bytes())
    return digest.hexdigest()[:16]
