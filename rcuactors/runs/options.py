"""What a run is told besides its scenario: the one list of it, for the command line, tests and comparisons.

Everything may be given in words and numbers, which are checked here, once; they can be written into a file, and mean
the same in another process. A strategy, a design and sinks may also be given as objects, in this process only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from ..config import settings_as_texts
from ..engine.choice import Strategy, Timed
from ..engine.events import Sink
from ..engine.line import DEFAULT_MAX_STEPS
from ..eras import DEFAULT_ERA, find_era
from ..errors import bad_value, shown
from ..explore import make_strategy
from ..kernel.costs import STANDARD, CostModel, cost_model
from ..kvfree.rules import PageSource

LARGEST_SEED: Final = (1 << 64) - 1
LARGEST_BOUND: Final = 10**15


@attrs.frozen(eq=False, repr=False)
class Settings(Mapping[str, str]):
    """Settings by name, as text, and as a value: it does not change, and can be a key."""

    _items: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        for own, text in self._items:
            if own == name:
                return text
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items))

    def __repr__(self) -> str:
        return repr(dict(self._items))


def _as_settings(value: object) -> Settings:
    if isinstance(value, Settings):
        return value
    return Settings(tuple(settings_as_texts(value).items()))


def _as_design(value: object) -> str | PageSource | None:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, type) or not callable(getattr(value, "get_page", None)):
        raise bad_value(f"design={shown(value)}", "a name, the path of a file, or an object that is a design")
    design: PageSource = value  # type: ignore[assignment]  # what a user made is checked when the machine is put together
    return design


def _as_strategy(value: object) -> str | Strategy:
    if value is None:
        return Timed.name
    if isinstance(value, str):
        make_strategy(value)
        return value
    if isinstance(value, type) or not callable(getattr(value, "start_run", None)):
        raise bad_value(f"strategy={shown(value)}", "a name, or an object that is a strategy")
    strategy: Strategy = value  # type: ignore[assignment]  # as above
    return strategy


def _as_sinks(value: object) -> tuple[Sink, ...]:
    if not isinstance(value, tuple | list) or not all(callable(getattr(sink, "take", None)) for sink in value):
        raise bad_value(f"sinks={shown(value)}", "objects that take events, in a tuple")
    return tuple(value)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _number(name: str, low: int, high: int) -> Any:
    def check(_options: object, _attribute: object, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise bad_value(f"{name}={shown(value)}", f"a whole number from {low} to {high}")

    return check


def _check_truth(_options: object, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise bad_value(f"{attribute.name}={shown(value)}", "True or False")


def _check_kernel(_options: object, _attribute: object, value: str) -> None:
    find_era(value)


@attrs.frozen(kw_only=True)
class RunOptions:
    """How to run a scenario. Raises BadInput for a value that is wrong.

    `settings` maps names of the configuration, or of the scenario's parameters, to values: texts, numbers, True and
    False. `design` is the version's own unless given: a bundled one's name, the path of a file that holds one, or an
    object. `strategy` is a name, with its parameters, or an object. `costs` are a cost model, or the figures of it that
    differ, in nanoseconds by name. `max_steps` bounds the run; without `events` nothing is told to `sinks`.
    """

    kernel: str = attrs.field(default=DEFAULT_ERA, converter=_as_text, validator=_check_kernel)
    design: str | PageSource | None = attrs.field(default=None, converter=_as_design)
    settings: Settings = attrs.field(factory=Settings, converter=_as_settings)
    strategy: str | Strategy = attrs.field(default=Timed.name, converter=_as_strategy)
    seed: int = attrs.field(default=0, validator=_number("seed", 0, LARGEST_SEED))
    costs: CostModel = attrs.field(default=STANDARD, converter=cost_model)
    max_steps: int = attrs.field(default=DEFAULT_MAX_STEPS, validator=_number("max_steps", 1, LARGEST_BOUND))
    events: bool = attrs.field(default=True, validator=_check_truth)
    sinks: tuple[Sink, ...] = attrs.field(default=(), converter=_as_sinks)

    def given(self, words: Mapping[str, object]) -> RunOptions:
        """These options with those words changed: fields of this class; all other words are settings.

        Settings are added to those that are there, and win over them.
        """
        if not words:
            return self
        own = {field.name for field in attrs.fields(RunOptions)} - {"settings"}
        changed: dict[str, Any] = {name: value for name, value in words.items() if name in own}
        added = {name: value for name, value in words.items() if name not in own}
        more = _as_settings(added.pop("settings", {}))
        return attrs.evolve(self, settings={**self.settings, **more, **_as_settings(added)}, **changed)

    def make_strategy(self) -> Strategy:
        """The strategy for one run."""
        return make_strategy(self.strategy) if isinstance(self.strategy, str) else self.strategy
