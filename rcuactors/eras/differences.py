"""What the versions have, rule by rule, and in what two of them differ: read from the rules themselves.

A rule is a field of `EraRules` and of what it holds; its name is the way to it, `kvfree.refill.gfp`. What it means is
said once, where it is declared: in the field's docstring, or in that of the part that a version has picked. The commits
that are named there are the ones that made the difference, or mended what was wrong before.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any, Final, cast

import attrs

from ..mm.gfp import GFP_V5_9, Gfp
from .era import Era

_BY_NAME: Final = re.compile(r"^`(\w+)`:? (.*?)(?=^`\w+`|\Z)", re.DOTALL | re.MULTILINE)
"""What a class's docstring says of a field."""
_COMMIT: Final = re.compile(r"\b[0-9a-f]{12}\b")


@attrs.frozen(kw_only=True)
class Rule:
    """One rule of one version: `value` as it is written, `about` what the rule and the part that was picked say."""

    name: str
    value: str
    about: str

    @property
    def commits(self) -> tuple[str, ...]:
        """The commits that are named for it, in the order in which they are."""
        return tuple(dict.fromkeys(_COMMIT.findall(self.about)))


@attrs.frozen(kw_only=True)
class Difference:
    """A rule in which two versions differ; "" is the value where the one has no such rule."""

    name: str
    before: str
    after: str
    about: str
    commits: tuple[str, ...]


def rules_of(era: Era) -> dict[str, Rule]:
    """All rules of a version, by name."""
    return {rule.name: rule for rule in _rules("", era.rules)}


def differences(one: Era, other: Era) -> list[Difference]:
    """In what they differ, in the order of the floors."""
    mine, others = rules_of(one), rules_of(other)
    found = []
    for name in dict.fromkeys([*mine, *others]):
        before, after = mine.get(name), others.get(name)
        if before is not None and after is not None and before.value == after.value:
            continue
        said = [rule for rule in (after, before) if rule is not None]
        found.append(
            Difference(
                name=name,
                before=before.value if before else "",
                after=after.value if after else "",
                about=said[0].about,
                commits=tuple(dict.fromkeys(commit for rule in said for commit in rule.commits)),
            )
        )
    return found


def _rules(prefix: str, rules: Any) -> Iterator[Rule]:
    kind: Any = type(rules)
    documented = _docstrings(kind)
    for field in attrs.fields(kind):
        if field.name.startswith("_"):
            continue
        value, name = getattr(rules, field.name), f"{prefix}{field.name}"
        is_group = attrs.has(type(value))
        part = inspect.getdoc(type(value) if is_group else value) or "" if is_group or callable(value) else ""
        about = "\n".join(text for text in (documented.get(field.name, ""), part) if text)
        if not prefix and is_group:
            # A floor's.
            yield from _rules(f"{name}.", value)
        elif is_group:
            yield Rule(name=name, value=type(value).__name__, about=about)
            yield from _rules(f"{name}.", value)
        else:
            yield Rule(name=name, value=value_text(value), about=about)


def value_text(value: Any) -> str:
    """A rule's value as a person writes it: a part by its name, a flag as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, Gfp):
        return GFP_V5_9.text(value)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | frozenset):
        items = [value_text(item) for item in value]
        return ", ".join(items if isinstance(value, tuple) else sorted(items)) or "none"
    return str(getattr(value, "__name__", value))


@cache
def _docstrings(of: Hashable) -> dict[str, str]:
    """The docstrings of the fields of a class, in one line each: below them, or what its own says of them by name."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cast("type", of)))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {
        part[1]: " ".join(part[2].split()) for part in _BY_NAME.finditer(ast.get_docstring(body) or "")
    }
    name = ""
    for statement in body.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and name:
            found[name] = " ".join(str(statement.value.value).split())
            name = ""
        else:
            name = ""
    return found
