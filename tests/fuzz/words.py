"""Words for every option and argument of every command, found by asking the commands themselves.

An option's words are chosen by its metavar, an argument's by its name. What has a metavar that is not known here gets
words of all kinds, so that a new command is tried as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final

import attrs
import click

from rcuactors.cli import cli
from rcuactors.config import Config, field_names
from rcuactors.designs import DESIGNS
from rcuactors.eras import ERAS
from rcuactors.explore import SEARCHES, STRATEGIES
from rcuactors.lab.faults import FAULTS
from rcuactors.lock_matrix.contexts import CONTEXTS
from rcuactors.lock_matrix.operations import OPERATIONS
from rcuactors.may.calls import FORMS
from rcuactors.may.kernels import ALL_BUILDS
from rcuactors.may.places import BY_NAME

from . import changing

NO_NAME: Final = ("no such name", "\u00e9", "v0.0", "-", "~", "a\nb", "{}", "%d", "x" * 300)
NO_NUMBER: Final = ("", "x", "-1", "1.5", "1e3", "\u0663", "0x1", "1_0", "9" * 5000, " 1", "1 ", "+1", "\u00b2")
_UNCERTAIN: Final = 0.25


@attrs.frozen
class Word:
    """A word for an option; `wrong` if nothing but a complaint may come of it."""

    text: str
    wrong: bool = False


@attrs.frozen
class Kind:
    """What fits where, and what surely does not; besides these, anything may be tried."""

    good: Sequence[str]
    wrong: Sequence[str] = ()

    def draw(self, random: Random) -> Word:
        """One of them."""
        if self.wrong and random.random() < 0.25:
            return Word(random.choice(self.wrong), wrong=True)
        if random.random() < _UNCERTAIN:
            how = random.choice(self.good) if self.good and random.random() < 0.6 else random.choice(changing.WORDS)
            return Word(changing.changed_text(random, how).replace("\0", ""))
        return Word(random.choice(self.good))


def _setting_kinds() -> Kind:
    good, wrong = [], []
    for field in attrs.fields(Config):
        if "low" in field.metadata:
            low, high = field.metadata["low"], field.metadata["high"]
            good += [f"{field.name}={value}" for value in (low, high, min(low + 1, high), min(low + 7, high))]
            wrong += [f"{field.name}={value}" for value in (low - 1, high + 1, "x", "1.5", "", "9" * 30, "y")]
        elif field.name == "HZ":
            good += ["HZ=100", "HZ=1000"]
            wrong += ["HZ=0", "HZ=y", "HZ=99999999999"]
        else:
            good += [f"{field.name}={value}" for value in ("y", "n", "0", "1", "on")]
            wrong += [f"{field.name}={value}" for value in ("", "2", "maybe", "yy", "\u0663")]
    # A zone without memory is nobody's fault, and takes long.
    return Kind(good, [*wrong, *field_names(), "=", "=y", "nr cpus=2", "no_such_name=1", "", "=" * 300])


def _files(*names: str) -> Kind:
    return Kind(names, ("no_such_file", "/", ".", "", "no/such/folder/file", "n" * 300, "/dev/full/x"))


_ERAS: Final = tuple(ERAS)
_SETTINGS: Final = _setting_kinds()
SCENARIOS: Final = Kind(
    ("tidy.py", "twice.py", "tidy.py", "cold_cache_burst", "one_argument"), ("no_such", "", "/", "none.py")
)
RECORDINGS: Final = _files("barrier.txt", "mixed.txt.gz", "cold.txt", "workload.txt.gz")

CALLS: Final = Kind(
    (*(form.prototype.replace("gfp", "GFP_ATOMIC") for form in FORMS), "kmalloc(0x40, GFP_NOWAIT | __GFP_NOWARN)"),
    ("", "f", "kfree", "kfree(", "no_such(p)", "kmalloc(64, x)", "kmalloc(64)", "a" * 300),
)

OF_METAVAR: Final[Mapping[str, Kind]] = {
    "NUMBER": Kind(("1", "2", "3", "7", "1000"), NO_NUMBER),
    "VERSION": Kind(_ERAS, NO_NAME),
    "KERNEL KERNEL": Kind(_ERAS, NO_NAME),
    "NAME=VALUE": _SETTINGS,
    "FILE.toml": _files("costs.toml"),
    "FILE.py": _files("own.py"),
    "NAME|FILE": Kind((*DESIGNS, "own.py"), (*NO_NAME, "none.py")),
    "NAME,...": Kind((*DESIGNS, *_ERAS, "direct,gfp-zero", "v5.9,v6.12"), (*NO_NAME, ",")),
    "FILE": Kind(("out.txt", "out.json", "matrix.csv", "/dev/null", "-")),
    "DIR": _files("asked"),
    "TEXT": Kind(("A/", "a1", "irq", "x")),
}
"""Of options that are the same everywhere, whatever their name."""

OF_NAME: Final[Mapping[str, Kind]] = {
    "--strategy": Kind(
        (*STRATEGIES, *SEARCHES, "random:present=3", "delays:d=2"),
        (*NO_NAME, "random:", "random:x=1", "random:present=0", "timed:1"),
    ),
    "--faults": Kind((*FAULTS, "nmi,interrupt", "reclaim,alloc,slow-worker"), (*NO_NAME, ",", "nmi,", "nmi,nmi")),
    "--op": Kind(tuple(OPERATIONS), NO_NAME),
    "--context": Kind((*CONTEXTS,), NO_NAME),
    "--probe": Kind(("", "kfree_call_rcu", "k1", "kvfree_call_rcu")),
    "--jobs": Kind(("1", "1", "2"), (*NO_NUMBER, "0", "257")),
    "--programs": Kind(("0", "1", "2"), NO_NUMBER),
    "--runs": Kind(("1", "2", "3"), (*NO_NUMBER, "0")),
    "--seeds": Kind(("1", "2"), (*NO_NUMBER, "0")),
    "--schedules": Kind(("1", "2", "20"), (*NO_NUMBER, "0")),
    "--time": Kind(("1s", "1"), ("", "0", "x", "1d", "-1s", "99999999999s")),
    "--max-steps": Kind(("1", "10", "1000", "20000"), (*NO_NUMBER, "0")),
    "operation": CALLS,
    "--in": Kind(tuple(BY_NAME), NO_NAME),
    "--kernels": Kind((*_ERAS, *ALL_BUILDS, "v5.9:prove,v7.3:rt"), (*NO_NAME, ",")),
    "scenario": SCENARIOS,
    "scenarios": SCENARIOS,
    "recording": RECORDINGS,
    "recordings": RECORDINGS,
    "file": RECORDINGS,
    "question": Kind(
        ("a1 v=irq order=first", "f2 v=raw op=spin", "a7 v=two", "m v=exit", "fl v=spin"), ("", "zz v=1", "a1 v")
    ),
    "name": Kind(("mine", "my_design", "a", "class", "json"), ("", "1a", "a b", "x/y", "../x", "a" * 300)),
}
"""Of an option or an argument by its name."""

_ALL: Final = Kind(tuple(word for kind in (*OF_METAVAR.values(), *OF_NAME.values()) for word in kind.good[:9]))


def kind_of(parameter: click.Parameter) -> Kind:
    """The words for it."""
    name = parameter.opts[0]
    metavar = parameter.metavar or ""
    if name in OF_NAME:
        return OF_NAME[name]
    if metavar in OF_METAVAR:
        return OF_METAVAR[metavar]
    choices = metavar.strip("[]").split("|")
    return Kind(choices, NO_NAME) if len(choices) > 1 else _ALL


def commands(group: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, and how it is called."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, (*path, name))


def arguments_for(random: Random, parameter: click.Parameter, *, some: bool) -> list[Word]:
    """An option with its words, or an argument's words; none, unless `some` or by chance."""
    option = isinstance(parameter, click.Option)
    if not some and (option or not parameter.required):
        return []
    times = random.choice((1, 1, 2, 3)) if parameter.nargs == -1 or getattr(parameter, "multiple", False) else 1
    words: list[Word] = []
    kind = kind_of(parameter)
    for _ in range(times):
        if option:
            words.append(Word(random.choice(parameter.opts)))
        if not getattr(parameter, "is_flag", False):
            words += [kind.draw(random) for _ in range(max(parameter.nargs, 1))]
    return words
