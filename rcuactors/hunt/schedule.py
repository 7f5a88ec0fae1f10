"""Schedule files: one schedule of one run, as JSON, that can be run again for ever.

It holds the run (scenario by name and digest, kernel, design, configuration), the policy by which everything is decided
that it does not say, and the decisions that depart from it: the how manieth decision, its kind, who or what was chosen
by an id that is the same in every schedule, where that stood, and of how many options. A run in which one of them does
not fit came apart there.

Reading one executes nothing. A bundled scenario is found by its name; one in a file of the user's, or a design in one,
is never loaded because a schedule says so: it is given beside the schedule, and a scenario must have the digest that
the schedule names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .. import __version__
from ..designs import DESIGNS
from ..engine.choice import Strategy, Taken
from ..engine.orders import Anyone, ByClock, Order
from ..engine.windows import Windows, windows_of
from ..errors import BadInput, bad_value, shown
from ..explore.record import Decisions
from ..runs.spec import Kind, RunSpec, ScenarioRef, once
from ..scenario import Scenario
from ..spelling import no_such
from .finding import Shown, Signature

VERSION: Final = 1
FORMAT: Final = "rcuactors schedule"
_LARGEST_FILE: Final = 16 << 20
_LARGEST: Final = 1 << 62


class Policy(Strategy):
    """Option 0 everywhere, in the given election: what a schedule departs from."""

    def __init__(self, name: str, order: type[Order], *, holds_up: bool) -> None:
        self.name, self.order, self.holds_up = name, order, holds_up


_POLICIES: Final[dict[str, tuple[type[Order], bool]]] = {
    "in order of time": (ByClock, False),
    "in order of time, but for hold-ups": (ByClock, True),
    "whoever runs goes on": (Anyone, False),
}


_IN_WINDOWS: Final = re.compile(r"any order within windows of ([1-9][0-9]{0,8}) ns")


def policy_like(strategy: Strategy) -> Policy:
    """The policy whose decisions are those that the strategy was asked. Raises BadInput where there is none."""
    for name, (order, holds_up) in _POLICIES.items():
        if (strategy.order, strategy.holds_up) == (order, holds_up):
            return Policy(name, order, holds_up=holds_up)
    if issubclass(strategy.order, Windows) and not strategy.holds_up:
        return find_policy(f"any order within windows of {strategy.order.window_ns} ns")
    raise BadInput(f"strategy {strategy.name}: no policy has its election; its schedules cannot be kept")


def find_policy(name: str) -> Policy:
    """The policy of that name. Raises BadInput."""
    if in_windows := _IN_WINDOWS.fullmatch(name):
        return Policy(name, windows_of(int(in_windows[1])), holds_up=False)
    if name not in _POLICIES:
        raise no_such("schedule: policy", name, _POLICIES)
    order, holds_up = _POLICIES[name]
    return Policy(name, order, holds_up=holds_up)


@attrs.frozen(kw_only=True)
class Schedule:
    """One schedule: a run, the policy, what departs from it, and what it shows.

    `digest` is that of the run's events. `minimal`: each of its departures was taken back, and what it shows was not
    shown any more.
    """

    spec: RunSpec
    policy: str
    decisions: Decisions
    shown: Shown
    digest: str | None
    end_ns: int
    minimal: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        run = self.spec.to_json()
        return {
            "format": FORMAT,
            "version": VERSION,
            "rcuactors": __version__,
            "shows": {
                "kind": self.shown.signature.kind,
                "place": self.shown.signature.place,
                "line": self.shown.signature.line,
                "title": self.shown.title,
                "text": self.shown.text,
                "time_ns": self.shown.time_ns,
                "cpu": self.shown.cpu if self.shown.cpu >= 0 else None,
                "known": self.shown.known,
            },
            "minimal": self.minimal,
            "policy": self.policy,
            "departures": [
                {
                    "step": taken.number,
                    "kind": taken.kind,
                    "option": taken.option,
                    "at": taken.label,
                    "options": taken.count,
                }
                for taken in self.decisions.taken
            ],
            "decisions": self.decisions.choices,
            "end_ns": self.end_ns,
            "events": self.digest,
            "run": run,
        }

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.to_json(), indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write the file: it is there when it is whole, and an older one until then. Raises OSError."""
        if path.exists() and not path.is_file():  # a pipe, a device
            path.write_text(self.text(), encoding="utf-8")
            return
        path = path.resolve()
        beside = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
        try:
            beside.write_text(self.text(), encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def read_schedule(name: str) -> Schedule:
    """Read a file. Nothing of it is executed. Raises BadInput unless all of it is right."""
    try:
        path = Path(name)
        if path.stat().st_size > _LARGEST_FILE:
            raise BadInput(f"schedule {name}: is larger than {_LARGEST_FILE >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"schedule {name}: is no text") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"schedule {name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return schedule_of(_parsed(text))
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None


def _parsed(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=once("schedule"), parse_constant=_no_number)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput(f"schedule: is no whole JSON document: {error}") from None


def _no_number(word: str) -> None:
    raise BadInput(f"schedule: {word} is no number")


def _take(data: object, what: str, fields: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """An object with exactly these keys, each of its type. Raises BadInput."""
    if not isinstance(data, dict):
        raise bad_value(f"{what}: {shown(data)}", "an object")
    for key, kind in fields.items():
        if key not in data:
            raise BadInput(f"{what}: has no {key}")
        value = data[key]
        if type(value) not in (kind if isinstance(kind, tuple) else (kind,)):
            raise BadInput(f"{what}: {key}: {shown(value)}: is of the wrong type")
        if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= _LARGEST:
            raise BadInput(f"{what}: {key}: {shown(value)}: is out of range")
    for key in data:
        if key not in fields:
            raise no_such(f"{what}:", str(key), fields, wrong="no such key")
    return data


_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "format": str,
    "version": int,
    "rcuactors": str,
    "shows": dict,
    "minimal": bool,
    "policy": str,
    "departures": list,
    "decisions": int,
    "end_ns": int,
    "events": (str, type(None)),
    "run": dict,
}
_SHOWS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "kind": str,
    "place": str,
    "line": str,
    "title": str,
    "text": str,
    "time_ns": int,
    "cpu": (int, type(None)),
    "known": str,
}
_DEPARTURE: Final[Mapping[str, type | tuple[type, ...]]] = {
    "step": int,
    "kind": str,
    "option": str,
    "at": str,
    "options": int,
}


def schedule_of(document: object) -> Schedule:
    """What `to_json` wrote. Raises BadInput."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInput("schedule: is no schedule file")
    if document.get("version") != VERSION or type(document["version"]) is not int:
        raise BadInput(f"schedule: version {shown(document.get('version'))}: this program reads version {VERSION}")
    if document.get("rcuactors") != __version__:
        raise BadInput(
            f"schedule: was written by rcuactors {shown(document.get('rcuactors'))}; this is {__version__}, whose "
            "decisions may be others"
        )
    data = _take(document, "schedule", _FIELDS)
    shows = _take(data["shows"], "schedule: shows", _SHOWS)
    policy = find_policy(data["policy"])
    taken: list[Taken] = []
    for number, entry in enumerate(data["departures"], start=1):
        one = _take(entry, f"schedule: departure {number}", _DEPARTURE)
        if not (taken[-1].number if taken else 0) < one["step"] <= data["decisions"]:
            raise BadInput(f"schedule: departure {number}: step: {one['step']}: steps are in order")
        values = one["step"], one["kind"], one["option"], one["options"], one["at"]
        taken.append(Taken(**dict(zip(("number", "kind", "option", "count", "label"), values, strict=True))))
    return Schedule(
        spec=RunSpec.from_json(data["run"]),
        policy=policy.name,
        decisions=Decisions(strategy=policy.name, taken=tuple(taken), choices=data["decisions"]),
        shown=Shown(
            signature=Signature(shows["kind"], shows["place"], shows["line"]),
            title=shows["title"],
            text=shows["text"],
            time_ns=shows["time_ns"],
            cpu=-1 if shows["cpu"] is None else shows["cpu"],
            known=shows["known"],
        ),
        digest=data["events"],
        end_ns=data["end_ns"],
        minimal=data["minimal"],
    )


def with_users_files(schedule: Schedule, name: str, given: Scenario | None, design: str | None) -> Schedule:
    """The schedule with what was given beside it: a scenario, and a design, in files of the user's own.

    Raises BadInput when one is needed and not there, or is there and not the one that the schedule names.
    """
    spec = schedule.spec
    ref = spec.scenario
    if given is not None:
        found = ScenarioRef.of(given)
        if (found.function, found.digest) != (ref.function, ref.digest):
            same = found.function == ref.function
            wrong = "was changed since" if same else f"is scenario {found.function}"
            raise BadInput(f"{name}: is a schedule of scenario {ref.function}, digest {ref.digest[:12]}; {wrong}")
        spec = attrs.evolve(spec, scenario=found)
    elif ref.kind is Kind.TEST:
        raise BadInput(f"{name}: is a schedule of the test {ref.function}: run it by pytest, with --rcu-replay {name}")
    elif ref.kind is not Kind.BUNDLED:
        raise BadInput(f"{name}: scenario {ref.function} is no bundled one; give its file beside the schedule")
    if spec.design is not None and spec.design not in DESIGNS and design is None:
        raise BadInput(f"{name}: its design is in a file ({shown(spec.design)}); give that with --design")
    if design is not None:
        if spec.design is None or spec.design in DESIGNS:
            raise BadInput(
                f"--design {design}: the schedule has its own design, {spec.design or 'that of the version'}"
            )
        spec = attrs.evolve(spec, design=design)
    return attrs.evolve(schedule, spec=spec)
