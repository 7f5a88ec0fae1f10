"""`explore --faults NAME,..`: from names to settings, and what a strategy would not decide is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..engine.choice import Strategy
from ..errors import BadInput
from ..lab.faults import FAULTS
from ..spelling import no_such

_LEFT_OPEN: Final = ("latitude", *(fault.setting for fault in FAULTS.values() if fault.value == "y"))
"""Settings that have things be decided that a strategy in order of time is not asked."""

_ONLY_LATE: Final = frozenset(fault.setting for fault in FAULTS.values() if fault.only_late)


def fault_settings(text: str, given: Collection[str]) -> tuple[str, ...]:
    """Settings, as NAME=VALUE, of the faults that are named; `given` are those given beside them. Raises BadInput."""
    names, settings = text.split(","), list[str]()
    for number, name in enumerate(names):
        fault = FAULTS.get(name)
        if fault is None:
            raise no_such("--faults", name, FAULTS)
        if name in names[:number]:
            raise BadInput(f"--faults {text}: {name} twice")
        if fault.setting in given:
            raise BadInput(f"--faults {name}: it is {fault.setting}={fault.value}; --set {fault.setting} is given, too")
        settings.append(f"{fault.setting}={fault.value}")
    return tuple(settings)


def refuse_ignored(setting: str, strategy: str, made: Strategy) -> None:
    """What was asked for has to be decided by the strategy. Raises BadInput."""
    asked = made.order.asks_always or made.holds_up
    if setting in _LEFT_OPEN and not (asked and (made.durations or setting not in _ONLY_LATE)):
        raise BadInput(f"{setting}=y: strategy {strategy} decides nothing of that sort; others do")
