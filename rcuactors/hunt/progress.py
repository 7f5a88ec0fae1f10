"""How far an exploration is, as whoever makes its schedules says."""

from __future__ import annotations

import attrs


@attrs.define
class Progress:
    """How far an exploration is. `complete`: a search has come to its end; `subtrees` of it are done, of so many.

    `part`: which part of a search that goes through a tree is done, by an estimate. `classes` of schedules were tried
    by one that reduces, and `left` beginnings are known that it has not tried; `repeated` schedules were of a class
    that was tried before, and `astray` ones did not begin as they should have.
    """

    complete: bool = False
    subtrees: int = 0
    subtrees_done: int = 0
    part: float | None = None
    classes: int = 0
    left: int = 0
    repeated: int = 0
    astray: int = 0
