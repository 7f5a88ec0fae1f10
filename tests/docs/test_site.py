"""The site's pages in order, its links to sources, and what it must not fetch (docs/site_pages.py).

Sphinx itself builds the site in `.ci/run`, with warnings as errors.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from pygments.token import Generic

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"


def load() -> Any:
    """docs/site_pages.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("site_pages_of_the_docs", DOCS / "site_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site = load()

INDEX = """# What this is

Of [one](one.md) nothing is said here.

## Pages

They are these.

### Start

* [One](one.md#part): the first,
  and [the second](two.md).
  * [three](three.md),
    [four](four.md)
* [Five](five.md), beside [one](one.md).

### The end

* [Six](six.md)
"""


def test_every_page_has_one_place() -> None:
    trees = site.trees_of((DOCS / "index.md").read_text(encoding="utf-8"))
    placed = [page for parts in trees.values() for _, pages in parts for page in pages]
    assert sorted(placed) == sorted({path.stem for path in DOCS.glob("*.md")} - {"index"})


def test_the_order_is_that_of_the_list() -> None:
    assert site.trees_of(INDEX) == {
        "index": [("Start", ["one", "two", "five"]), ("The end", ["six"])],
        "one": [("", ["three", "four"])],
    }


def test_a_page_as_the_site_has_it() -> None:
    text = "[a](../tests/a.py#L3), [b](b.md) and [c](../rcuactors/c/)\n```text\n[a](../a.py)\n```\n[d](../d.py)\n"
    assert site.as_site_has_it("one", text, site.trees_of(INDEX)) == (
        "[a](source:tests/a.py), [b](b.md) and [c](source:rcuactors/c)\n```text\n[a](../a.py)\n```\n[d](source:d.py)\n"
        "\n```{toctree}\n:hidden:\n\nthree\nfour\n```\n"
    )
    assert site.as_site_has_it("index", "", site.trees_of(INDEX)).count("{toctree}") == 2
    assert site.as_site_has_it("six", text, {}).endswith("[d](source:d.py)\n")


def test_every_source_that_is_linked_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(path.exists() for path in site.linked_sources().values())
    few = {
        "scenarios": ROOT / "scenarios",
        "scenarios/flood.py": ROOT / "scenarios" / "flood.py",
        "LICENSE": ROOT / "LICENSE",
    }
    monkeypatch.setattr(site, "linked_sources", lambda: few)
    site.write_sources(tmp_path)
    assert 'href="../source/' not in (tmp_path / "source" / "scenarios.html").read_text(encoding="utf-8")
    assert 'href="scenarios/flood.py.html"' in (tmp_path / "source" / "scenarios.html").read_text(encoding="utf-8")
    page = (tmp_path / "source" / "scenarios" / "flood.py.html").read_text(encoding="utf-8")
    assert '<link rel="stylesheet" href="../../_static/pygments.css">' in page
    assert "kvfree_rcu" in page
    assert "MIT License" in (tmp_path / "source" / "LICENSE.html").read_text(encoding="utf-8")
    assert site.fetched(tmp_path) == []


@pytest.mark.parametrize(
    "piece",
    [
        '<script defer src="https://host/x.js"></script>',
        "<img alt='a' src=//host/a.png>",
        '<link rel="stylesheet" href="http://host/a.css">',
        "body { background: url(https://host/a.png) }",
        '@import "https://host/font.css";',
    ],
)
def test_what_a_page_would_fetch_is_found(tmp_path: Path, piece: str) -> None:
    (tmp_path / "page.html").write_text(
        f'<a href="https://host/">there</a>\n{piece}\n<img src="a.svg">\n', encoding="utf-8"
    )
    assert len(site.fetched(tmp_path)) == 1
    assert site.fetched(tmp_path)[0].startswith("page.html: ")


def test_a_session_is_coloured_line_by_line() -> None:
    block = "$ one \\\n    --more\n[    0.1]  #0: lock\n[    0.1] [ BUG: Invalid wait context ]\n  at fault: a.py:3\n"
    tokens = list(site.Session().get_tokens_unprocessed(block))
    assert "".join(text for _, _, text in tokens) == block
    kinds = {text: kind for _, kind, text in tokens}
    assert kinds["$ "] is Generic.Prompt
    assert kinds["[    0.1]  #0: lock\n"] is Generic.Output
    assert kinds["[    0.1] [ BUG: Invalid wait context ]\n"] is Generic.Error
    assert kinds["  at fault: a.py:3\n"] is Generic.Strong
