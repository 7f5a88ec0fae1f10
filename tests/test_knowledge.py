"""No floor knows what is above it by name.

Held of every text in the code that is no docstring: it names no module or package of a floor above, as a path
(`mm/zone`, `rcuactors.mm.zone`), as a file (`zone.py`) or alone (`designs`); and, below the machine, it is not the name
of a function that only floors above have, where that name has a `_`. Held of all floors: what is read from a frame or
a code object (its name, its file, its module's name) is compared with no literal, be it in a constant of the module,
and is looked up in none. A kernel function's name in the middle of a text for a person is knowledge of the kernel, and
is not held.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest


def _layers() -> Any:
    """The table of floors is in the test of the imports."""
    spec = importlib.util.spec_from_file_location("layers", Path(__file__).with_name("test_layers.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLOORS: dict[str, int] = _layers().FLOORS


def floor_of(module: str) -> int | None:
    return FLOORS.get(module.partition(".")[0])


# Words that only look like a function or a package of a floor above.
WORDS = {
    "cold_caches": "a setting's name",
    "irqs_off": "a context's name in results",
    "preempt_off": "a context's name in results",
    "local_lock_t": "the type in C",
    "local_lock_irqsave": "where the allocator has interrupts off, in reports",
    "rt_mutex": "the type in C",
    "PREEMPT_RT": "a configuration symbol",
    "rcu_callback": "the kernel's event",
    "irq_work": "the interrupt's name in /proc and in events",
    "kernel": "who prints a report",
    "timer_list": "the type in C",
    "work_struct": "the type in C",
    "rcu_head": "the type in C",
    "page": "one of memory, in reports",
}

# Modules that compare names from frames all the same, and why.
COMPARES_NAMES: dict[str, str] = {
    "explore.variables": "which frames are a user's own, by the folder of the package: no name of ours"
}

FROM_FRAMES = frozenset({"co_name", "co_qualname", "co_filename"})
LOOK_UPS = frozenset(
    {"get", "startswith", "endswith", "removeprefix", "removesuffix", "find", "index", "count", "match"}
)


@attrs.frozen
class Module:
    """One file's tree, by its dotted name, an __init__ by its own."""

    name: str
    tree: ast.Module
    floor: int

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]


def modules_of(package: Path) -> list[Module]:
    found = []
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package).with_suffix("").parts)
        floor = floor_of(name)
        if floor is not None:
            found.append(Module(name, ast.parse(path.read_text()), floor))
    return found


