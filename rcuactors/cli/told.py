"""`--story` of a run: heard while it runs, printed when it is over."""

from __future__ import annotations

from typing import Final

from ..errors import BadInput
from ..machine import Machine
from ..story import Teller, story_of
from ..story.telling import COLOURS
from .common import RunArguments
from .output import print_lines
from .styled import print_styled_lines

_PAGE: Final = 120
"""Characters of a line where there is no terminal."""


class Told:
    """The story of a machine that has not run yet, if the arguments ask for one.

    `missed` is what was asked for and is not in it, once it was printed.
    """

    def __init__(self, machine: Machine, arguments: RunArguments) -> None:
        self.missed: BadInput | None = None
        self._arguments = arguments
        self._teller = Teller(machine, arguments.wanted.names) if arguments.story else None

    def print(self) -> None:
        """Print it, and an empty line after it."""
        if self._teller is None:
            return
        story = story_of(self._teller, self._arguments.wanted, every=self._arguments.verbose)
        self.missed = story.missed
        if self.missed is None:
            print_styled_lines(lambda width: story.lines(width or _PAGE), COLOURS)
            print_lines([""])
