"""A run as a value: everything that it depends on, in words, so that another process or a file can hold it.

`RunSpec` is `RunOptions` without objects, and with the scenario by where it is found. Reading one from JSON executes
nothing; to run it does, of course: the scenario's file, or the module that holds it, and a design's file.

A scenario is bundled, in a file, or a function that a module holds; or it is a test, which only pytest finds. Each
goes with the digest of its file's text, so that one that was changed since is noticed. A function inside another one
can be found by nobody else.
"""

from __future__ import annotations

import copyreg
import enum
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs

from ..designs import DESIGNS
from ..errors import BadInput, bad_value, shown, text_of
from ..kvfree.rules import PageSource
from ..scenario import Body, Scenario, as_scenario
from ..spelling import no_such
from ..userfiles.pyfile import MODULE_PREFIX, SCENARIO, PythonFile, exists, text_digest
from ..userfiles.scenarios import find_scenarios
from .options import RunOptions

VERSION: Final = 1
_FORMAT: Final = "rcuactors run"


class Kind(enum.Enum):
    """How a scenario is found."""

    BUNDLED = "bundled"
    FILE = "file"
    FUNCTION = "function"
    TEST = "test"


@attrs.frozen
class ScenarioRef:
    """Where a scenario is found: its function's name in `source`, and the SHA-256 of the source's text.

    `source` is a bundled scenario's name, a file's path, or a module's name; of a test its file, and `function` its id.
    """

    kind: Kind
    source: str
    function: str
    digest: str

    @classmethod
    def of(cls, script: Scenario | Body) -> ScenarioRef:
        """Where that one is. Raises BadInput when nobody else could find it there."""
        chosen = as_scenario(script)
        space: dict[str, Any] = getattr(chosen.body, "__globals__", {})
        function = _name_in(space, chosen)
        if function is None:
            raise BadInput(
                f"scenario {chosen.name}: runs in this process only, since it is no function that a module holds by "
                f"its name; to be kept in a file or run in another process it must stand at the top of one"
            )
        kind, source = _where(space, chosen.name)
        return cls(kind, source, function, _digest_of(space, chosen.name))

    def load(self) -> Scenario:
        """The scenario. Raises BadInput when it is not there any more, or when its source is another one by now."""
        if self.kind is Kind.TEST:
            raise self._bad("is a test, which pytest runs (--rcu-replay FILE)")
        if self.kind is Kind.FUNCTION:
            try:
                space = vars(importlib.import_module(self.source))
            except Exception as error:
                raise self._bad(
                    f"module {self.source} does not import: {type(error).__name__}: {text_of(error)}"
                ) from error
        else:
            space = vars(PythonFile.read(SCENARIO, self._path()).run())
        found = space.get(self.function)
        if not isinstance(found, Scenario) and not inspect.iscoroutinefunction(found):
            raise self._bad(f"{self.source} has no scenario of that name")
        now = _digest_of(space, self.function)
        if now != self.digest:
            raise self._bad(f"{self.source} was changed since (digest {now[:12]}, was {self.digest[:12]})")
        return as_scenario(found)

    def _path(self) -> Path:
        bundled = find_scenarios()
        if self.kind is Kind.FILE:
            return Path(self.source)
        if self.source not in bundled:
            raise no_such("bundled scenario", self.source, bundled)
        return bundled[self.source]

    def _bad(self, wrong: str) -> BadInput:
        return BadInput(f"scenario {self.function}: {wrong}")


def _name_in(space: Mapping[str, Any], chosen: Scenario) -> str | None:
    """The name under which a module's namespace holds the scenario, or the function that it is made of."""
    for name, value in space.items():
        if value is chosen:
            return name
    name = chosen.body.__name__
    return name if space.get(name) is chosen.body and as_scenario(chosen.body) == chosen else None


def _where(space: Mapping[str, Any], name: str) -> tuple[Kind, str]:
    module, file = str(space.get("__name__")), space.get("__file__")
    path = Path(file).resolve() if file is not None else None
    for bundled, its_path in find_scenarios().items():
        if path == its_path.resolve():
            return Kind.BUNDLED, bundled
    known = sys.modules.get(module)
    by_name = known is not None and vars(known) is space and module != "__main__"
    if by_name and not module.startswith(MODULE_PREFIX):
        return Kind.FUNCTION, module
    if path is None:
        raise BadInput(f"scenario {name}: runs in this process only, since it does not come out of a file")
    return Kind.FILE, str(path)


def _digest_of(space: Mapping[str, Any], name: str) -> str:
    """Of the text that was run, where we ran it; else of what the module's file holds now."""
    spec = space.get("__spec__")
    if isinstance(known := getattr(spec, "loader_state", None), str):
        return known
    try:
        return text_digest(Path(space["__file__"]).read_bytes())
    except (KeyError, OSError) as error:
        raise BadInput(f"scenario {name}: runs in this process only, since its text cannot be read") from error


def _load(ref: ScenarioRef) -> Scenario:
    return ref.load()


def _reduce(chosen: Scenario) -> tuple[Callable[[ScenarioRef], Scenario], tuple[ScenarioRef]]:
    return _load, (ScenarioRef.of(chosen),)


