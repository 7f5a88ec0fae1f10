"""A case that goes wrong made smaller, as long as it goes wrong in the same way: fewer words, files and lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs

from .case import Case
from .trying import attempt, wrong_with

_MOST: Final = 120
"""Attempts for one case."""
_PLACE: Final = re.compile(r"\(\w+\.py:\d+\)")


def _way(wrong: str) -> str:
    """How it goes wrong, without what differs from attempt to attempt."""
    said, _, _ = wrong.partition(": ")
    return re.sub(r"\d+", "0", said) + "".join(_PLACE.findall(wrong)[-1:])


def _smaller(case: Case) -> Iterator[Case]:
    if not case.reader:
        for at in range(len(case.args) - 1, 0, -1):
            yield attrs.evolve(case, args=(*case.args[:at], *case.args[at + 1 :]))
            if case.args[at - 1].startswith("--") and at > 1:
                yield attrs.evolve(case, args=(*case.args[: at - 1], *case.args[at + 1 :]))
    for name in case.environment:
        yield attrs.evolve(case, environment={key: value for key, value in case.environment.items() if key != name})
    for name in case.files:
        yield attrs.evolve(case, files={key: value for key, value in case.files.items() if key != name})
    for name, data in case.files.items():
        lines = data.splitlines(keepends=True)
        size = len(lines) // 2
        while size:
            for at in range(0, len(lines), size):
                fewer = b"".join([*lines[:at], *lines[at + size :]])
                yield attrs.evolve(case, files={**case.files, name: fewer})
            size //= 2


def shrunk(case: Case, wrong: str, most: int = _MOST) -> Case:
    """A smaller one that is wrong in the same way, or itself. One that hangs stays as it is, since that takes long."""
    if wrong.startswith("hangs"):
        return case
    way, left, again = _way(wrong), most, True
    while again and left > 0:
        again = False
        for smaller in _smaller(case):
            left -= 1
            if left <= 0:
                break
            if _way(wrong_with(smaller, attempt(smaller))) == way:
                case, again = smaller, True
                break
    return case
