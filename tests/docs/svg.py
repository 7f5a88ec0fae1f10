"""What the documentation's generated pictures share: boxes, arrows, texts, and colours for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

CHAR: Final = 7.4
"""Width of a character of 13 px, on the wide side."""

_STYLE: Final = """\
  <style>
    text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
    .head { font-size: 16px; font-weight: 600; }
    .small { font-size: 12px; fill: #57606a; }
    .code { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; font-size: 12.5px; }
    .plate { fill: #ffffff; }
    .page { fill: #ffffff; stroke: #d0d7de; }
    .band { fill: #f6f8fa; stroke: #d0d7de; }
    .box { fill: #ddf4ff; stroke: #0969da; }
    .rest { fill: #ffffff; stroke: #57606a; }
    .baton { fill: #fff8c5; stroke: #9a6700; }
    .watcher { fill: none; stroke: #8250df; stroke-dasharray: 7 5; }
    .arrow { fill: none; stroke: #57606a; stroke-width: 1.4; }
    .out { stroke: #0969da; }
    .back { stroke: #bc4c00; }
    .tip { fill: #57606a; }
    .tip.out { fill: #0969da; stroke: none; }
    .tip.back { fill: #bc4c00; stroke: none; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9ea7b3; }
      .plate { fill: #0d1117; }
      .page { fill: #0d1117; stroke: #30363d; }
      .band { fill: #161b22; stroke: #30363d; }
      .box { fill: #0c2d4d; stroke: #58a6ff; }
      .rest { fill: #0d1117; stroke: #8b949e; }
      .baton { fill: #3b2f08; stroke: #d29922; }
      .watcher { stroke: #bc8cff; }
      .arrow { stroke: #9ea7b3; }
      .out { stroke: #58a6ff; }
      .back { stroke: #ffa657; }
      .tip { fill: #9ea7b3; }
      .tip.out { fill: #58a6ff; }
      .tip.back { fill: #ffa657; }
    }
  </style>
"""


def _marker(name: str, kind: str) -> str:
    return (
        f'    <marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path class="tip {kind}" d="M0 0 10 5 0 10z"/></marker>\n'
    )


def picture(width: float, height: float, title: str, about: str, parts: Iterable[str]) -> str:
    """The whole file."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-labelledby="title desc">\n'
        f'  <title id="title">{escape(title)}</title>\n  <desc id="desc">{escape(about)}</desc>\n{_STYLE}  <defs>\n'
        f"{_marker('tip', '')}{_marker('tip-out', 'out')}{_marker('tip-back', 'back')}  </defs>\n"
        f'  <rect class="page" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="10"/>\n'
        + "".join(f"  {part}\n" for part in parts)
        + "</svg>\n"
    )


def rect(kind: str, x: float, y: float, width: float, height: float, *, says: str = "") -> str:
    """A box; `says` is shown where somebody points at it."""
    inner = f"><title>{escape(says)}</title></rect>" if says else "/>"
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"{inner}'


def text(x: float, y: float, what: str, kind: str = "", *, anchor: str = "") -> str:
    """A line of text, which begins at x, ends there, or has its middle there."""
    cls = f' class="{kind}"' if kind else ""
    at = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{cls} x="{x:g}" y="{y:g}"{at}>{escape(what)}</text>'


def label(x: float, y: float, what: str, kind: str = "small") -> list[str]:
    """A text in the middle of an arrow, which is not seen behind it."""
    wide = 6.9 * len(what) + 4
    return [rect("plate", x - wide / 2, y - 12, wide, 16), text(x, y, what, kind, anchor="middle")]


def arrow(path: str, kind: str = "", *, says: str = "", both: bool = False) -> str:
    """An arrow along a path."""
    tip = f"tip-{kind}" if kind else "tip"
    start = f' marker-start="url(#{tip})"' if both else ""
    inner = f"><title>{escape(says)}</title></path>" if says else "/>"
    return f'<path class="arrow {kind}" d="{path}" marker-end="url(#{tip})"{start}{inner}'
