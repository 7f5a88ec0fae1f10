"""The table of docs/kernel-bugs.md: what it says of a bug is so (tests/docs/bugs.py)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rcuactors.eras import ERAS
from tests.docs.bugs import BUGS, ROOT, Bug


def texts_of_tests(path: Path) -> list[str]:
    """Each test function of a file with its name and text, and the module's head with each."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    return [ast.get_source_segment(source, node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.commit)
def test_each_has_a_test_that_names_its_commit(bug: Bug) -> None:
    path = ROOT / bug.test
    assert bug.commit in path.read_text(encoding="utf-8")
    assert any(text.startswith("def test_") for text in texts_of_tests(path))


@pytest.mark.parametrize("bug", [bug for bug in BUGS if callable(bug.has)], ids=lambda bug: bug.commit)
def test_each_is_gone_where_it_was_mended(bug: Bug) -> None:
    """Some version has it, and one behind that has not."""
    assert callable(bug.has)
    having = [bool(bug.has(era.rules)) for era in ERAS.values()]
    assert any(having)
    assert not having[-1]


def test_each_is_there_once() -> None:
    assert len({bug.commit for bug in BUGS}) == len(BUGS)
