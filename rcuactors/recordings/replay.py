"""Replay: the calls of a recording, made again on a machine.

The recording says who called, where and when; the machine says what follows. Its configuration is the
recorded kernel's as far as the recording tells it (CPUs, PREEMPT_RT, HZ, parameters of rcutree) and the user
does not say otherwise. The version is the one that the user chose: where it is not the recorded one, the
report says so.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import attrs

from ..config import Config
from ..errors import BadInput
from ..kapi import Kernel
from ..machine import Machine
from ..runs import Run, RunOptions, RunSpec
from ..scenario import Body, Scenario
from ..traces.forms import release_of
from ..traces.source import bad
from .comparison import ReplayResult
from .feeders import Replayed, replay_calls
from .recording import Recording, read_recording
from .sections import feeds_of
from .witness import Witness

_HZ: Final = re.compile(r"\bHZ=(100|250|300|1000)\b", re.ASCII)
_RT: Final = re.compile(r"PREEMPT_RT\b|\bPREEMPT RT\b")
_PARAMETERS: Final = {"rcu_min_cached_objs": 4096, "rcu_delay_page_cache_fill_msec": 100_000}
"""Of rcutree, and the most that is taken for one."""
_FIVE_SECONDS: Final = (6, 1)
"""The oldest recorded version that drains after 5 s instead of 20 ms."""
_LATE_DRAIN_MS: Final = 5_000


def _scenario(about: str, body: Body, settings: dict[str, str], parameters: dict[str, str]) -> Scenario:
    return Scenario(
        name="replay", about=about, body=body, parameters=parameters, settings=settings, early_boot=False, expect={}
    )


async def _replay_file(k: Kernel, recording: str = "", digest: str = "", probe: str = "") -> None:
    now = _digest_of(recording)
    if now != digest:
        raise BadInput(f"recording {recording}: was changed since (digest {now[:12]}, was {digest[:12]})")
    what = read_recording(recording, k.machine.setup.era.release, probe)
    feeds, skipped = feeds_of(what)
    await replay_calls(k, what, feeds, Replayed(skipped=skipped))


REPLAY_OF_A_FILE: Final = _scenario(
    "the calls of a recording in a file, by its path and the SHA-256 of what it holds",
    _replay_file,
    settings={},
    parameters={"recording": "", "digest": "", "probe": ""},
)
"""A replay as another process, or a file, can name it. The settings that the recording tells are the run's."""


def _digest_of(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise BadInput(f"recording {path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


class Replay:
    """A machine driven with the calls of a recording: made, run once, and read.

    Options and words are those of `Run`. Raises BadInput if the machine lacks a CPU of the recording, and as `Run`
    does.
    """

    def __init__(self, recording: Recording, options: RunOptions | None = None, /, **words: object) -> None:
        feeds, skipped = feeds_of(recording)
        replayed = Replayed(skipped=skipped)

        async def _body(k: Kernel) -> None:
            await replay_calls(k, recording, feeds, replayed)

        about = f"the calls of the recording {recording.name}"
        scenario = _scenario(about, _body, settings_of(recording), parameters={})
        self.recording = recording
        try:
            self._run = Run(scenario, options, **words)
        except BadInput as error:
            # What the scenario sets of itself is what the recording tells.
            wrong = str(error).removeprefix(f"scenario {scenario.name}: ")
            if wrong == str(error):
                raise
            raise bad(recording.path or recording.name, wrong) from None
        self._replayed = replayed
        self._witness = Witness(self.machine, recording, replayed)
        used = [feed.cpu for feed in feeds] + [deed.cpu for deed in recording.deeds]
        _check_cpus(self.machine.setup.config, max(used, default=0))

    @property
    def machine(self) -> Machine:
        """The machine that is driven."""
        return self._run.machine

    @property
    def shift_ns(self) -> int:
        """What leads from the recording's time to the machine's; 0 until the first call is about to be made."""
        return self._replayed.shift_ns or 0

    @property
    def spec(self) -> RunSpec:
        """This replay as a value. Raises BadInput when a part of it is in this process only."""
        if not self.recording.path:
            raise BadInput(f"recording {self.recording.name}: runs in this process only, since it is in no file")
        path = self.recording.path
        told = {**settings_of(self.recording), **self._run.options.settings}
        told |= {"recording": path, "digest": _digest_of(path)}
        if self.recording.probe:
            told["probe"] = self.recording.probe
        options = attrs.evolve(self._run.options, settings=told)
        return RunSpec.of(REPLAY_OF_A_FILE, options)

    def run(self) -> ReplayResult:
        """Run it. Raises the first KernelBug under panic_on_warn."""
        self._run.run()
        return self.result()

    def result(self) -> ReplayResult:
        """What the replay left, so far if it did not end well."""
        return ReplayResult(
            recording=self.recording,
            result=self._run.result(),
            driven=dict(sorted(self._replayed.driven.items())),
            skip_reasons=dict(sorted(self._replayed.skipped.items())),
            max_lag_ns=self._replayed.max_lag_ns,
            done=dict(sorted(self._replayed.done.items())),
            not_done=dict(sorted(self._replayed.not_done.items())),
            witness=self._witness,
            version_note=version_note(self.recording, self.machine),
        )


def replay(recording: Recording, options: RunOptions | None = None, /, **words: object) -> ReplayResult:
    """Drive a machine with the calls of a recording. Arguments as of `Replay`; raises what it and its `run` do."""
    return Replay(recording, options, **words).run()


def settings_of(recording: Recording) -> dict[str, str]:
    """What the recording tells of the kernel's configuration, by the names that a run takes."""
    settings = {"nr_cpus": str(recording.nr_cpus)}
    if _RT.search(recording.kernel):
        settings["PREEMPT_RT"] = "y"
    if (match := _HZ.search(recording.kernel)) is not None:
        settings["HZ"] = match[1]
    for name, most in _PARAMETERS.items():
        value = recording.params.get(f"rcutree.{name}", "")
        if value.isascii() and value.isdecimal() and int(value) <= most:
            settings[name] = value
    return settings


def version_note(recording: Recording, machine: Machine) -> str:
    """How the modelled version differs from the recorded one, '' if it is the same one."""
    era = machine.setup.era
    recorded = release_of(recording.kernel)
    if recorded == release_of(era.release):
        return ""
    theirs = f"Linux {recorded[0]}.{recorded[1]}" if recorded is not None else "an unknown version"
    drain_ms = machine.kvfree.arming.delay_jiffies * machine.setup.config.jiffy_ns / 1_000_000
    late = recorded is not None and recorded >= _FIVE_SECONDS
    if late and drain_ms == _LATE_DRAIN_MS:
        return (
            f"The recording is of {theirs}, the machine models {era.name}: sizes of blocks, who frees, and how often, "
            "may differ for that reason."
        )
    drain = ", the recorded one after 5 s" if late else ""
    return (
        f"The recording is of {theirs}, the machine models {era.name}, which drains {drain_ms:g} ms after "
        f"the first call{drain}: batches, grace periods and times differ for that reason."
    )


def _check_cpus(config: Config, last: int) -> None:
    if last >= config.nr_cpus:
        raise BadInput(f"nr_cpus={config.nr_cpus}: the recording has calls on CPU {last}, needs at least {last + 1}")
