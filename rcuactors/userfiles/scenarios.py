"""Scenarios by name or by path: where the bundled ones are, and how a file becomes a `Scenario`."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Final

from ..errors import BadInput
from ..scenario import Scenario
from ..spelling import no_such
from .pyfile import SCENARIO, PythonFile, exists

PACKAGE: Final = Path(__file__).resolve().parent.parent


def _bundled_folder() -> Path | None:
    """Find where they are: the wheel carries them inside the package, a checkout has them beside it."""
    inside, beside = PACKAGE / "_scenarios", PACKAGE.parent / "scenarios"
    if inside.is_dir():
        return inside
    # Beside an installed package, "scenarios" would be somebody else's.
    return beside if beside.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file() else None


def find_scenarios() -> dict[str, Path]:
    """Return the bundled scenarios, name -> file, sorted by name."""
    folder = _bundled_folder()
    files = sorted(folder.glob("*.py")) if folder is not None else []
    return {file.stem: file for file in files if not file.name.startswith("_")}


def load_scenario(name_or_path: str | os.PathLike[str]) -> Scenario:
    """Load the scenario of that name, or the one in that file. Raises BadInput."""
    text = os.fspath(name_or_path)
    bundled = find_scenarios()
    if text in bundled:
        return _load_file(bundled[text])
    path = Path(text)
    if text and (path.suffix == ".py" or len(path.parts) > 1 or exists(path)):
        return _load_file(path)
    raise no_such("scenario", text, bundled, wrong="no such name or file")


def _load_file(path: Path) -> Scenario:
    return _choose(path, PythonFile.read(SCENARIO, path).run())


def _choose(path: Path, module: ModuleType) -> Scenario:
    """Choose the one scenario that the file defines, or among several the one that bears its name."""
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
            f"one must be named {path.stem}, as the file is"
        )
    return named[0] if named else chosen[0]
