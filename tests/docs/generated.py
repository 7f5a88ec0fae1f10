"""The generated tables of the documentation: each is exactly what the code says."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs

from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.campaign.plan import VARIATIONS
from rcuactors.config import describe_fields
from rcuactors.engine.probe import Probe, ProbeSet
from rcuactors.eras import ERAS
from rcuactors.eras.differences import rules_of
from rcuactors.expectation import promised_kernels
from rcuactors.kernel.costs import describe
from rcuactors.machine import MachineProbes, MachineStatistics
from rcuactors.mm.slab.sheaf import SheafStatistics
from rcuactors.questions.kernels import KERNELS as ASKED_KERNELS
from rcuactors.questions.words import VERBS
from rcuactors.reference import as_markdown
from rcuactors.runs.counters import Counters
from rcuactors.userfiles import find_scenarios, load_scenario

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "rcuactors"
GENERATED = re.compile(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->\n", re.DOTALL)

Row = tuple[str, ...]

HISTORY: Row = ("bug", "scenario", "on", "strategy", "found", "schedules", "CPU time", "cut down to", "not on")

LEFT_OUT: Row = ("bug", "scenario", "on", "`holds` as chosen on the others", "found", "schedules", "CPU time")


def beside(path: Path) -> Any:
    """A module of the tests, by its file."""
    spec = importlib.util.spec_from_file_location(f"beside_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kernel_map = beside(ROOT / "tests" / "docs" / "kernel_map.py")
trust = beside(ROOT / "tests" / "docs" / "trust.py")
bugs = beside(ROOT / "tests" / "docs" / "bugs.py")
commands = beside(ROOT / "tests" / "docs" / "commands.py")
events = beside(ROOT / "tests" / "docs" / "events.py")
conformed = beside(ROOT / "tests" / "docs" / "conformed.py")
history = beside(ROOT / "tests" / "history" / "cases.py")
leave_one_out = beside(ROOT / "tests" / "history" / "leave_one_out.py")
by_strategy = beside(ROOT / "tests" / "history" / "by_strategy.py")

CHURN: Row = ("bug", "on", "with", *(f"`{name}`" for name in by_strategy.STRATEGIES))


def markdown(head: Row, rows: Iterable[Row]) -> str:
    """A table as it stands in a page."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def costs() -> str:
    rows = [(f"`{name}`", str(ns), about, source) for name, ns, about, source in describe()]
    return markdown(("name", "ns", "what it is", "source"), rows)


def configuration() -> str:
    rows = [(f"`{name}`", f"`{default}`", about) for name, default, about in describe_fields()]
    return markdown(("name", "default", "what it does"), rows)


def builds() -> str:
    rows = []
    for build in BUILDS.values():
        settings = " ".join(f"`{name}={value}`" for name, value in build.settings.items())
        rows.append((f"`{build.name}`", build.about, settings))
    return markdown(("build", "what it is", "settings"), rows)


def known_bugs() -> str:
    rows = [
        (
            era.name,
            ", ".join(f"`{design}`" for design in bug.designs) or "all",
            f"`{bug.commit}` brought it" if bug.unmended else f"`{bug.commit}`",
            f"[`{bug.kind.value}`](reports.md)",
            f"`{bug.function}()`",
            bug.what,
        )
        for era in ERAS.values()
        for bug in era.known_bugs
    ]
    return markdown(("version", "design", "commit", "kind", "in", "what"), rows)


def variations() -> str:
    rows = [(f"`{one.name}`", ", ".join(f"`{value}`" for value in one.values)) for one in VARIATIONS]
    return markdown(("setting", "drawn now and then instead of the default"), rows)


def questions() -> str:
    rows = []
    for verb in VERBS.values():
        words = [f"`{key.name}`={'|'.join(key.values) or key.default}" for key in verb.keys]
        rows.append((f"`{verb.name}`", verb.about, " ".join(words)))
    return markdown(("verb", "what it asks", "words, with the defaults first"), rows)


def asked_kernels() -> str:
    rows = []
    for kernel in ASKED_KERNELS.values():
        settings = " ".join(f"`{name}={value}`" for name, value in kernel.settings.items())
        rows.append((f"`{kernel.name}`", kernel.about, settings))
    return markdown(("kernel", "what it was", "settings here"), rows)


