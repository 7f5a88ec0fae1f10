"""`rcuactors new design NAME`, `new scenario NAME`: a file to begin with, written into the current directory."""

from __future__ import annotations

import contextlib
import importlib.util
import keyword
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from ..errors import BadInput
from ..userfiles import find_scenarios
from ..userfiles.designs import wrong_name
from .output import print_lines
from .program import ProgramGroup

_FUNCTION: Final = re.compile("[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_LONGEST: Final = 40


@click.group("new", cls=ProgramGroup, invoke_without_command=True)
@click.pass_context
def new_command(ctx: click.Context) -> None:
    """Write a file to begin with: a scenario or a design of your own."""
    if ctx.invoked_subcommand is None:
        raise new_command.needs_command(ctx)


@new_command.command("design", epilog="Example: rcuactors new design mine")
@click.argument("name")
def new_design_command(name: str) -> None:
    """Write NAME.py, a design that works, for you to change."""
    wrong = wrong_name(name)
    if wrong:
        meant = name.removesuffix(".py")
        hint = f"; did you mean {meant}?" if meant != name and not wrong_name(meant) else ""
        raise BadInput(f"design name {name}: {wrong}{hint}")
    path = Path(f"{name}.py")
    if _hides_a_module(name):
        raise BadInput(f"design name {name}: {path} would hide the Python module {name} from programs run here")
    _write(path, design_text(name))
    print_lines([f"wrote {path}, to try it:", f"  rcuactors run cold_cache_burst --design {path}"])


@new_command.command("scenario", epilog="Example: rcuactors new scenario my_driver")
@click.argument("name")
def new_scenario_command(name: str) -> None:
    """Write NAME.py, a scenario that works, for you to change."""
    if len(name) > _LONGEST or not _FUNCTION.fullmatch(name) or keyword.iskeyword(name):
        plain = name.removesuffix(".py").replace("-", "_")
        hint = f"; did you mean {plain}?" if plain != name and _FUNCTION.fullmatch(plain) else ""
        what = f"needs up to {_LONGEST} letters, digits and _, beginning with a letter, as the function that it is has"
        raise BadInput(f"scenario name {name}: {what}{hint}")
    if name in find_scenarios():
        raise BadInput(f"scenario name {name}: is the name of a bundled scenario; needs one of its own")
    path = Path(f"{name}.py")
    if _hides_a_module(name):
        raise BadInput(f"scenario name {name}: {path} would hide the Python module {name} from programs run here")
    _write(path, scenario_text(name))
    print_lines([f"wrote {path}, to try it:", f"  rcuactors run {path}", f"  rcuactors check {path}"])


def scenario_text(name: str) -> str:
    """The template's text for a scenario of that name."""
    text = (files("rcuactors") / "templates" / "scenario.py").read_text(encoding="utf-8")
    return re.sub(r"\btemplate(?=\b|_lock)", lambda _: name, text)


def design_text(name: str) -> str:
    """The template's text for a design of that name."""
    text = (files("rcuactors") / "templates" / "design.py").read_text(encoding="utf-8")
    # "Design" also keeps a class from being called None, or as something that the file imports.
    words = "".join(word[:1].upper() + word[1:] for word in name.split("-"))
    names = {"TemplateDesign": f"{words}Design", "template": name}
    return re.sub("|".join(names), lambda found: names[found[0]], text)


def _hides_a_module(name: str) -> bool:
    """Whether programs started in this directory would import the file instead of something installed."""
    with contextlib.suppress(ImportError, ValueError):  # ValueError: a module in sys.modules that has no spec
        spec = importlib.util.find_spec(name)
        return spec is not None and spec.origin is not None and not Path(spec.origin).is_relative_to(Path.cwd())
    return False


def _write(path: Path, text: str) -> None:
    ours = False
    try:
        with path.open("x", encoding="utf-8") as out:
            ours = True
            out.write(text)
    except FileExistsError:
        raise BadInput(f"{path}: is there already; nothing was written") from None
    except BaseException as error:
        # A part of it would keep the next try from being made.
        if ours:
            with contextlib.suppress(OSError):
                path.unlink()
        if not isinstance(error, OSError):
            raise
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
