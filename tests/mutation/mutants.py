"""Mutants: one small wrong change of the program each, found in the syntax tree and named by where and what it is.

A mutant is made by compiling a changed tree, so lines stay where they are: what a test says of a line is still true.
Left alone are texts, annotations, assertions, and what only tells a reader of an object (`__repr__`).
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Final

import attrs

FLOORS: Final = ("kvfree", "rcu", "context", "mm", "kernel")
PACKAGE: Final = "rcuactors"

_COMPARE: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_BINARY: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_UNTOLD: Final = frozenset({"__repr__", "__str__"})


@attrs.frozen(kw_only=True)
class Mutant:
    """One change. It is known again by `key`, wherever its line has moved to."""

    path: str
    """Of the module, from the root."""
    function: str
    """The qualified name of the function or class that it is in; "" for the module."""
    line: int
    block: int
    """The first line of the block of statements that it is in."""
    what: str
    """Of which kind the change is."""
    before: str
    after: str
    number: int
    """Its place among all changes of the module, by which it is made."""
    in_function: bool
    """It is done when a function is called, and not when the module is imported."""

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def key(self) -> str:
        """Where and what, without the line."""
        return f"{self.path} {self.function or '-'}: {self.before} -> {self.after}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function or '-'} [{self.what}] {self.before} -> {self.after}"


Change = Callable[[], None]


@attrs.define
class _Site:
    node: ast.AST
    what: str
    before: str
    after: str
    change: Change
    function: str
    block: int
    in_function: bool


@attrs.define
class _Sites:
    """Walks a tree and finds where a change can be made."""

    found: list[_Site] = attrs.field(factory=list)
    names: list[str] = attrs.field(factory=list)
    block: int = 0
    in_function: bool = False

    def add(self, node: ast.AST, what: str, changed: ast.AST, change: Change) -> None:
        """One more."""
        before, after = _text(node), _text(changed)
        names = ".".join(self.names)
        self.found.append(_Site(node, what, before, after, change, names, self.block, self.in_function))

    def swap(self, node: ast.AST, what: str, holder: ast.AST, name: str, index: int | None, changed: ast.AST) -> None:
        """A node's place in its holder is given to another."""
        ast.copy_location(changed, node)

        def change() -> None:
            if index is None:
                setattr(holder, name, changed)
            else:
                getattr(holder, name)[index] = changed

        self.add(node, what, changed, change)

    def walk(self, node: ast.AST) -> None:
        """What is below a node, in the order of the text."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
                continue
            if isinstance(value, list):
                if value and isinstance(value[0], ast.stmt):
                    self.statements(node, name, value)
                else:
                    for index, one in enumerate(value):
                        if isinstance(one, ast.AST):
                            self.visit(node, name, index, one)
            elif isinstance(value, ast.AST):
                self.visit(node, name, None, value)

    def statements(self, holder: ast.AST, name: str, body: list[ast.stmt]) -> None:
        """A block."""
        outer = self.block, self.in_function
        self.block = body[0].lineno
        if isinstance(holder, ast.FunctionDef | ast.AsyncFunctionDef):
            self.in_function = True
        elif isinstance(holder, ast.ClassDef):
            self.in_function = False
        for index, statement in enumerate(body):
            self.statement(holder, name, index, statement)
        self.block, self.in_function = outer

    def statement(self, holder: ast.AST, name: str, index: int, node: ast.stmt) -> None:
        """One statement: it may be left out, and there are changes in it."""
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom():
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                return
            case ast.Assign(targets=[ast.Name(id=name_)]) if name_.startswith("__"):
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if node.name in _UNTOLD:
                    return
                self.names.append(node.name)
                self.walk(node)
                self.names.pop()
                return
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Break() | ast.Continue():
                self.swap(node, "statement left out", holder, name, index, ast.Pass())
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AugAssign():
                self.swap(node, "statement left out", holder, name, index, ast.Pass())
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
                self.swap(node, "nothing returned", holder, name, index, ast.Return(value=ast.Constant(None)))
        if isinstance(node, ast.AugAssign) and (other := _BINARY.get(type(node.op))) is not None:
            changed = copy.copy(node)
            changed.op = other()
            self.swap(node, "arithmetic", holder, name, index, changed)
        self.walk(node)

    def visit(self, holder: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
        """An expression."""
        match node:
            case ast.JoinedStr():
                return
            case ast.Compare(ops=[op, *_]):
                for other in _COMPARE.get(type(op), ()):
                    changed = copy.copy(node)
                    changed.ops = [other(), *node.ops[1:]]
                    self.swap(node, "comparison", holder, name, index, changed)
            case ast.BoolOp(op=op):
                changed_bool = copy.copy(node)
                changed_bool.op = ast.Or() if isinstance(op, ast.And) else ast.And()
                self.swap(node, "and/or", holder, name, index, changed_bool)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.swap(node, "not left out", holder, name, index, operand)
            case ast.BinOp(op=op) if not _is_of_text(node) and (binary := _BINARY.get(type(op))) is not None:
                changed_bin = copy.copy(node)
                changed_bin.op = binary()
                self.swap(node, "arithmetic", holder, name, index, changed_bin)
            case ast.Constant(value=int() as number):
                changed_constant = ast.Constant(not number if isinstance(number, bool) else number + 1)
                self.swap(node, "constant", holder, name, index, changed_constant)
        self.condition(holder, name, index, node)
        self.walk(node)

    def condition(self, holder: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
        """What a branch goes by may be true or false always; a loop's only false, or it would not end."""
        if name == "test" and isinstance(holder, ast.If | ast.IfExp | ast.While) and not isinstance(node, ast.Constant):
            truths = (False,) if isinstance(holder, ast.While) else (True, False)
            for truth in truths:
                self.swap(node, "condition", holder, name, index, ast.Constant(truth))


