"""The file that `export` writes: there when it is whole, or not at all."""

from __future__ import annotations

from typing import Self

from ..engine.events import Event
from ..errors import BadInput
from ..exports import Format, NoRoom, PerfettoTrace, SchedulerEvents, Writer
from ..machine import Machine
from ..spelling import plural
from ..timeline import Watch
from ..timeline.own_lines import as_ftrace
from ..timeline.traced import Traced
from ..traces import Trace
from .whole_file import OutputError, WholeFile


class TraceFile:
    """A context manager, and a sink. What was not begun leaves no file; a run that ended badly leaves what came."""

    def __init__(self, name: str, form: Format) -> None:
        self.begun = False
        self.written = False
        self.nr_cpus = 0
        self._name, self._form = name, form
        self._file = WholeFile("-o", name)
        self._writer: Writer | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        self._file.__enter__()
        try:
            self._writer = self._form.make(self._file.folder)
        except BadInput:
            self._file.__exit__()
            raise
        return self

    @property
    def writer(self) -> Writer:
        """What makes the trace."""
        assert self._writer is not None
        return self._writer

    @property
    def told(self) -> bool:
        """It is a file: who writes to a pipe, or to our own standard output, wants nothing else in there."""
        return self._file.folder is not None

    def listen(self, machine: Machine) -> None:
        """Hear what of a machine its events do not tell."""
        SchedulerEvents(machine, self.take).listen()
        if isinstance(self.writer, PerfettoTrace):
            self.writer.is_of(machine.setup.era.release)
            self._watch = Watch(machine, self.writer)

    def draw(self, named: str) -> tuple[str, ...]:
        """What can be told of the events of a file as lanes, if the trace has some; returns what cannot."""
        if not isinstance(self.writer, PerfettoTrace):
            return ()
        traced = Traced(Trace(named, as_ftrace=as_ftrace), self.writer)
        traced.tell()
        return traced.notes()

    def take(self, event: Event) -> None:
        """One event. Raises OutputError."""
        try:
            self.writer.take(event)
        except NoRoom as error:
            raise self._file.cannot(error) from None

    @property
    def failed(self) -> OutputError | None:
        """What could not be written; there is no file then."""
        failed = self.writer.failed
        return self._file.cannot(failed) if failed is not None else None

    def finish(self) -> None:
        """Write it, and give it its name. Raises OutputError."""
        if not self.begun or self.failed is not None or self.written:
            self._file.finish(keep=False)
            return
        try:
            if self._watch is not None:
                self._watch.end()
            self.writer.write(self._file.bytes_stream, nr_cpus=self.nr_cpus)
        except OSError as error:
            self._file.finish(keep=False)
            raise self._file.cannot(error) from None
        self._file.finish(keep=True)
        self.written = True

    def summary(self) -> str:
        """What was written."""
        return f"{self._name}: {self._form.name}, {plural(self.writer.count, 'event')} on {plural(self.nr_cpus, 'CPU')}"

    def notes(self) -> list[str]:
        """What is not in there as it was."""
        return self.writer.notes()

    def __exit__(self, *_exc: object) -> None:
        self.writer.close()
        self._file.__exit__()
