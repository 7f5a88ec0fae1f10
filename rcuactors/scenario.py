"""Scenarios: short async Python files that read like the C they stand for.

A scenario is an async function that takes a `Kernel` and, as keyword arguments with defaults, its parameters. The
decorator gives it a name, the configuration that it needs, and what is expected of it (expectation.py). How one is run,
and on what, stands in runs/.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import attrs

from .config import field_names, settings_as_texts
from .errors import BadInput, bad_value, shown
from .expectation import Expectation, Expected, expectation_of
from .spelling import no_such, one_of

Body = Callable[..., Awaitable[None]]

RUN_WORDS: Final = (
    "kernel",
    "design",
    "settings",
    "strategy",
    "seed",
    "costs",
    "max_steps",
    "events",
    "sinks",
)
"""What a run is told besides settings and parameters, the fields of `runs.options.RunOptions`: no parameter's name."""


@attrs.frozen(kw_only=True)
class Scenario:
    """What to run, and what is expected of it.

    `parameters` are the body's keyword arguments with their defaults; `choices` the values of those that can have no
    others, which are annotated so: `exit: Literal["both", "none"] = "both"`. `settings` are the configuration that it
    needs, by name, unless the user says otherwise. `early_boot` has it begin before the scheduler runs. `expect` has a
    row for each kernel of which something was said.
    """

    name: str
    about: str
    body: Body
    parameters: dict[str, Any]
    settings: dict[str, str]
    early_boot: bool
    expect: Expectation
    choices: Mapping[str, tuple[Any, ...]] = attrs.field(factory=dict)


def scenario(
    *,
    expect: Expected | None = None,
    settings: Mapping[str, bool | int | str] | None = None,
    early_boot: bool = False,
) -> Callable[[Body], Scenario]:
    """Make a scenario of an async function.

    `settings` and `early_boot` are as in `Scenario`; `expect` says what the run finds on each kernel and build, as
    docs/scenarios.md has it.

    Raises BadInput when the function, its parameters or the table are not of the right form.
    """

    def make(body: Body) -> Scenario:
        name = getattr(body, "__name__", "scenario")
        if not inspect.iscoroutinefunction(body):
            raise bad_value(f"scenario {name}", "an `async def` function")
        documented = inspect.getdoc(inspect.getmodule(body)) or inspect.getdoc(body) or ""
        parameters = _parameters_of(name, body)
        return Scenario(
            name=name,
            about=documented.partition("\n")[0].removeprefix(f"{name}: "),
            body=body,
            parameters=parameters,
            choices=_choices_of(name, body, parameters),
            settings=_settings_of(name, settings or {}),
            early_boot=early_boot,
            expect=expectation_of(name, expect),
        )

    return make


def _settings_of(name: str, settings: Mapping[str, bool | int | str]) -> dict[str, str]:
    try:
        return settings_as_texts(settings)
    except BadInput as error:
        raise BadInput(f"scenario {name}: {error}") from None


def as_scenario(script: Scenario | Body) -> Scenario:
    """A scenario as it is, or one made of an async function. Raises BadInput for anything else."""
    if isinstance(script, Scenario):
        return script
    if not callable(script):
        raise bad_value(f"cannot run {shown(script)}", "a scenario, or an async function that takes the kernel")
    return scenario()(script)


def _parameters_of(name: str, body: Body) -> dict[str, Any]:
    signature = list(inspect.signature(body).parameters.values())
    if not signature:
        raise bad_value(f"scenario {name}", "the kernel as its first argument")
    found: dict[str, Any] = {}
    for parameter in signature[1:]:
        if parameter.name in RUN_WORDS:
            raise BadInput(
                f"scenario {name}: parameter {parameter.name} has the name of an option of every run; "
                f"needs another than {', '.join(RUN_WORDS)}"
            )
        if not isinstance(parameter.default, bool | int | str):
            raise BadInput(
                f"scenario {name}: parameter {parameter.name} needs a default that is a number, a text or True or False"
            )
        found[parameter.name] = parameter.default
    return found


def _choices_of(name: str, body: Body, parameters: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for parameter, default in parameters.items():
        annotation = _evaluated(inspect.signature(body).parameters[parameter].annotation, body)
        if get_origin(annotation) is Literal:
            values = get_args(annotation)
            if default not in values or any(type(value) is not type(default) for value in values):
                raise BadInput(f"scenario {name}: parameter {parameter} has a default that is none of its values")
            found[parameter] = values
    return found


def _evaluated(annotation: object, body: Body) -> object:
    """An annotation that is a text, as all are with `from __future__ import annotations`, as what it says.

    One with names that are there for the type checker only says nothing.
    """
    if not isinstance(annotation, str):
        return annotation
    # The others of that function are left alone: a kernel's may well be such a one.
    alone = type("alone", (), {"__annotations__": {"it": annotation}})
    try:
        return get_type_hints(alone, globalns=getattr(body, "__globals__", {}))["it"]
    except NameError:
        return None


def check_names(names: Collection[str], parameters: Collection[str], of: str, *, option: str = "") -> None:
    """Raise BadInput when a setting is neither one of `of`'s parameters nor of the configuration.

    `option` is what stands before the name where the user gave it.
    """
    known = (*parameters, *field_names())
    for name in names:
        if name not in known:
            has = "parameter" if len(parameters) == 1 else "parameters"
            own = f"{of} has the {has} {', '.join(parameters)}; " if parameters else ""
            words = known if option else (*known, *RUN_WORDS)
            there = f"{own}the configuration has {', '.join(field_names())}"
            raise no_such(option, name, words, wrong="no such name", there=there)


def split_settings(chosen: Scenario, settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Tell the configuration's names from the scenario's parameters.

    Returns the configuration's settings as text, and every parameter with its value. Raises BadInput for a name that
    neither has, and for a parameter of the wrong type, or with a value that is none of its choices.
    """
    check_names(settings, chosen.parameters, chosen.name)
    config: dict[str, str] = {}
    parameters = dict(chosen.parameters)
    for name, text in settings.items():
        if name in chosen.parameters:
            parameters[name] = _parse_parameter(name, text, chosen.parameters[name])
            _check_choice(name, text, parameters[name], chosen.choices.get(name))
        else:
            config[name] = text
    return config, parameters


def _check_choice(name: str, text: str, value: object, choices: tuple[Any, ...] | None) -> None:
    if choices is not None and value not in choices:
        raise bad_value(f"{name}={text}", f"{one_of(choices)}")


_LONGEST_NUMBER: Final = 18


def _parse_parameter(name: str, text: str, default: object) -> Any:
    if isinstance(default, bool):
        if text.lower() not in ("y", "n"):
            raise bad_value(f"{name}={text}", "y or n")
        return text.lower() == "y"
    if isinstance(default, int):
        # int() refuses texts of thousands of digits with an error of its own
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
            raise bad_value(f"{name}={text}", f"a whole number, 0 or more, of at most {_LONGEST_NUMBER} digits")
        return int(text)
    return text
