"""Devices: actors with one strand for ever, a loop over messages and points of time."""

from __future__ import annotations

from typing import ClassVar, Final

from .actor import Actor
from .strand import Strand

PART_DONE: Final = "a part of something is done"
"""What is to be said of a device that others can see between two parts of what it does."""


class Device(Actor):
    """Base of the actors that are not CPUs; it is its own strand's gate."""

    passes_on: ClassVar[bool] = True
    """What one has told it, those know whom it then tells something. Not so of one that stands for many."""

    def hints(self) -> tuple[str, ...]:
        """It stops at a point only where it has done a part of something."""
        return (PART_DONE,)

    async def main(self) -> None:
        """The loop."""
        raise NotImplementedError

    def leave(self, strand: Strand) -> BaseException | None:
        """A device waits for messages only."""
        raise RuntimeError(f"{strand.name} suspended outside the model")

    def rejoin(self, strand: Strand) -> None:
        """Never called: see `leave`."""

    def exited(self, strand: Strand) -> None:
        """A device that ends takes no further part."""
