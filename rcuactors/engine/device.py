"""Devices: actors with one strand for ever, a loop over messages and points of time.

A device waits in the conductor only, so it needs no Trio task: whoever elects it drives its coroutine to the next wait.
"""

from __future__ import annotations

from typing import ClassVar

from .actor import Actor
from .strand import Strand


class Device(Actor):
    """Base of the actors that are not CPUs; it is its own strand's gate."""

    driven: ClassVar[bool] = True

    async def main(self) -> None:
        """The loop."""
        raise NotImplementedError

    def leave(self, strand: Strand) -> BaseException | None:
        """Never called: the conductor refuses such a suspension, since nobody could wait for it."""

    def rejoin(self, strand: Strand) -> None:
        """Never called either."""

    def exited(self, strand: Strand) -> None:
        """A device that ends takes no further part."""
