"""The file around the data: markup, style and script, and the policy that lets nothing else in."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import Final, TextIO

from .encode import packed
from .policy import policy
from .report import Report

SCRIPTS: Final = (
    "data.js",
    "axis.js",
    "colours.js",
    "layout.js",
    "spans.js",
    "marks.js",
    "arrows.js",
    "curves.js",
    "panel.js",
    "overview.js",
    "pointing.js",
    "search.js",
    "instant.js",
    "side.js",
    "keys.js",
    "main.js",
)
"""In this order: each uses those before it."""
_SPLIT: Final = 1 << 16


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """The whole script, as one function that is called at once: nothing of it is left to be called from outside."""
    return '"use strict";\n(() => {\n' + "\n".join(_asset(name) for name in SCRIPTS) + "\n})();\n"


@cache
def style() -> str:
    """The whole style."""
    return _asset("page.css")


def _lines(text: str) -> str:
    """In lines that editors and mail can bear."""
    return "\n".join(text[begin : begin + _SPLIT] for begin in range(0, len(text), _SPLIT))


def to_html(report: Report) -> str:
    """The whole file."""
    parts = {
        "@POLICY@": escape(policy(script(), style())),
        "@STYLE@": style(),
        "@SCRIPT@": script(),
        "@TITLE@": escape(report.title),
        "@DATA@": _lines(packed(report)),
    }
    out = []
    for piece in _asset("page.html").splitlines(keepends=True):
        name = next((name for name in parts if name in piece), None)
        out.append(piece if name is None else piece.replace(name, parts[name]))
    return "".join(out)


def write_report(report: Report, stream: TextIO) -> None:
    """Write the whole file. Raises what the stream does."""
    stream.write(to_html(report))
