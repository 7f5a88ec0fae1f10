"""All questions of a folder of recordings, one after the other or in several processes, in the folder's order."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Sequence
from typing import Final

import attrs

from ..lab.jobs import do_all
from .asking import Answer, ask
from .command import Command
from .comparison import Pair, compare
from .kernels import KERNELS, MODELLED
from .recording import Recording
from .words import parse_question

_TRIES: Final = 960
_SERVED_AT_TICKS: Final = ("timer", "timerirqsafe", "hrtimer", "hrsoft")


def _shortened(command: Command) -> Command:
    """With fewer tries, where a question makes very many and only whether a count is 0 is compared."""
    question = command.question
    if question.verb.name != "a4d" or question.number("n") <= _TRIES:
        return command
    words = [(name, value) for name, value in question.words if name != "n"]
    return attrs.evolve(command, question=attrs.evolve(question, words=(*words, ("n", str(_TRIES)))))


def _leaves_it_open(command: Command) -> bool:
    """Whether a softirq of the question's may be served by ksoftirqd or, if RCU wants something, by rcuc."""
    question = command.question
    return question.verb.name == "f5" and question.word("v") in _SERVED_AT_TICKS


def pose(recording: Recording, version: str = MODELLED) -> Pair:
    """Put a recorded question to the model, as that version, and compare."""
    command = recording.command
    if command is None:
        unread = Answer(question=parse_question("m v=exit"), not_expressible=recording.wrong)
        return Pair(recording=recording, answer=unread)
    kernel = KERNELS[recording.kernel]
    answer = ask(
        _shortened(command),
        kernel,
        version=version,
        limit_s=recording.timeout_s,
        live=recording.live,
        before=recording.before,
        rcu_wants=recording.rcuc_served and _leaves_it_open(command),
    )
    return compare(recording, answer)


def pose_all(recordings: Sequence[Recording], jobs: int = 1, version: str = MODELLED) -> Generator[Pair]:
    """Put all of them to that version, in their order."""
    early: dict[int, Pair] = {}
    wanted = 0
    with contextlib.closing(do_all(functools.partial(pose, version=version), recordings, jobs)) as answers:
        for number, pair in answers:
            early[number] = pair
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1