FLOORS = ("kvfree", "rcu", "mm", "kernel", "lockdep", "splat")


def changed(floor: str) -> str:
    """The rules of a floor that any two versions have otherwise; a version's value where it is a new one."""
    tables = [rules_of(era) for era in ERAS.values()]
    rows = []
    for name in dict.fromkeys(name for table in tables for name in table if name.startswith(f"{floor}.")):
        had = [table.get(name) for table in tables]
        if len({rule.value if rule else None for rule in had}) == 1:
            continue
        cells = [f"`{rule.value}`" if rule else "" for rule in had]
        told = [cells[0], *(cell if cell != before else "" for before, cell in pairwise(cells))]
        commits = dict.fromkeys(commit for rule in had if rule for commit in rule.commits)
        rows.append((f"`{name.removeprefix(f'{floor}.')}`", *told, " ".join(commits)))
    return markdown(("rule", *ERAS, "commits"), rows)


def scenarios() -> str:
    rows = []
    for name in find_scenarios():
        chosen = load_scenario(name)
        parameters = " ".join(
            f"`{key}={'ny'[value] if isinstance(value, bool) else value}`" for key, value in chosen.parameters.items()
        )
        rows.append((f"[`{name}`](../scenarios/{name}.py)", chosen.about, parameters))
    return markdown(("scenario", "what it shows", "parameters"), rows)


def outcomes() -> str:
    rows = []
    for name in find_scenarios():
        expect = load_scenario(name).expect
        alike: list[list[str]] = []
        for label in promised_kernels():
            if alike and expect[label] == expect[alike[-1][0]]:
                alike[-1].append(label)
            else:
                alike.append([label])
        for labels in alike:
            row = expect[labels[0]]
            kernels = labels[0] if len(labels) == 1 else f"{labels[0]} to {labels[-1]}"
            rows.append((f"`{name}`", kernels, *(row[build] for build in USUAL_BUILDS)))
    return markdown(("scenario", "kernels", *USUAL_BUILDS), rows)


def places(homes: Iterable[Any], head: str) -> str:
    """A row for each place at which something of the kernel stands."""
    rows = [(f"`{home.kernel}`", f"[`{home.path}`](../rcuactors/{home.path})", f"`{home.where}`") for home in homes]
    return markdown((head, "file", "there"), rows)


def kernel_functions() -> str:
    return places((home for home in kernel_map.homes(PACKAGE) if home.kernel.endswith("()")), "function")


def kernel_structures() -> str:
    return places((home for home in kernel_map.homes(PACKAGE) if not home.kernel.endswith("()")), "structure")


def kernel_locks() -> str:
    return places(kernel_map.locks(PACKAGE), "lock")


