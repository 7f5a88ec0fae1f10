"""Which function a probe stands on, by what it prints and by its name.

ftrace text says it: `(kvfree_call_rcu+0x0/0x2e0)` at an entry, `(CALLER+0x45/0xf0 <- FUNCTION)` at a return. Other
tools print the addresses without the names; then the name of the probe has to tell: the function's own, as `perf probe`
and `trace-cmd` give it (`p_FUNCTION_0`, `FUNCTION__return`), or one that the rig gave it, or what the user says.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

_AT_ENTRY: Final = re.compile(r"\(([A-Za-z_][A-Za-z0-9_.]*)\+0x([0-9a-f]+)/0x[0-9a-f]+(?: \[\w+\])?\)", re.ASCII)
_AT_RETURN: Final = re.compile(
    r"\((\S+)(?: \[\w+\])? <- ([A-Za-z_][A-Za-z0-9_.]*|[0-9a-fx]+)(?:\+0x0[^)]*)?\)", re.ASCII
)
_PROLOGUE: Final = 16
"""A probe on the entry stands at most so far behind it: after an endbr64, and the call of ftrace."""

_BY_NAME: Final = re.compile(r"(?:([pr])_)?(.+?)(_ret|__return|_return|_entry)?(?:_[0-9]+)?", re.ASCII)
_SHORT: Final = {
    "fill_page_cache": "fill_page_cache_func",
    "get_free_pages": "__get_free_pages",
    "get_free_pages_noprof": "__get_free_pages",
    "shrink_count": "kfree_rcu_shrink_count",
    "shrink_scan": "kfree_rcu_shrink_scan",
    "__kvfree_call_rcu": "kvfree_call_rcu",
}
"""The rig's short names, and one name for what has had two (get_free_pages_noprof() since v6.10)."""


@attrs.frozen
class Probe:
    """A probe on the entry or the return of a function."""

    function: str
    returns: bool


def probe_of(event: str, text: str) -> Probe | None:
    """The probe that wrote a line; None if it shows no function, and its name does not tell one for sure."""
    if (match := _AT_ENTRY.match(text)) is not None:
        return Probe(_one_name(match[1]), returns=False) if int(match[2], 16) <= _PROLOGUE else None
    if (match := _AT_RETURN.match(text)) is not None and not match[2][0].isdigit() and match[1] != match[2]:
        function = match[2]
        # An address is no function's name.
        if re.fullmatch(r"[0-9a-f]{8,16}", function) is None:
            return Probe(_one_name(function), returns=True)
    return _by_name(event) if text.startswith("(") else None


def returns_to(text: str) -> str:
    """The function that a return goes back to; "" where that is not told."""
    match = _AT_RETURN.match(text)
    return match[1].partition("+")[0] if match is not None and "+" in match[1] else ""


def _by_name(event: str) -> Probe | None:
    match = _BY_NAME.fullmatch(event)
    if match is None:
        return None
    return Probe(_one_name(match[2]), returns=match[1] == "r" or (match[3] or "").endswith(("ret", "return")))


def _one_name(function: str) -> str:
    function = function.partition(".")[0]  # kfree_rcu_work.constprop.0
    return _SHORT.get(function, function)
