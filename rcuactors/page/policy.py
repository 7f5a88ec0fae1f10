"""What a page of ours may do (Content-Security-Policy): run its own script, have its own style, and ask for nothing.

The script, and the style if it is all there is, are named by their digests: no other runs, whatever a text says.
"""

from __future__ import annotations

import base64
import hashlib


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"


def policy(script: str, style: str | None) -> str:
    """For the page with this script. `style` is None for one whose elements have styles of their own."""
    styles = _digest(style) if style is not None else "'unsafe-inline'"
    return (
        f"default-src 'none'; script-src {_digest(script)}; style-src {styles}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
