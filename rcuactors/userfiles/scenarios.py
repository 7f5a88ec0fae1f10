"""Scenarios by name or by path: where the bundled ones are, and how a file becomes a `Scenario`."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from types import ModuleType

from ..errors import BadInput
from ..scenario import Scenario, as_scenario
from ..spelling import no_such
from .pyfile import SCENARIO, PythonFile, exists
from .shipped import shipped_folder


def find_scenarios() -> dict[str, Path]:
    """Return the bundled scenarios, name -> file, sorted by name."""
    folder = shipped_folder("scenarios")
    files = sorted(folder.glob("*.py")) if folder is not None else []
    return {file.stem: file for file in files if not file.name.startswith("_")}


def load_scenario(name_or_path: str | os.PathLike[str]) -> Scenario:
    """Load the scenario of that name, or the one in that file; of several, `FILE::NAME` is one. Raises BadInput."""
    text, _, wanted = os.fspath(name_or_path).partition("::")
    bundled = find_scenarios()
    if text in bundled:
        return _load_file(bundled[text], wanted)
    path = Path(text)
    if text and (path.suffix == ".py" or len(path.parts) > 1 or exists(path)):
        return _load_file(path, wanted)
    raise no_such("scenario", text, bundled, wrong="no such name or file")


def _load_file(path: Path, wanted: str) -> Scenario:
    return _choose(path, PythonFile.read(SCENARIO, path).run(), wanted)


def _choose(path: Path, module: ModuleType, wanted: str) -> Scenario:
    """Choose the one that is wanted; else the one that the file defines, or among several the one that bears its name.

    A plain async function is taken when it is named.
    """
    if wanted:
        return _named(path, module, wanted)
    found = {id(value): value for value in vars(module).values() if isinstance(value, Scenario)}
    own = [scenario for scenario in found.values() if scenario.body.__module__ == module.__name__]
    chosen = own or list(found.values())
    if not chosen:
        raise BadInput(f"scenario file {path}: holds no scenario; needs an async function under @scenario()")
    named = [scenario for scenario in chosen if scenario.name == path.stem]
    if len(chosen) > 1 and len(named) != 1:
        names = ", ".join(scenario.name for scenario in chosen)
        raise BadInput(
            f"scenario file {path}: holds {len(chosen)} scenarios ({names}); "
            f"name one of them, {path}::{chosen[0].name}, or have one be named {path.stem}, as the file is"
        )
    return named[0] if named else chosen[0]


def _named(path: Path, module: ModuleType, wanted: str) -> Scenario:
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Scenario)
        or (inspect.iscoroutinefunction(value) and value.__module__ == module.__name__ and not name.startswith("_"))
    }
    if wanted not in found:
        raise no_such(f"scenario file {path}:", wanted, found, wrong="holds no such scenario")
    return as_scenario(found[wanted])
