"""What the site has besides the pages: their order, as index.md lists them, and a page for each source that is linked.

Under `## Pages` of index.md each `###` heading is a part of the site, and each page that its list links to is in it, in
that order; one in an indented list stands below the page of the item above. So there is one list of the pages, which
the forge, `rcuactors docs index` and the site show alike, and no directive in a page that only Sphinx understands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import BashLexer, TextLexer, get_lexer_for_filename
from pygments.token import Generic, _TokenType
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS: Final = Path(__file__).resolve().parent
ROOT: Final = DOCS.parent
INDEX: Final = "index"

PART: Final = re.compile(r"^### (.+)$")
ITEM: Final = re.compile(r"^( *)\* ")
PAGE: Final = re.compile(r"\]\(([\w-]+)\.md(?:#[\w-]+)?\)")
BESIDE: Final = re.compile(r"\]\(\.\./([^)#]+?)/?(?:#[^)]*)?\)")
REPORTED: Final = re.compile(r"\b(?:BUG|WARNING|DEADLOCK): |\[ BUG: |USE-AFTER-FREE|\*\*\* DEADLOCK")
FETCHED: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import\s[^;]*//[^;]+"""
)
FENCE: Final = re.compile(r"^(`{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)

# A source's page has the site's colours, and its reader's choice of light or dark, which the theme keeps so.
SOURCE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{name}</title>
<link rel="stylesheet" href="{up}_static/pygments.css"><link rel="stylesheet" href="{up}_static/styles/furo.css">
<link rel="stylesheet" href="{up}_static/site.css"></head>
<body class="source"><script>document.body.dataset.theme = localStorage.getItem("theme") || "auto"</script>
<p><a href="{up}index.html">rcuactors</a></p><h1><code>{name}</code></h1>
{body}</body></html>
"""

Trees = dict[str, list[tuple[str, list[str]]]]


def trees_of(index: str) -> Trees:
    """Which page has which below it: page -> (caption, pages) in order. A page's first place in the list counts."""
    trees: Trees = {INDEX: []}
    placed = {INDEX}
    above, indented = INDEX, False
    _, _, listed = index.partition("\n## Pages\n")
    for line in listed.splitlines():
        part, item = PART.match(line), ITEM.match(line)
        if part:
            trees[INDEX].append((part[1], []))
            continue
        if item:
            indented = bool(item[1])
        for name in PAGE.findall(line):
            if name in placed or not trees[INDEX]:
                continue
            placed.add(name)
            if indented:
                trees.setdefault(above, [("", [])])[0][1].append(name)
            else:
                trees[INDEX][-1][1].append(name)
        if item and not indented and (found := PAGE.search(line)):
            above = found[1]
    return trees


def toctree(caption: str, pages: list[str]) -> str:
    """The directive that puts pages below the one it stands in."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def outside_of_code(text: str) -> Iterator[tuple[bool, str]]:
    """(is it text, piece) of a page, in order."""
    at = 0
    for fence in FENCE.finditer(text):
        yield True, text[at : fence.start()]
        yield False, fence[0]
        at = fence.end()
    yield True, text[at:]


def as_site_has_it(name: str, text: str, trees: Trees) -> str:
    """A page with its links to sources as the site has them, and with the pages below it."""
    pieces = [BESIDE.sub(r"](source:\1)", piece) if is_text else piece for is_text, piece in outside_of_code(text)]
    return "".join([*pieces, *(toctree(caption, pages) for caption, pages in trees.get(name, []))])


def linked_sources() -> dict[str, Path]:
    """What lies beside docs/ and is linked to, and what is in the folders among that: path from the root -> file."""
    found: dict[str, Path] = {}
    for page in DOCS.glob("*.md"):
        for is_text, piece in outside_of_code(page.read_text(encoding="utf-8")):
            for name in BESIDE.findall(piece) if is_text else ():
                found[name] = path = ROOT / name
                if path.is_dir():
                    found |= {file.relative_to(ROOT).as_posix(): file for file in files_of(path)}
    return dict(sorted(found.items()))


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that a person reads, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in {".py", ".toml", ".md"})


def body_of(name: str, path: Path) -> str:
    """The inside of a source's page: its text in colours, or a folder's files."""
    if path.is_dir():
        up = "../" * name.count("/")
        files = [file.relative_to(ROOT).as_posix() for file in files_of(path)]
        items = "".join(f'<li><a href="{up}{file}.html"><code>{Path(file).name}</code></a></li>' for file in files)
        return f"<ul>{items}</ul>"
    try:
        lexer = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = TextLexer()
    return str(highlight(path.read_text(encoding="utf-8"), lexer, HtmlFormatter(linenos="inline")))


def write_sources(site: Path) -> None:
    """A page for each source. As pages of Sphinx, each with all pages beside it, they would take minutes."""
    for name, path in linked_sources().items():
        page = site / "source" / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (1 + name.count("/"))
        page.write_text(SOURCE.format(name=name, up=up, body=body_of(name, path)), encoding="utf-8")


def fetched(site: Path) -> list[str]:
    """What opening a page of the site would fetch from elsewhere: file and the piece that does, none if all is well."""
    return [
        f"{file.relative_to(site)}: {found[0]}"
        for file in sorted(site.rglob("*"))
        if file.suffix in {".html", ".css", ".svg"}
        for found in FETCHED.finditer(file.read_text(encoding="utf-8"))
    ]


def finished(app: Sphinx, error: Exception | None) -> None:
    """Add the sources. End the build with an error if the site cannot be read without a network."""
    from sphinx.errors import ExtensionError  # noqa: PLC0415 - the tests ask for the rest, without Sphinx

    if error is not None:
        return
    write_sources(Path(app.outdir))
    if found := fetched(Path(app.outdir)):
        raise ExtensionError(f"the site would fetch {found[0]}" + (f", and {len(found) - 1} more" if found[1:] else ""))


class Session(Lexer):
    """Commands, and what they print: a splat has brackets and `#` at the beginnings of lines, which are no prompts."""

    name = "console"

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Take a block apart, line by line."""
        at, continued = 0, False
        for line in text.splitlines(keepends=True):
            if continued or line.startswith("$ "):
                prompt = 0 if continued else 2
                if prompt:
                    yield at, Generic.Prompt, line[:prompt]
                for offset, kind, piece in BashLexer().get_tokens_unprocessed(line[prompt:]):
                    yield at + prompt + offset, kind, piece
                continued = line.endswith("\\\n")
            elif REPORTED.search(line):
                yield at, Generic.Error, line
            elif line.startswith("  at fault: "):
                yield at, Generic.Strong, line
            else:
                yield at, Generic.Output, line
            at += len(line)


def setup(app: Sphinx) -> None:
    """Register with Sphinx what is above."""
    trees = trees_of((DOCS / "index.md").read_text(encoding="utf-8"))

    def read(_app: Sphinx, name: str, source: list[str]) -> None:
        source[0] = as_site_has_it(name, source[0], trees)

    app.connect("source-read", read)
    app.add_lexer("console", Session)
    app.connect("build-finished", finished)