def lowest(names: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Each name's lowest floor."""
    floors: dict[str, int] = {}
    for name, floor in names:
        floors[name] = min(floor, floors.get(name, floor))
    return floors


def texts_of(tree: ast.AST) -> Iterator[ast.Constant]:
    """The texts of the code, without those that stand alone: docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node


@attrs.frozen
class Names:
    """What the package has, and the lowest floor that has it."""

    paths: dict[str, int]
    files: dict[str, int]
    functions: dict[str, int]

    @classmethod
    def of(cls, modules: list[Module]) -> Names:
        public = [module for module in modules if not module.short.startswith("__")]
        paths = [(module.name, module.floor) for module in public]
        paths += [(module.name.rpartition(".")[0], module.floor) for module in modules if "." in module.name]
        functions = [
            (node.name, module.floor)
            for module in modules
            for node in ast.walk(module.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        ]
        return cls(lowest(paths), lowest((module.short, module.floor) for module in public), lowest(functions))

    def above(self, floor: int, text: str) -> Iterator[str]:
        """What of a floor above is named in a text."""
        if text in WORDS:
            return
        if self.paths.get(text, floor) > floor:
            yield text
        for word in re.findall(r"[\w./-]+", text):
            stem, dot, kind = word.rpartition(".")
            if dot and kind in ("c", "h"):
                continue  # the kernel's own files
            parts = [part for part in re.split(r"[./]", stem if kind == "py" else word) if part]
            if kind == "py" and parts and self.files.get(parts[-1], floor) > floor:
                yield f"{parts[-1]}.py"
            for begin in range(len(parts) - 1):
                for end in range(begin + 2, len(parts) + 1):
                    if self.paths.get(".".join(parts[begin:end]), floor) > floor:
                        yield ".".join(parts[begin:end])
        below_machine = floor < FLOORS["machine"]
        if below_machine and "_" in text and self.functions.get(text, floor) > floor:
            yield f"{text}()"


def known_above(package: Path) -> list[str]:
    modules = modules_of(package)
    names = Names.of(modules)
    return [
        f"{module.name}:{node.lineno}: floor {module.floor} knows {what}"
        for module in modules
        for node in texts_of(module.tree)
        for what in dict.fromkeys(names.above(module.floor, node.value))
    ]


def is_from_frame(node: ast.AST) -> bool:
    """A code object's name or file, or a frame's module by name."""
    if isinstance(node, ast.Attribute):
        return node.attr in FROM_FRAMES
    inner = [*ast.walk(node)] if isinstance(node, ast.Call | ast.Subscript) else []
    return any(isinstance(part, ast.Attribute) and part.attr == "f_globals" for part in inner) and any(
        isinstance(part, ast.Constant) and part.value in ("__name__", "__package__", "__file__") for part in inner
    )


def assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Each name that is given a value, and the value; of tuples each for itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            pairs = [(node.target, node.value)]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                several = zip(target.elts, value.elts, strict=False)
            else:
                several = zip([target], [value], strict=True)
            yield from ((one.id, given) for one, given in several if isinstance(one, ast.Name))


def compared_names(module: Module) -> Iterator[int]:
    """The lines where something from a frame meets a literal."""
    values = list(assigned(module.tree))
    from_frames = {name for name, value in values if any(is_from_frame(node) for node in ast.walk(value))}

    def told(node: ast.AST) -> bool:
        return any(
            is_from_frame(part) or (isinstance(part, ast.Name) and part.id in from_frames) for part in ast.walk(node)
        )

    def spelled(node: ast.AST) -> bool:
        return any(re.search(r"[A-Za-z]", text.value) is not None for text in texts_of(node))

    literals = {name for name, value in values if spelled(value) and not told(value)}

    def literal(node: ast.AST) -> bool:
        return spelled(node) or any(isinstance(part, ast.Name) and part.id in literals for part in ast.walk(node))

    for node in ast.walk(module.tree):
        if isinstance(node, ast.Compare):
            sides: list[ast.AST] = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            sides = [node.value, node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOOK_UPS:
            sides = [node.func.value, *node.args]
        elif isinstance(node, ast.Match):
            sides = [node.subject, *(case.pattern for case in node.cases)]
        else:
            continue
        if any(told(side) for side in sides) and any(literal(side) and not told(side) for side in sides):
            yield node.lineno


def comparisons(package: Path) -> dict[str, list[int]]:
    found = {module.name: sorted(set(compared_names(module))) for module in modules_of(package)}
    return {name: lines for name, lines in found.items() if lines}


def test_no_floor_knows_what_is_above_it_by_name(package: Path) -> None:
    assert known_above(package) == []


def test_nothing_is_told_by_the_names_in_frames(package: Path) -> None:
    """Also: a line in COMPARES_NAMES that is not needed any more has to go."""
    assert set(comparisons(package)) == set(COMPARES_NAMES)


def plant(folder: Path, **sources: str) -> Path:
    """A package of a few modules, each with its floor from FLOORS; `__` in a name is a `/`."""
    package = folder / "planted"
    for name, source in sources.items():
        file = package / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return package


ABOVE = {
    "mm__zone": "def rmqueue_bulk(): ...\ndef _own_helper(): ...\n",
    "mm__deep__room": "def alloc(): ...\n",
    "designs__reserve": "",
    "scenario": "",
    "context__locks": "def spin_lock(): ...\n",
}


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ('A = "mm/zone.py"', ["zone.py", "mm.zone"]),
        ('A = ("engine", "designs")', ["designs"]),
        ('A = Path(_PACKAGE, "mm", "zone.py")', ["mm", "zone.py"]),
        ('A = "rcuactors.mm.zone"', ["mm.zone"]),
        ('A = "planted/mm/deep"', ["mm.deep"]),
        ('A = "mm.deep.room.alloc"', ["mm.deep", "mm.deep.room"]),
        ('A = "see zone.py"', ["zone.py"]),
        ('A = f"{here}/scenario.py:{line}"', ["scenario.py"]),
        ('A = {"rmqueue_bulk": 1}', ["rmqueue_bulk()"]),
        ('warn(cpu, "rmqueue_bulk")', ["rmqueue_bulk()"]),
        ('def f():\n    return getattr(x, "rmqueue_bulk")', ["rmqueue_bulk()"]),
        ('"""See mm/zone.py and designs."""', []),
        ('A = 1\n"""rmqueue_bulk"""', []),
        ('A = "mm/zone.c"', []),
        ('A = "locks.py and context/locks.py"', []),
        ('A = "spin_lock"', []),
        ('A = "_own_helper"', []),
        ('A = "rmqueue_bulk() takes a batch"', []),
        ('A = "alloc"', []),
        ('A = "irq_work"', []),
        ('A = "how designs do it"', []),
    ],
)
def test_what_is_known_from_above_is_found(tmp_path: Path, source: str, known: list[str]) -> None:
    package = plant(tmp_path, **ABOVE, context__trace=source)
    assert [text.partition(" knows ")[2] for text in known_above(package)] == known


def test_a_floor_may_know_what_is_below_it(tmp_path: Path) -> None:
    known = 'A = ("spin_lock", "context/locks.py", "locks.py", "context")'
    assert known_above(plant(tmp_path, **ABOVE, mm__above=known)) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('a = code.co_name == "point"', [1]),
        ('a = frame.f_code.co_name in ("point", "attend")', [1]),
        ('FLOW = frozenset({"point"})\ndef f(code):\n    return code.co_name in FLOW', [3]),
        ('FLOW: Final = {"point": 1}\ndef f(code):\n    return FLOW[code.co_qualname]', [3]),
        ('FLOW = {"point": 1}\ndef f(code):\n    return FLOW.get(code.co_name)', [3]),
        ('PARTS = (str(Path(HERE, "mm")),)\ndef f(code):\n    return code.co_filename.startswith(PARTS)', [3]),
        ('def f(code):\n    name = code.co_filename\n    return name.endswith("zone.py")', [3]),
        ('def f(frame):\n    name, code = frame.f_globals.get("__name__"), 1\n    return name == "mm"', [3]),
        ('def f(frame):\n    return frame.f_globals["__name__"].startswith("mm")', [2]),
        ('def f(code):\n    return Path(code.co_filename).name == "zone.py"', [2]),
        ('def f(code):\n    return re.match("zone", code.co_filename)', [2]),
        ('def f(code):\n    match code.co_name:\n        case "point":\n            return 1', [2]),
        ('a = code.co_name.startswith(("_", "<"))', []),
        ('a = f"{code.co_name} ({code.co_filename})"', []),
        ("def f(code, chosen):\n    return code.co_filename == chosen", []),
        ('a = name == "point"', []),
        ("WAITS = (str(Path(trio.__file__).parent),)\na = code.co_filename.startswith(WAITS)", []),
    ],
)
def test_a_comparison_of_names_from_frames_is_found(tmp_path: Path, source: str, lines: list[int]) -> None:
    assert comparisons(plant(tmp_path, context__trace=source)).get("context.trace", []) == lines
