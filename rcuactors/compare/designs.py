"""A design by what can be sent to another process: its name, the file that holds it, or the version that ships it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import attrs

from ..designs import DESIGNS, make_design
from ..eras import ERAS, find_era
from ..errors import BadInput, bad_value
from ..kvfree.rules import PageSource
from ..spelling import no_such
from ..userfiles import load_design
from ..userfiles.pyfile import exists


@attrs.frozen
class DesignRef:
    """One of the designs that are compared. `file` is empty for those that come with the package.

    `version` is set where a version stands for the design that it ships: such a one is run on that version alone.
    """

    name: str
    about: str
    file: str = ""
    version: str = ""

    def make(self) -> PageSource:
        """A new one, for one machine."""
        if self.version:
            return make_design(find_era(self.version).design)
        return _loaded(self.file)() if self.file else make_design(self.name)


_loaded = functools.cache(load_design)


def find_designs(names: Sequence[str] | None, files: Sequence[str]) -> tuple[DesignRef, ...]:
    """Those of these names (all designs, if None; a version is a name, too), then those in these files.

    Raises BadInput.
    """
    chosen = [_by_name(name) for name in (names if names is not None else DESIGNS)]
    chosen += [_from_file(file) for file in files]
    by_name: dict[str, DesignRef] = {}
    for design in chosen:
        same = by_name.setdefault(design.name, design)
        if same.file != design.file:
            raise BadInput(f"--design {design.file}: {same.file} holds a design of that name, too: {design.name}")
    return tuple(by_name.values())


def _by_name(name: str) -> DesignRef:
    if name in ERAS:
        era = find_era(name)
        return DesignRef(name, f"the version with its own design, {era.design}: {era.about}", version=name)
    if name not in DESIGNS:
        raise no_such("--designs", name, (*DESIGNS, *ERAS))
    return DesignRef(name, make_design(name).about)


def _from_file(file: str) -> DesignRef:
    if file in DESIGNS and not exists(Path(file)):
        raise bad_value(f"--design {file}", f"the path of a file; the bundled design is --designs {file}")
    design = load_design(file)()
    return DesignRef(design.name, design.about, str(Path(file).expanduser().resolve()))
