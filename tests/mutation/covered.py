"""A plugin for pytest that notes which tests enter which block of statements: `-p tests.mutation.covered`.

The modules of the floors are compiled with a mark at the head of each block. It is as cheap as a mark can be, so the
whole suite can be mapped in little more than its own time. What runs in another process leaves no mark here; what a
test finds done already (a cached result) is noted for the test that did it.
"""

from __future__ import annotations

import ast
import base64
import builtins
import json
import os
import sys
import time
import zlib
from collections.abc import Generator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import attrs
import pytest

from tests.mutation.mutants import blocks_marked, modules

INTO: Final = "RCUACTORS_MUTATION_MAP"
_HITS: Final = "_rcuactors_hits"


class CodeLoader(SourceFileLoader):
    """Loads a module from code that was made of its source."""

    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        """That code."""
        del fullname
        return self.code


@attrs.define
class Finder(MetaPathFinder):
    """Gives some modules other code: by name, what is made of their source when it is asked for."""

    root: Path
    paths: dict[str, str]
    """Path by the module's name."""

    def code(self, path: str) -> CodeType:
        """The code of a module."""
        raise NotImplementedError

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if it is one of those."""
        del path, target
        if fullname not in self.paths:
            return None
        where = str(self.root / self.paths[fullname])
        loader = CodeLoader(fullname, where, self.code(self.paths[fullname]))
        package = [str(Path(where).parent)] if where.endswith("__init__.py") else None
        return spec_from_file_location(fullname, where, loader=loader, submodule_search_locations=package)


def name_of(path: str) -> str:
    """A module's name by its path."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@attrs.define
class _Marking(Finder):
    numbers: dict[tuple[str, int], int] = attrs.field(factory=dict)

    def code(self, path: str) -> CodeType:
        """The module with marks."""

        def mark(line: int) -> ast.stmt:
            number = self.numbers[path, line]
            return ast.parse(f"{_HITS}[{number}] = 1").body[0]

        tree = blocks_marked(ast.parse((self.root / path).read_text()), mark)
        return compile(tree, str(self.root / path), "exec", dont_inherit=True)


def blocks(root: Path) -> dict[tuple[str, int], int]:
    """The number of each block, by its module and first line."""
    found: dict[tuple[str, int], int] = {}
    for path in modules(root):
        blocks_marked(ast.parse((root / path).read_text()), lambda line, at=path: _numbered(found, (at, line)))
    return found


def _numbered(found: dict[tuple[str, int], int], block: tuple[str, int]) -> ast.stmt:
    found.setdefault(block, len(found))
    return ast.Pass()


@attrs.define
class Covered:
    """Notes one test after the other."""

    into: Path
    hits: bytearray

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Which blocks a test entered, how long it took (s of processor time), and that it passed."""
        size = len(self.hits)
        self.hits[:] = bytes(size)
        failed, began = item.session.testsfailed, time.process_time()
        said = yield
        told = {
            "test": item.nodeid,
            "seconds": round(time.process_time() - began, 4),
            "passed": item.session.testsfailed == failed,
            "blocks": base64.b85encode(zlib.compress(bytes(self.hits))).decode(),
        }
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        with (self.into / f"{worker}.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")
        return said


def pytest_configure(config: pytest.Config) -> None:
    """Begin to note, if it is said where to."""
    into = os.environ.get(INTO)
    if into is None:
        return
    config.pluginmanager.register(Covered(Path(into), getattr(builtins, _HITS)))


def _begin() -> None:
    if INTO not in os.environ or hasattr(builtins, _HITS):
        return
    root = Path.cwd()
    numbers = blocks(root)
    setattr(builtins, _HITS, bytearray(len(numbers)))
    sys.meta_path.insert(0, _Marking(root, {name_of(path): path for path in modules(root)}, numbers))


_begin()