# To another process a scenario goes by where it is found, since functions do.
copyreg.pickle(Scenario, _reduce)


@attrs.frozen(kw_only=True)
class RunSpec(RunOptions):
    """A run as a value: it can be compared, be a key, be pickled, and be written as JSON and read again.

    Raises BadInput for a value that is wrong, or that is an object where there is a name for it.
    """

    scenario: ScenarioRef = attrs.field(validator=attrs.validators.instance_of(ScenarioRef))

    def __attrs_post_init__(self) -> None:
        for name in ("design", "strategy"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise BadInput(f"{name}={shown(value)}: runs in this process only; a run as a value needs its name")
        if self.sinks:
            raise BadInput("sinks: run in this process only; a run as a value has none")

    @classmethod
    def of(cls, script: Scenario | Body, options: RunOptions | None = None, /, **words: object) -> RunSpec:
        """The run of that scenario with those options, and with `words` as `run()` takes them. Raises BadInput."""
        chosen = (options or RunOptions()).given(words)
        own = {field.name: getattr(chosen, field.name) for field in attrs.fields(RunOptions)}
        return cls(**{**own, "design": _absolute(chosen.design), "scenario": ScenarioRef.of(script)})

    def to_json(self) -> dict[str, Any]:
        """As plain data, ready for `json.dumps`."""
        return {
            "format": _FORMAT,
            "version": VERSION,
            "scenario": {
                "kind": self.scenario.kind.value,
                "source": self.scenario.source,
                "function": self.scenario.function,
                "digest": self.scenario.digest,
            },
            "kernel": self.kernel,
            "design": self.design,
            "settings": dict(self.settings),
            "strategy": self.strategy,
            "seed": self.seed,
            "costs": self.costs.changed(),
            "max_steps": self.max_steps,
            "events": self.events,
        }

    @classmethod
    def from_json(cls, document: str | Mapping[str, Any]) -> RunSpec:
        """What `to_json` wrote, as data or as text. Nothing of it is executed. Raises BadInput unless all is right."""
        data = _Reader("run", _parsed(document) if isinstance(document, str) else document)
        if data.take("format", str) != _FORMAT:
            raise data.wrong("format", f"needs {_FORMAT!r}")
        if data.take("version", int) != VERSION:
            raise data.wrong("version", f"this program reads version {VERSION}")
        scenario = _Reader("run: scenario", data.take("scenario", dict))
        kinds = {kind.value: kind for kind in Kind}
        if scenario.take("kind", str) not in kinds:
            raise no_such("run: scenario: kind", scenario.take("kind", str), kinds)
        ref = ScenarioRef(
            kinds[scenario.take("kind", str)],
            *(scenario.take(name, str) for name in ("source", "function", "digest")),
        )
        scenario.end()
        settings, costs = data.texts("settings"), data.take("costs", dict)
        options: dict[str, Any] = {
            "scenario": ref,
            "kernel": data.take("kernel", str),
            "design": data.take("design", str, type(None)),
            "strategy": data.take("strategy", str),
            "seed": data.take("seed", int),
            "max_steps": data.take("max_steps", int),
            "events": data.take("events", bool),
        }
        data.end()
        return cls(**options, settings=settings, costs=costs)


def _absolute(design: str | PageSource | None) -> str | PageSource | None:
    """A design's file by a path that means the same in every directory; anything else as it is."""
    if isinstance(design, str) and design not in DESIGNS and exists(path := Path(design).expanduser()):
        return str(path.resolve())
    return design


def once(what: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Makes a JSON object of its pairs; json itself would let the last of two win. Raises BadInput, of `what`."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise BadInput(f"{what}: {shown(name)} stands there twice")
            found[name] = value
        return found

    return made


def _parsed(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=once("run"))
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput(f"run: is no JSON: {error}") from None


_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", type(None): "null"}


class _Reader:
    """Reads an object key by key; what is missing, of another type or left over is bad input."""

    def __init__(self, what: str, data: object) -> None:
        self._what = what
        if not isinstance(data, Mapping):
            raise bad_value(f"{what}: {shown(data)}", "an object")
        self._data = cast("Mapping[str, Any]", data)
        self._taken: dict[str, None] = {}

    def wrong(self, name: str, needed: str) -> BadInput:
        """The error for a value that was taken."""
        return BadInput(f"{self._what}: {name}: {shown(self._data[name])}: {needed}")

    def take(self, name: str, *types: type) -> Any:
        """The value of that key."""
        if name not in self._data:
            raise BadInput(f"{self._what}: has no {name}")
        value = self._data[name]
        if type(value) not in types:
            raise self.wrong(name, f"needs {' or '.join(_WORDS[each] for each in types)}")
        self._taken[name] = None
        return value

    def texts(self, name: str) -> dict[str, str]:
        """A value that is texts by name."""
        inner = _Reader(f"{self._what}: {name}", self.take(name, dict))
        return {each: inner.take(each, str) for each in inner._data}

    def end(self) -> None:
        """There is no other key."""
        for name in self._data:
            if name not in self._taken:
                raise no_such(f"{self._what}:", str(name), self._taken, wrong="no such key")
