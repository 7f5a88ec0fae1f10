"""Nobody writes another part's fields: what can be seen of that in the source.

A field belongs to the packages whose classes declare it, or set it on themselves. Anybody else who assigns to it
(`machine.pages.zone.lock = ...`, `kvfree.min_cached_objs -= 1`, `del krcp.cache`) is found here, unless a reason is
given below. Seen is the name of the field only: two packages with a field of one name may write each other's, and what
is done to a list or dictionary in a field is not seen at all.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest


@attrs.frozen
class Allowed:
    """Why packages may write to fields that are not theirs. `of`: all fields of that class; None: of any package."""

    reason: str
    packages: frozenset[str] | None
    fields: frozenset[str] = frozenset()
    of: str = ""


ALLOWED = (
    Allowed("whoever does something says how long it takes", None, frozenset({"clock"})),
    Allowed(
        "the context is what runs: entering, leaving and pinning change it, floor by floor, as preempt_count in Linux",
        frozenset({"kernel", "rcu", "mm", "selftest"}),
        of="Context",
    ),
    Allowed(
        "what a thread waits for is declared where deadlocks are described and known where it begins to wait",
        frozenset({"kernel"}),
        frozenset({"blocked_on", "waiting_for"}),
    ),
    Allowed("the horizon is lowered by who knows of an earlier point", frozenset({"kernel"}), frozenset({"horizon"})),
    Allowed("passing time by polling takes no steps", frozenset({"kernel"}), frozenset({"steps"})),
    Allowed("task_struct's fields for RCU", frozenset({"rcu"}), frozenset({"rcu_blocked", "rcu_need_qs"})),
    Allowed("queue_rcu_work() is kernel/workqueue.c's", frozenset({"rcu"}), frozenset({"pending"})),
    Allowed(
        "a lock is a thing of lockdep's floor; who has it is for the operations to say, and, where a local_lock is "
        "nothing but interrupts off, for those who turn them off",
        frozenset({"kernel", "mm"}),
        frozenset({"owner"}),
    ),
    Allowed(
        "from where in a scenario an object was allocated, given up or freed is known where the scenario calls",
        frozenset({"kapi"}),
        frozenset({"origin", "retired_from", "freed_from"}),
    ),
    Allowed(
        "a design counts in the figures of kvfree_rcu() what it does in its place",
        frozenset({"designs", "templates"}),
        frozenset({"caller_pages", "refill_pages", "refill_pages_refused"}),
    ),
    Allowed(
        "a recorded state is loaded into the registers in which the mechanism's next step is run",
        frozenset({"conform"}),
        frozenset(
            {
                "backoff_page_cache_fill",
                "blocks",
                "cache",
                "count",
                "expedited_sequence",
                "gp_seq_polled",
                "gp_seq_polled_exp_snap",
                "gp_seq_polled_snap",
                "gp_snap",
                "head",
                "head_free_gp_snap",
                "head_gp_snap",
                "initialized",
                "monitor_expires",
                "monitor_todo",
                "outside",
                "rcu_works",
                "work_in_progress",
            }
        ),
    ),
    Allowed("a syntax tree's node, of Python's", frozenset({"userfiles"}), frozenset({"value"})),
)


@attrs.frozen
class Write:
    """Somebody assigns to a field that only others declare."""

    package: str
    field: str
    where: str
    owners: tuple[str, ...]


def package_of(path: Path, top: Path) -> str:
    """The room, or the module at the top."""
    return path.relative_to(top).with_suffix("").parts[0]


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement assigns to, or deletes."""
    if isinstance(node, ast.Assign | ast.Delete):
        targets = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For | ast.AsyncFor):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    else:
        return
    while targets:
        target = targets.pop()
        if isinstance(target, ast.Tuple | ast.List):
            targets += target.elts
        elif isinstance(target, ast.Starred):
            targets.append(target.value)
        else:
            yield target


def is_own(target: ast.Attribute) -> bool:
    """`self.field`."""
    return isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")


def declared_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(class, field) of the fields that a module's classes declare, or set on themselves."""
    for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for statement in cls.body:
            yield from ((cls.name, target.id) for target in assigned(statement) if isinstance(target, ast.Name))
        for node in ast.walk(cls):
            for target in assigned(node):
                if isinstance(target, ast.Attribute) and is_own(target):
                    yield cls.name, target.attr


