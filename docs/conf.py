"""The documentation as a site, by Sphinx: `python -m sphinx -W -n --keep-going docs build/site`.

The pages are the same files that the forge shows and `rcuactors docs` prints. What a site needs besides, the order of
pages and pages of sources, is made in docs/site_pages.py. Nothing is fetched, neither now nor when a page is opened.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rcuactors import __version__

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "rcuactors"
version = release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"

# Options such as --set stay as they are typed.
smartquotes = False
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None,
    "https": None,
    # What lies beside docs/ has a page of its own: a flat site, so this is where it is from every page.
    "source": {"url": "source/{{path}}.html"},
}

html_theme = "furo"
html_title = f"rcuactors {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style = "default"
pygments_dark_style = "github-dark"


def setup(app: Sphinx) -> None:
    """Have Sphinx call what docs/site_pages.py has."""
    import site_pages  # noqa: PLC0415 - a module beside this one, found since the lines above

    site_pages.setup(app)
