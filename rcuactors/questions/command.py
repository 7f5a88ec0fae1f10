"""The command by which a question was put to a machine: what was set before it, what ran beside it, and its words.

A command is a line of shell, as the headers of the recordings have it:

    echo 5 > /proc/sys/kernel/hung_task_timeout_secs ; echo a4c v=never wait=25 > /proc/q

The question's words alone are one, too. Of a file that is only looked at nothing is heard here, and what is set for one
CPU is so for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..errors import BadInput
from ..spelling import no_such
from .words import Question, parse_question

_ECHO: Final = re.compile(r"^echo (?P<text>.+?) > (?P<path>/\S+)$")
_CAT: Final = re.compile(r"^cat /\S+$")
_DD: Final = re.compile(r"^dd if=/dev/zero of=/dev/null bs=(?P<size>\d+)M count=\d+ & sleep \d+$")
_ASK: Final = "/proc/q"
_PAGES_IN_A_MEGABYTE: Final = 256

SYSCTLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/proc/sys/kernel/hung_task_timeout_secs": "hung_task_timeout_secs",
        "/sys/module/workqueue/parameters/watchdog_thresh": "watchdog_thresh",
        "/sys/module/workqueue/parameters/cpu_intensive_thresh_us": "cpu_intensive_thresh_us",
        "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": "rcu_cpu_stall_timeout",
        "/proc/sys/kernel/sched_rt_runtime_us": "sched_rt_runtime_us",
        "/sys/kernel/debug/sched/fair_server/cpu0/runtime": "fair_server_runtime",
        "/sys/kernel/debug/sched/fair_server/cpu1/runtime": "fair_server_runtime",
    }
)
"""What can be set before a question, and its name here: a configuration name but for the last one."""

RT_RUNTIME: Final = "sched_rt_runtime_us"


@attrs.frozen
class Beside:
    """A process of user space that keeps so many pages meanwhile."""

    name: str
    pages: int


@attrs.frozen
class Command:
    """A question, with what was set (`sysctls`, by the names of `SYSCTLS`) and begun before it."""

    question: Question
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    beside: tuple[Beside, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """Those of `sysctls` that are configuration names."""
        return {name: value for name, value in self.sysctls.items() if name != RT_RUNTIME}

    @property
    def throttled(self) -> bool:
        """Whether a realtime thread may run for 0.95 s of each second only: the kernel's default."""
        return self.sysctls.get(RT_RUNTIME, "950000") != "-1"


def parse_command(text: str) -> Command:
    """The command in these words. Raises BadInput, in one line, for words that make none."""
    question: Question | None = None
    sysctls: dict[str, str] = {}
    beside: list[Beside] = []
    steps = [step.strip() for step in text.split(";")]
    for number, step in enumerate(steps, 1):
        echo, dd = _ECHO.match(step), _DD.match(step)
        if _CAT.match(step):
            continue
        if dd is not None:
            beside.append(Beside("dd", int(dd["size"]) * _PAGES_IN_A_MEGABYTE))
        elif echo is not None and echo["path"] != _ASK:
            if echo["path"] not in SYSCTLS:
                raise no_such("echo to", echo["path"], SYSCTLS)
            sysctls[SYSCTLS[echo["path"]]] = echo["text"].strip()
        elif number == len(steps):
            question = parse_question(echo["text"] if echo is not None else step)
        else:
            raise BadInput(f"{step}: the question comes last, behind what is set for it")
    if question is None:
        raise BadInput(f"{text}: sets something, and asks nothing")
    return Command(question, sysctls, tuple(beside))