def _is_of_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in sides)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _sites(tree: ast.Module) -> list[_Site]:
    sites = _Sites()
    sites.walk(tree)
    return sites.found


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All changes that can be made in a module."""
    tree = ast.parse((root / path).read_text())
    return [
        Mutant(
            path=path,
            function=site.function,
            line=getattr(site.node, "lineno", 0),
            block=site.block,
            what=site.what,
            before=site.before,
            after=site.after,
            number=number,
            in_function=site.in_function,
        )
        for number, site in enumerate(_sites(tree))
    ]


def modules(root: Path) -> Iterator[str]:
    """The modules of all floors, in order."""
    for floor in FLOORS:
        for file in sorted((root / PACKAGE / floor).rglob("*.py")):
            yield file.relative_to(root).as_posix()


def draw(root: Path, seed: int, count: int) -> list[Mutant]:
    """So many of all mutants, by a seed: the same ones for the same sources."""
    everything = [mutant for path in modules(root) for mutant in mutants_of(root, path)]
    return random.Random(seed).sample(everything, min(count, len(everything)))


def compiled(root: Path, mutant: Mutant) -> CodeType:
    """The module with the change."""
    tree = ast.parse((root / mutant.path).read_text())
    _sites(tree)[mutant.number].change()
    ast.fix_missing_locations(tree)
    return compile(tree, str(root / mutant.path), "exec", dont_inherit=True)


def blocks_marked(tree: ast.Module, mark: Callable[[int], ast.stmt]) -> ast.Module:
    """The same module which, on entering each block of statements of a function, does what `mark` makes of its line."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody", "handlers"):
            body = getattr(node, name, None)
            if isinstance(node, ast.Module | ast.ClassDef) or not isinstance(body, list) or not body:
                continue
            first = body[0]
            if not isinstance(first, ast.stmt):
                continue
            place = 1 if _is_docstring(node, first) else 0
            marked = mark(first.lineno)
            ast.copy_location(marked, first)
            body.insert(place, marked)
    ast.fix_missing_locations(tree)
    return tree


def _is_docstring(node: ast.AST, first: ast.stmt) -> bool:
    return (
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(first, ast.Expr)
        and _is_text(first.value)
    )
