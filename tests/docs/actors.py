"""The picture of the actors and of what they tell each other, out of the code and the table of messages.

Which messages there are, and what the actors are, is said by their classes; who sends which to whom by the table in
docs/messages.md, which tests hold against what is really posted. A message is drawn where it goes, with its class's
first sentence for who points at it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import rcuactors.rcu.messages as rcu_messages
from rcuactors.engine.conductor import Conductor
from rcuactors.kernel import messages as kernel_messages
from rcuactors.kernel.time.hrtimer import ClockEventDevice
from rcuactors.kernel.workqueue.pool import Waker
from rcuactors.rcu.gp import GracePeriodMachine
from rcuactors.rcu.oracle import Oracle
from tests.docs import svg

Row = tuple[str, str, str]
"""(message, senders, receivers), each as the table has it."""

CPU: Final = "CPU"
DEVICES: Final = {
    "hrtimer": ClockEventDevice,
    "workqueue": Waker,
    "grace-period machine": GracePeriodMachine,
}
_MESSAGES: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "messages.md"
_WIDTH, _LEFT_W, _DEVICE_X, _DEVICE_W, _LINE = 960, 300, 620, 316, 42


def rows() -> list[Row]:
    """The table's."""
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", _MESSAGES.read_text(encoding="utf-8"), re.MULTILINE)
    return [(message, senders.strip(), receivers.strip()) for message, senders, receivers in found]


def sentence(thing: Any) -> str:
    """The first sentence of its docstring."""
    text = " ".join((thing.__doc__ or "").split())
    return re.split(r"(?<=[.])\s", text, maxsplit=1)[0].rstrip(".")


def _about(message: str) -> str:
    where = kernel_messages if hasattr(kernel_messages, message) else rcu_messages
    return sentence(getattr(where, message))


def between(table: Iterable[Row], sender: str, receiver: str) -> list[str]:
    """What the one sends to the other."""
    return [
        message
        for message, senders, receivers in table
        if sender in senders.split(", ") and receiver in receivers.split(", ")
    ]


def _arrow(messages: Sequence[str], y: float, *, out: bool) -> list[str]:
    begin, end = (24 + _LEFT_W, _DEVICE_X - 2) if out else (_DEVICE_X, 24 + _LEFT_W + 2)
    says = "; ".join(f"{message}: {_about(message)}" for message in messages)
    middle = (begin + end) / 2
    return [
        svg.arrow(f"M{begin:g} {y:g}H{end:g}", "out" if out else "back", says=says),
        svg.text(middle, y - 7, " · ".join(messages), "code", anchor="middle"),
    ]


def _device(name: str, table: Sequence[Row], top: float) -> tuple[list[str], float]:
    """A device with what it says of itself, and the arrows to and from the CPUs; and its height."""
    words = textwrap.wrap(sentence(DEVICES[name]), 44)
    ways = [(between(table, CPU, name), True), (between(table, name, CPU), False)]
    drawn = [(messages, out) for messages, out in ways if messages]
    height = max(40 + 19 * len(words), 20 + _LINE * len(drawn)) + 10
    parts = [svg.rect("box", _DEVICE_X, top, _DEVICE_W, height), svg.text(_DEVICE_X + 18, top + 26, name, "head")]
    parts += [svg.text(_DEVICE_X + 18, top + 48 + 19 * at, line, "small") for at, line in enumerate(words)]
    for at, (messages, out) in enumerate(drawn):
        parts += _arrow(messages, top + 34 + _LINE * at, out=out)
    return parts, height


def _cpu(number: int, top: float) -> list[str]:
    """A CPU with what can lie on top of each other there."""
    levels = ("NMI", "hardirq", "softirq", "threads")
    parts = [svg.rect("rest", 42, top, _LEFT_W - 36, 150), svg.text(56, top + 24, f"CPU {number}", "head")]
    parts.append(svg.text(24 + _LEFT_W - 30, top + 24, "clock, mailbox, run queue", "small", anchor="end"))
    for at, level in enumerate(levels):
        parts.append(svg.rect("band", 54, top + 34 + 28 * at, _LEFT_W - 60, 24))
        parts.append(svg.text(64, top + 51 + 28 * at, level))
    return parts


def picture() -> str:
    """The picture, as a file has it."""
    table = rows()
    devices: list[str] = []
    top = 24.0
    for name in DEVICES:
        parts, height = _device(name, table, top)
        devices += parts
        top += height + 20
    among = between(table, CPU, CPU)
    bottom = max(top - 20, 24 + 44 + 150 + 76 + 150 + 18)
    cpus = [svg.rect("band", 24, 24, _LEFT_W, bottom - 24), svg.text(42, 52, "CPUs", "head")]
    cpus.append(svg.text(92, 52, "each a line of virtual time", "small"))
    cpus += [*_cpu(0, 66), *_cpu(1, bottom - 168)]
    says = "; ".join(f"{message}: {_about(message)}" for message in among)
    cpus.append(svg.arrow(f"M100 218V{bottom - 170:g}", "back", says=says, both=True))
    cpus.append(svg.text(114, (218 + bottom - 168) / 2 + 4, " · ".join(among), "code"))
    below = [
        *_strip("baton", "Conductor", Conductor, bottom + 20),
        *_strip("watcher", "Oracle", Oracle, bottom + 86),
    ]
    names = ", ".join(DEVICES)
    about = f"CPUs exchange messages with {names}. Below them the conductor, and the oracle, which only watches."
    return svg.picture(_WIDTH, bottom + 152, "The actors of rcuactors", about, [*cpus, *devices, *below])


def _strip(kind: str, name: str, thing: type[Any], top: float) -> list[str]:
    return [
        svg.rect(kind, 24, top, _WIDTH - 48, 48),
        svg.text(42, top + 30, name, "head"),
        svg.text(140, top + 30, sentence(thing)),
    ]
