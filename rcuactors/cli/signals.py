"""Signals that end a command as Ctrl-C does: SIGTERM (`kill`, `timeout`), SIGHUP (the terminal is gone).

What was found until then is printed, and files are whole or not there; only the exit code is another. Imported by every
command, so that it imports nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Final

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Heard:
    """Which signal other than Ctrl-C has ended the command: 0 if none has."""

    def __init__(self) -> None:
        self.number = 0

    def handler(self, number: int, _frame: object) -> None:
        """What is called then."""
        self.number = number
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear them meanwhile, those that nobody else hears and that are not ignored (nohup)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ours = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
        self.number = 0
        for number in ours:
            signal.signal(number, self.handler)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, signal.SIG_DFL)


HEARD: Final = Heard()
"""By this process's command."""
