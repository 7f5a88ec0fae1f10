"""Housekeeping that no linter does: file sizes, heads, and nothing of anybody's machine in tracked text."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

MAX_LINES = 450
MAX_FUNCTION_LINES = 50
CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(?:work|tmp|home|root|Users)/[\w.-]+")


FOLDERS = ("rcuactors", "scenarios", "tests", "docs", ".ci")


def tracked(root: Path, *suffixes: str) -> list[Path]:
    """The project's own files of these kinds: what lies in its folders and beside them."""
    beside = [path for path in root.iterdir() if path.is_file()]
    within = [path for folder in FOLDERS for path in (root / folder).rglob("*")]
    recordings = root / "tests" / "data" / "recordings"
    return sorted(
        path
        for path in beside + within
        if path.is_file()
        and path.name.endswith(suffixes)
        and "__pycache__" not in path.parts
        and not path.is_relative_to(recordings)
    )


def test_the_list_of_files_is_not_empty(root: Path) -> None:
    assert len(tracked(root, ".py")) > 100


def test_files_can_be_read_in_one_sitting(root: Path) -> None:
    sizes = {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in tracked(root, ".py")}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


def functions(source: str) -> dict[str, int]:
    """Lines of each function, from its `def` to its end; one that holds others is measured with them."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {f"{node.name}:{node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes}


def test_functions_fit_a_screen(root: Path) -> None:
    sizes = {
        f"{path.relative_to(root)}:{name}": size
        for path in tracked(root, ".py")
        for name, size in functions(path.read_text()).items()
    }
    assert len(sizes) > 1000
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}


def test_a_function_that_is_too_long_is_found() -> None:
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert functions(f"class C:\n  async def f(self):\n{body}") == {"f:2": MAX_FUNCTION_LINES + 1}


def test_every_module_says_what_it_is(root: Path) -> None:
    headless = [path for path in tracked(root, ".py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert headless == []


def test_nothing_is_left_of_a_merge(root: Path) -> None:
    texts = {path: path.read_text() for path in tracked(root, ".py", ".md", ".toml", ".css", ".js", ".html", "run")}
    assert [str(path) for path, text in texts.items() if CONFLICT.search(text)] == []
    assert CONFLICT.search("one\n" + "<" * 7 + " HEAD\ntwo\n")


def test_nothing_names_a_machine(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in tracked(root, ".py", ".md", ".toml", ".yml", ".yaml", ".cfg", ".txt", ".json", "run")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("see /wo" + "rk/x", True),
        ('"/tm' + 'p/y"', True),
        ("/ho" + "me/user/z", True),
        ("docs/home/notes", False),
        ("https://host/home/page", False),
        ("homework/1", False),
    ],
)
def test_the_pattern_for_machine_paths(line: str, found: bool) -> None:
    assert bool(MACHINE_PATHS.search(line)) is found
