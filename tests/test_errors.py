"""The words of what is wrong with an input: every place that raises such an error says it by the same helpers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from rcuactors.errors import BadInput, bad_value
from rcuactors.spelling import no_such

PACKAGE: Final = Path(__file__).resolve().parent.parent / "rcuactors"
INPUT_ERRORS: Final = ("BadInput", "ScenarioError", "DesignError", "OutputError", "StepBoundExceeded")
HELPERS: Final = ("errors.py", "spelling.py")


def _text(node: ast.expr) -> str | None:
    """A literal's text; what is filled in as {}."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def literals(trees: dict[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """(file and line, text) of each such error that is made with a text of its own."""
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INPUT_ERRORS:
                for argument in node.args[:1]:
                    text = _text(argument)
                    if text is not None:
                        yield f"{name}:{node.lineno}", text


def wrong_with(text: str) -> str:
    """Why that text is not said as all others are; empty if it is."""
    if ": needs " in text:
        return "bad_value() says what a value needs"
    if "did you mean" in text or "there are {}" in text:
        return "no_such() says which names there are"
    if text.rstrip().endswith(".") or text != text.strip() or "\n" in text:
        return "a message is one line without a full stop"
    if ":" not in text and "{}" not in text:
        return "a message names what it is about"
    return ""


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name not in HELPERS]
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8")) for path in paths}


def test_every_error_of_an_input_is_said_in_the_same_words(trees: dict[str, ast.Module]) -> None:
    found = list(literals(trees))
    assert len(found) > 100
    assert {place: wrong_with(text) for place, text in found if wrong_with(text)} == {}


def test_no_value_is_refused_by_an_error_of_pythons_own(trees: dict[str, ast.Module]) -> None:
    """What reads input raises errors of ours: ValueError and TypeError would be internal errors."""
    places = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        if name.partition("/")[0] in ("cli", "recordings", "traces", "conform", "questions", "userfiles", "config.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
        if node.exc.func.id in ("ValueError", "TypeError", "KeyError", "Exception", "RuntimeError")
    ]
    assert places == []


@pytest.mark.parametrize(
    "text",
    ["--seed {}: needs a number", "x: did you mean {}?", "It is wrong.", "wrong\nline", "something is wrong"],
)
def test_other_words_are_noticed(text: str) -> None:
    assert wrong_with(text)


def test_the_helpers_say_it() -> None:
    assert str(bad_value("--seed x", "a whole number")) == "--seed x: needs a whole number"
    said = str(no_such("kernel", "v5.1", ["v5.9", "v5.11"]))
    assert said == "kernel v5.1: did you mean v5.11? there are v5.9, v5.11"
    assert isinstance(bad_value("a", "b"), BadInput)