def head_of(path: Path) -> str:
    """The first line of what a file says of itself."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def rooms() -> str:
    """Every package with what its files have, in the order of the tree; then the modules at the top."""
    rows: list[Row] = []
    for init in sorted(PACKAGE.rglob("__init__.py")):
        room = init.parent
        if room == PACKAGE or room.name.startswith("_"):
            continue
        name = f"{room.relative_to(PACKAGE).as_posix()}/"
        rows.append((f"**[`{name}`](../rcuactors/{name})**", f"**{head_of(init)}**"))
        rows += [(f"`{path.name}`", head_of(path)) for path in sorted(room.glob("*.py")) if path != init]
    top = [path for path in sorted(PACKAGE.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
    return markdown(
        ("where", "what"), [*rows, *((f"[`{path.name}`](../rcuactors/{path.name})", head_of(path)) for path in top)]
    )


FIELD = re.compile(r"^\* `(\w+)` \(([^)]+)\): (.*(?:\n  .*)*)", re.MULTILINE)


def described(kind: type[Any]) -> dict[str, tuple[str, str]]:
    """Unit and meaning of each field of a class of figures, as its docstring lists them."""
    fields = FIELD.findall(inspect.getdoc(kind) or "")
    return {name: (unit, re.sub(r"\s+", " ", about)) for name, unit, about in fields}


def counters() -> str:
    rows = [(f"`{name}`", unit, about.removesuffix(".")) for name, (unit, about) in described(Counters).items()]
    return markdown(("key", "unit", "meaning"), rows)


def parts(kind: type[Any], path: str = "") -> Iterator[tuple[str, type[Any]]]:
    """(how it is reached, class) of all statistics that a class of them consists of."""
    for name, of in get_type_hints(kind, localns={"SheafStatistics": SheafStatistics}).items():
        for part in get_args(of) or (of,):
            if attrs.has(part):
                yield f"{path}{name}", part
                yield from parts(part, f"{path}{name}.")


def statistics() -> str:
    rows = []
    for path, kind in parts(MachineStatistics):
        for name, (unit, about) in described(kind).items():
            if unit.endswith("Statistics"):
                continue
            rows.append((f"`{path}.{name}`", unit, about.removesuffix(".")))
    return markdown(("figure", "unit", "meaning"), rows)


TOLD = re.compile(r"\(([\w, ]+)\) (.*)", re.DOTALL)


def field_docs(kind: type[Any]) -> dict[str, tuple[str, str]]:
    """Type and docstring of each field that has one, as they stand in the source."""
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: (ast.unparse(field.annotation), re.sub(r"\s+", " ", text.value.value))
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def probe_classes() -> Iterator[tuple[str, type[Any]]]:
    """(how it is reached, class) of all classes that have probes."""
    yield "", MachineProbes
    for name, of in get_type_hints(MachineProbes).items():
        if isinstance(of, type) and issubclass(of, ProbeSet):
            yield f"{name}.", of


def probes() -> str:
    rows = []
    for path, kind in probe_classes():
        for name, (annotation, about) in field_docs(kind).items():
            if not annotation.startswith(Probe.__name__):
                continue
            told = TOLD.fullmatch(about)
            assert told is not None, f"{kind.__name__}.{name}: needs (what, is, told) first"
            types = ast.parse(annotation, mode="eval").body
            assert isinstance(types, ast.Subscript)
            assert isinstance(types.slice, ast.List)
            names = told[1].split(", ")
            assert len(names) == len(types.slice.elts), f"{kind.__name__}.{name}: {annotation} tells {told[1]}"
            given = ", ".join(f"`{word}: {ast.unparse(of)}`" for word, of in zip(names, types.slice.elts, strict=True))
            rows.append((f"`{path}{name}`", given, told[2].removesuffix(".")))
    return markdown(("probe", "what is told", "when"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "kernel-functions": kernel_functions,
    "kernel-structures": kernel_structures,
    "kernel-locks": kernel_locks,
    "rooms": rooms,
    "costs": costs,
    "configuration": configuration,
    "builds": builds,
    "known-bugs": known_bugs,
    "history": lambda: markdown(HISTORY, history.rows()),
    "api": as_markdown,
    "events": lambda: str(events.events(PACKAGE, markdown)),
    "commands": lambda: str(commands.commands()),
    "churn": lambda: markdown(CHURN, by_strategy.rows()),
    "left-out": lambda: markdown(LEFT_OUT, leave_one_out.rows()),
    "upstream-bugs": lambda: str(bugs.upstream_bugs(markdown)),
    **{f"changed-{floor}": partial(changed, floor) for floor in FLOORS},
    "variations": variations,
    "questions": questions,
    "asked-kernels": asked_kernels,
    "scenarios": scenarios,
    "outcomes": outcomes,
    "counters": counters,
    "statistics": statistics,
    "probes": probes,
    "cases-standing": lambda: str(trust.standing(markdown)),
    "cases-reports": lambda: str(trust.cases(markdown, "c")),
    "cases-forms": lambda: str(trust.cases(markdown, "af")),
    "cases-differing": lambda: str(trust.differing(markdown)),
    "cases-lacking": lambda: str(trust.lacking(markdown)),
    "asked-standing": lambda: str(trust.asked(markdown)),
    "asked-differing": lambda: str(trust.asked_differing(markdown)),
    "asked-reasons": lambda: str(trust.asked_reasons(markdown)),
    "conform-decisions": lambda: str(conformed.decisions(markdown)),
    "conform-rules": lambda: str(conformed.exercised(markdown)),
    "conform-untested": lambda: str(conformed.untested(markdown)),
    "conform-changed": lambda: str(conformed.judged(markdown)),
    "conform-missed": lambda: str(conformed.missed(markdown)),
}


def generated() -> Iterator[tuple[Path, str, str]]:
    """(page, name, text) of every generated table."""
    for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]:
        for found in GENERATED.finditer(path.read_text(encoding="utf-8")):
            yield path, found[1], found[2]
