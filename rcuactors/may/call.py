"""A call as it stands in C, `kmalloc(64, GFP_ATOMIC)`, taken apart: the function's name and its arguments' texts.

What the texts mean is read here, too, where it matters to the answer: numbers, gfp flags. Of anything else, such as
`&dev->lock`, only its place in the call matters.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import attrs

from ..errors import BadInput, bad_value, shown
from ..mm import gfp as flags
from ..mm.gfp import Gfp
from ..spelling import no_such

EXAMPLE: Final = "'kfree_rcu(p, rcu)'"
_BEFORE: Final = r"\s*(?:return\b|[^=()]*[^=()!<>]=(?!=))?\s*(?:\(\s*[A-Za-z_][\w\s]*[*\s]*\)\s*)*"
"""What a call may be part of: `return`, what its result goes to, casts."""
_CALL: Final = re.compile(_BEFORE + r"(?P<name>[A-Za-z_]\w*)\s*\((?P<inside>.*)\)\s*[;{]?\s*", re.DOTALL)
_NUMBER: Final = re.compile(r"(?P<digits>0[xX][0-9a-fA-F]+|\d+)[uUlL]*")
_FLAG: Final = re.compile(r"\s*(?P<operator>[|&]?)\s*(?P<without>~?)\s*(?P<name>\w+)\s*")
_LONGEST: Final = 400
_OPEN: Final = {"(": ")", "[": "]", "{": "}"}

GFP_FLAGS: Final[dict[str, Gfp]] = {
    **{name: getattr(flags, name) for name in ("GFP_KERNEL", "GFP_ATOMIC", "GFP_NOWAIT", "GFP_NOIO", "GFP_NOFS")},
    **{f"__GFP_{flag.name}": flag for flag in Gfp if flag is not Gfp.NO_LOCKS},
    "__GFP_RECLAIM": flags.RECLAIM,
    "GFP_USER": flags.GFP_KERNEL,
    "GFP_KERNEL_ACCOUNT": flags.GFP_KERNEL,
    "__GFP_ACCOUNT": Gfp(0),
    "0": Gfp(0),
}
"""By the names of C. `NO_LOCKS` is no flag of any kernel's (mm/gfp.py). Memory cgroups and cpusets are not modelled:
what some ask them makes no difference.
"""


@attrs.frozen
class Call:
    """A function's name, and the texts of its arguments."""

    name: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


def is_name(text: str) -> bool:
    """Whether it is a function's name alone, without its parentheses."""
    return re.fullmatch(r"\s*[A-Za-z_]\w*\s*(\(\s*)?", text) is not None


def parse_call(text: str) -> Call:
    """The call in this text. Raises BadInput, in one line, for a text that is none."""
    found = _CALL.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise bad_value(f"operation {shown(text)}", f"a call as in C, such as {EXAMPLE}")
    return Call(found["name"], _arguments(text, found["inside"]))


def _arguments(text: str, inside: str) -> tuple[str, ...]:
    """What stands between the commas that are in no parentheses and in no text."""
    parts, closing, quoted = [""], list[str](), False
    for before, char in pairwise(f" {inside}"):
        if char == '"' and before != "\\":
            quoted = not quoted
        if quoted:
            pass
        elif char in _OPEN:
            closing.append(_OPEN[char])
        elif char in _OPEN.values() and (not closing or closing.pop() != char):
            raise bad_value(f"operation {shown(text)}", f"parentheses that match, such as {EXAMPLE}")
        if char == "," and not closing and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    if closing or quoted:
        raise bad_value(f"operation {shown(text)}", f"parentheses that match, such as {EXAMPLE}")
    arguments = tuple(" ".join(part.split()) for part in parts)
    if arguments == ("",):
        return ()
    if "" in arguments:
        raise bad_value(f"operation {shown(text)}", "something between its commas")
    return arguments


def number_in(text: str) -> int | None:
    """The number, where the text is one; None for an expression, whose value is not known."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits = found["digits"]
    return int(digits, 16) if digits[:2].lower() == "0x" else int(digits)


def gfp_in(text: str, call: Call) -> Gfp:
    """The flags of an expression such as `GFP_KERNEL & ~__GFP_DIRECT_RECLAIM`. Raises BadInput."""
    plain = text.replace("(", " ").replace(")", " ")
    value, at = Gfp(0), 0
    while at < len(plain):
        found = _FLAG.match(plain, at)
        joined = found is not None and (not at) == (not found["operator"])
        if found is None or not joined or (found["operator"] == "&") != bool(found["without"]):
            raise bad_value(f"{call}: {text}", "gfp flags, such as GFP_ATOMIC or GFP_NOWAIT | __GFP_NOWARN")
        name = found["name"]
        if name not in GFP_FLAGS:
            raise no_such(f"{call}:", name, GFP_FLAGS)
        value = value & ~GFP_FLAGS[name] if found["without"] else value | GFP_FLAGS[name]
        at = found.end()
    return value


def wrong_count(call: Call, prototypes: list[str]) -> BadInput:
    """The error for a call with too few arguments, or too many."""
    return bad_value(str(call), " or ".join(prototypes))