def foreign_writes(top: Path) -> tuple[list[Write], dict[str, set[str]]]:
    """The writes to others' fields in a package, and the fields of each class in it."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(top.rglob("*.py"))}
    owners, classes = defaultdict(set), defaultdict(set)
    for path, tree in trees.items():
        for cls, field in declared_in(tree):
            owners[field].add(package_of(path, top))
            classes[cls].add(field)
    writes = []
    for path, tree in trees.items():
        package = package_of(path, top)
        for node in ast.walk(tree):
            for target in assigned(node):
                if not isinstance(target, ast.Attribute) or is_own(target):
                    continue
                declared = owners[target.attr]
                # What no class of ours declares is Python's, or some library's.
                if declared and package not in declared:
                    where = f"{path.relative_to(top)}:{target.lineno}: {ast.unparse(target)}"
                    writes.append(Write(package, target.attr, where, tuple(sorted(declared))))
    return writes, classes


def reason_for(write: Write, classes: dict[str, set[str]]) -> Allowed | None:
    """Why it is allowed, if it is."""
    for allowed in ALLOWED:
        fields = allowed.fields | (classes[allowed.of] if allowed.of else set())
        if write.field in fields and (allowed.packages is None or write.package in allowed.packages):
            return allowed
    return None


def test_nobody_writes_anothers_fields(package: Path) -> None:
    writes, classes = foreign_writes(package)
    found = {write: reason_for(write, classes) for write in writes}
    bad = [f"{write.where} (belongs to {', '.join(write.owners)})" for write, why in found.items() if why is None]
    assert not bad, "\n".join(bad)
    unused = [allowed.reason for allowed in ALLOWED if allowed not in found.values()]
    assert not unused, f"no longer needed: {unused}"


PLANTED = [
    ("kvfree.pages.zone.lock = None", "zone.lock"),
    ("zone.free -= 8", "zone.free"),
    ("kvfree.min_cached_objs = 0", "kvfree.min_cached_objs"),
    ("self.kvfree.rules = None", "self.kvfree.rules"),
    ("krcp.count: int = 0", "krcp.count"),
    ("del krcp.cache", "krcp.cache"),
    ("mine, krcp.cache = krcp.cache, []", "krcp.cache"),
    ("[first, *zone.free] = range(3)", "zone.free"),
    ("for krcp.count in range(3): pass", "krcp.count"),
    ("with zone as krcp.count: pass", "krcp.count"),
]
OWNERS = """
class Kvfree:
    def __init__(self, pages, rules):
        self.pages, self.rules = pages, rules
        self.min_cached_objs = 5
class Krc:
    count: int = 0
    cache: list = []
"""
ZONE = """
class Zone:
    def __init__(self):
        self.lock: object = object()
        self.free = 0
"""


@pytest.mark.parametrize(("planted", "found"), PLANTED)
def test_a_write_to_anothers_field_is_found(tmp_path: Path, planted: str, found: str) -> None:
    for room, text in (("kvfree", OWNERS), ("mm", ZONE)):
        (tmp_path / room).mkdir()
        (tmp_path / room / "part.py").write_text(text)
    (tmp_path / "designs").mkdir()
    source = f"class Mine:\n    def attach(self, kvfree, krcp, zone):\n        {planted}\n"
    (tmp_path / "designs" / "mine.py").write_text(source)
    ((write, *more), classes) = foreign_writes(tmp_path)
    assert not more
    assert (write.package, write.where.partition(": ")[2].endswith(found)) == ("designs", True)
    assert write.where.startswith("designs/mine.py:3")
    assert reason_for(write, classes) is None


@pytest.mark.parametrize(
    "fine",
    ["self.size = 3", "mine = Stock()\n        mine.size = 3", "krcp = 3", "node.lineno = 3", "zone.lock.taken()"],
)
def test_ones_own_fields_and_locals_are_ones_own(tmp_path: Path, fine: str) -> None:
    for room, text in (("kvfree", OWNERS), ("mm", ZONE)):
        (tmp_path / room).mkdir()
        (tmp_path / room / "part.py").write_text(text)
    (tmp_path / "designs").mkdir()
    stock = "class Stock:\n    size: int = 0\n"
    (tmp_path / "designs" / "mine.py").write_text(
        f"{stock}class Mine:\n    def attach(self, kvfree, krcp, zone, node):\n        {fine}\n"
    )
    assert foreign_writes(tmp_path)[0] == []
