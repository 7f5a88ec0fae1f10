"""Processes that have the package imported already: a server that forks one for each command that it is asked to run.

To import the package takes far longer than most of what the documentation's examples do. A command is run as `python
-m rcuactors` runs it, by the same file, in a process of its own, with its own arguments, directory, environment and
standard streams; only its modules are there before it. `command()` says what stands for `rcuactors` in a shell.

A command runs as on a machine with one CPU: it is not the only test that runs, and other processes would have to import
the package after all.

    python tests/forking/server.py SOCKET       serves until its standard input ends
"""

from __future__ import annotations

import array
import gc
import importlib
import marshal
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

CLIENT: Final = Path(__file__).with_name("client.py")
_STREAMS: Final = 3
_FAILED: Final = 1


class ForkingServer:
    """Begins a server, and ends it. `folder`: a directory for its socket, with a short name."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._socket = folder / "socket"
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._socket)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the server of forked processes did not begin")

    def command(self) -> str:
        """What a shell calls in the place of `python -m rcuactors`."""
        words = [sys.executable, "-I", "-S", str(CLIENT), str(self._socket)]
        return shlex.join(words)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


# -- the server --------------------------------------------------------------------------------------------------------


def import_everything() -> None:
    """All that commands import when they are called, and what a process keeps of where it began."""
    cli = importlib.import_module("rcuactors.cli")
    for later in cli.COMMANDS.values():
        importlib.import_module(later.module, "rcuactors.cli")
    gc.collect()
    gc.freeze()


def serve(path: str) -> None:
    """Fork a process for whoever connects, until nobody is there any more who began this server."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    os.cpu_count = lambda: 1
    import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them but who has asked for them
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if os.fork() == 0:
        sys.stdin.buffer.read()
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            answer(connection)
        connection.close()


def answer(connection: socket.socket) -> None:
    """In the new process: be the command, and tell how it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = _FAILED
    try:
        arguments, folder, environment = received(connection)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        status = run(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        connection.sendall(bytes([status]))
        os._exit(0)


def received(connection: socket.socket) -> tuple[list[str], str, dict[str, str]]:
    """The arguments, the directory, the environment; the streams are put where they belong."""
    descriptors = array.array("i")
    message, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(_STREAMS * descriptors.itemsize))
    for _level, _kind, data in ancillary:
        descriptors.frombytes(data)
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    size, text = int.from_bytes(message, "little"), b""
    while len(text) < size:
        text += connection.recv(size - len(text))
    asked: Any = marshal.loads(text)  # noqa: S302 - from our own client
    return asked


def run(arguments: list[str]) -> int:
    """As `python -m rcuactors` does; the exit status."""
    sys.argv = ["-m", *arguments]
    sys.path[0] = str(Path.cwd())
    try:
        runpy.run_module("rcuactors", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code
        if isinstance(status, str):
            sys.stderr.write(f"{status}\n")
    except KeyboardInterrupt:
        return 130
    else:
        status = 0
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status if isinstance(status, int) else 0 if status is None else _FAILED


if __name__ == "__main__":
    serve(sys.argv[1])
