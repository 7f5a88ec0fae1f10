"""Which tests are tried on a mutant: those that enter its block, of its floor first, the quick ones first."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from tests.mutation.covered import blocks
from tests.mutation.mutants import Mutant, modules


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

    @classmethod
    def read(cls, root: Path, folder: Path) -> Map:
        """What `covered` noted, of tests that passed."""
        names = {number: block for block, number in blocks(root).items()}
        tests: list[Test] = []
        by_block: dict[tuple[str, int], list[int]] = defaultdict(list)
        by_module: dict[str, set[int]] = defaultdict(set)
        for file in sorted(folder.glob("*.jsonl")):
            for line in file.read_text().splitlines():
                told = json.loads(line)
                if not told["passed"]:
                    continue
                at = len(tests)
                tests.append(Test(told["test"], told["seconds"]))
                for number, hit in enumerate(zlib.decompress(base64.b85decode(told["blocks"]))):
                    if hit:
                        by_block[names[number]].append(at)
                        by_module[names[number][0]].add(at)
        return cls(tests, dict(by_block), {path: sorted(those) for path, those in by_module.items()})

    def of(self, mutant: Mutant) -> list[Test]:
        """All that may notice it, in the order in which they are tried."""
        if mutant.in_function:
            those = self.by_block.get((mutant.path, mutant.block), [])
        else:
            those = self.by_module.get(mutant.path, [])
        floor = f"tests/{mutant.path.split('/')[1]}/"
        tests = [self.tests[at] for at in those]
        return sorted(tests, key=lambda test: (not test.name.startswith(floor), test.seconds, test.name))


def batches(tests: Sequence[Test], seconds: Iterable[float], files: int = 8) -> Iterable[list[Test]]:
    """The tests in parts that take so long each: the first from few files, so that little has to be collected.

    Nothing is left out of the last but what its seconds do not reach to.
    """
    left = list(tests)
    for number, limit in enumerate(seconds):
        taken: list[Test] = []
        rest: list[Test] = []
        spent = 0.0
        seen: set[str] = set()
        for test in left:
            fits = spent + test.seconds <= limit and (number > 0 or test.file in seen or len(seen) < files)
            if fits:
                seen.add(test.file)
                spent += test.seconds
            (taken if fits else rest).append(test)
        if taken:
            yield taken
        left = rest


def sources_digest(root: Path) -> str:
    """By which a map is known to be of these sources."""
    digest = hashlib.sha256()
    for path in modules(root):
        digest.update(path.encode() + b"\0" + (root / path).read_bytes())
    return digest.hexdigest()[:16]
