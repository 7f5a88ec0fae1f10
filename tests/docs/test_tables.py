"""The tables of the documentation, held against the code.

A generated table stands between `<!-- table: NAME -->` and `<!-- end of table -->` and is exactly what the
code says; `python tests/docs/test_tables.py` writes it again. A table written by hand is held to the code
row by row.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import rcuactors
from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.context.violation import ViolationKind
from rcuactors.engine.actor import Actor, Message
from rcuactors.engine.conductor import Conductor
from rcuactors.engine.decision import DecisionKind
from rcuactors.kernel.costs import describe
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.messages import Nmi
from rcuactors.machine import MachineStatistics
from rcuactors.runs.counters import Counters
from rcuactors.userfiles import load_scenario

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "rcuactors"

Row = tuple[str, ...]


def beside(path: Path) -> Any:
    """A module of the tests, by its file."""
    spec = importlib.util.spec_from_file_location(f"beside_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generated = beside(ROOT / "tests" / "docs" / "generated.py")
TABLES: dict[str, Callable[[], str]] = generated.TABLES


# -- generated tables ----------------------------------------------------------------------------------------


def test_every_table_is_in_a_page() -> None:
    assert sorted(name for _, name, _ in generated.generated()) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_generated_table(name: str) -> None:
    texts = [text for _, found, text in generated.generated() if found == name]
    assert texts == [TABLES[name]()], "python tests/docs/test_tables.py writes it again"


def test_every_file_says_what_it_has() -> None:
    assert [path for path in sorted(PACKAGE.rglob("*.py")) if not generated.head_of(path)] == []


@pytest.mark.parametrize("kind", [Counters, *dict.fromkeys(kind for _, kind in generated.parts(MachineStatistics))])
def test_every_figure_has_a_unit_and_a_meaning(kind: type[Any]) -> None:
    assert list(generated.described(kind)) == [field.name for field in attrs.fields(kind)]


# -- tables written by hand ----------------------------------------------------------------------------------


def table(page: str, heading: str) -> list[Row]:
    """The rows of the first table after a heading of a page, without its head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    after = re.split(rf"^#+ {re.escape(heading)}\n", text, flags=re.MULTILINE)
    assert len(after) == 2, f"{page} has not exactly one heading {heading!r}"
    rows: list[Row] = []
    for line in after[1].splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append(tuple(cell.strip() for cell in cells))
        elif rows:
            break
    assert len(rows) > 2, f"{page} has no table under {heading!r}"
    return rows[2:]


def code_of(cell: str) -> str:
    """What a cell says in code marks."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found is not None, f"{cell!r} should be one name in code marks"
    return found[1]


def keys_of(page: str, heading: str) -> list[str]:
    """The names in the first column."""
    return [code_of(row[0]) for row in table(page, heading)]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The JSON of a run that has violations."""
    chosen = load_scenario("raw_lock_caller")
    return run(chosen, RunOptions(kernel="v5.9"), PROVE_RAW_LOCK_NESTING="y").as_json()


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("The document", lambda document: document),
        ("One violation", lambda document: document["violations"][0]),
        ("Counters", lambda document: document["counters"]),
        ("Latency", lambda document: document["latency_ns"]),
    ],
)
def test_every_key_of_a_result_is_described(
    heading: str, part: Callable[[dict[str, Any]], dict[str, Any]], document: dict[str, Any]
) -> None:
    assert keys_of("results.md", heading) == list(part(document))
    for row in table("results.md", heading):
        assert all(row), f"{row[0]} has an empty cell"


def test_every_kind_of_violation_is_described() -> None:
    assert keys_of("results.md", "Kinds of violation") == [kind.value for kind in ViolationKind]


def decision_kinds() -> list[str]:
    """Each kind that any module of the package declares."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(rcuactors.__path__, "rcuactors."):
        if not module.name.endswith("__main__"):
            declared = vars(importlib.import_module(module.name)).values()
            found |= {value.name for value in declared if isinstance(value, DecisionKind)}
    return sorted(found)


def test_every_kind_of_decision_is_described() -> None:
    assert sorted(keys_of("baton.md", "Decisions")) == decision_kinds()


# -- what is added where -------------------------------------------------------------------------------------


def test_each_place_to_add_something_is_there() -> None:
    """The file of each row, and in it the names that are to be written to."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in (DOCS / "changing-it.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(("| a", "| s", "| o"))
    ]
    assert len(rows) > 20
    for _, what, file, *_ in rows:
        path = PACKAGE / code_of(file)
        if path.suffix != ".py":
            continue
        source = path.read_text(encoding="utf-8")
        for name in re.findall(r"`([^`]+)`", what):
            if "/" in name:
                assert (PACKAGE / name).exists(), name
            elif name not in ("expect", "__init__", "Scene") and not name.endswith(": ..."):
                wanted = re.sub(r"\(\)$", "", name).rpartition(".")[2]
                assert re.search(rf"\b{wanted}\b", source), f"{file} has no {name}"


# -- the cost model ------------------------------------------------------------------------------------------


def test_every_cost_is_charged_somewhere() -> None:
    package = ROOT / "rcuactors"
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "costs.py")
    assert [name for name, *_ in describe() if not re.search(rf"\bcosts\.{name}\b", source)] == []


# -- messages ------------------------------------------------------------------------------------------------

MESSAGES = "Who sends what to whom"
DEVICES = {"hrtimer": "hrtimer", "workqueue": "workqueue", "rcu_preempt": "grace-period machine"}


def actor_kind(name: str) -> str:
    """An actor's name, as the table calls it."""
    return DEVICES.get(name) or re.sub(r"^cpu\d+$", "CPU", name)


@scenario()
async def rare_messages(k: Kernel) -> None:
    """What the bundled scenarios lack: an NMI, a reader that is preempted, a worker that sleeps."""

    async def nothing() -> None:
        pass

    async def sleep_in_work() -> None:
        await k.msleep(1)

    async def reader() -> None:
        with k.rcu_reader():
            await k.udelay(10_000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.udelay(50)
        await nursery.start_soon(nothing, cpu=1, urgent=True)
        await k.raise_nmi(nothing, cpu=1)
        await k.schedule_work(k.work(sleep_in_work))
        await k.schedule_work(k.work(nothing))
        await k.synchronize_rcu()

    # A pool's only worker sleeps in the middle of a work when the next one comes.
    slow, second = k.work(lambda: k.msleep(20), name="slow"), k.work(k.cond_resched, name="second")
    await k.queue_work(k.system_highpri_wq, slow)
    await k.msleep(8)
    await k.queue_work(k.system_highpri_wq, second)
    await k.flush_work(second)


@pytest.fixture(scope="module")
def posted() -> set[tuple[str, str, str]]:
    """(message, sender, receiver) of everything that a few scenarios post."""
    seen: set[tuple[str, str, str]] = set()

    def note(actor: Actor, message: Message) -> None:
        seen.add((type(message).__name__, actor_kind(message.sender), actor_kind(actor.name)))

    def post(self: Conductor, actor: Actor, message: Message) -> None:
        note(actor, message)
        original_post(self, actor, message)

    def post_nmi(self: Cpu, message: Nmi) -> None:
        note(self, message)
        original_post_nmi(self, message)

    original_post, original_post_nmi = Conductor.post, Cpu.post_nmi
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conductor, "post", post)
        patch.setattr(Cpu, "post_nmi", post_nmi)
        for chosen in (load_scenario("cold_cache_burst"), load_scenario("hardirq_caller"), rare_messages):
            assert run(chosen).clean
    return seen


def test_every_message_class_is_in_the_table_and_in_the_picture() -> None:
    # Those with an underscore are no part of the machine: a rig's own.
    classes = [
        cls
        for cls in subclasses(Message)
        if cls.__module__.startswith("rcuactors.") and not cls.__name__.startswith("_")
    ]
    assert sorted(keys_of("messages.md", MESSAGES)) == sorted(cls.__name__ for cls in classes)
    picture = (DOCS / "actors.svg").read_text(encoding="utf-8")
    assert [cls.__name__ for cls in classes if cls.__name__ not in picture] == []


def test_each_row_of_the_table_is_what_is_really_posted(posted: set[tuple[str, str, str]]) -> None:
    described = {
        (code_of(message), sender, receiver)
        for message, senders, receivers, *_ in table("messages.md", MESSAGES)
        for sender in senders.split(", ")
        for receiver in receivers.split(", ")
    }
    assert posted == described


def test_each_message_is_made_in_the_file_that_the_table_names() -> None:
    for row in table("messages.md", MESSAGES):
        for file in row[4].split(", "):
            source = (ROOT / "rcuactors" / code_of(file)).read_text(encoding="utf-8")
            assert re.search(rf"\b{code_of(row[0])}\(\s*sender=", source), f"{row[0]} is not made in {file}"


def subclasses(root: type[Message]) -> list[type[Message]]:
    """All of them, at any depth."""
    return [cls for direct in root.__subclasses__() for cls in (direct, *subclasses(direct))]


# -- links ---------------------------------------------------------------------------------------------------

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            found = page.parent / file if file else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def test_every_page_is_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\((\S+?\.md)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert {path.name for path in DOCS.glob("*.md")} - {"index.md"} <= linked


def test_every_file_that_the_assumptions_name_is_there() -> None:
    named = set(re.findall(r"`(\w+/\w+\.py)`", (DOCS / "assumptions.md").read_text(encoding="utf-8")))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / "rcuactors" / name).is_file()] == []


def main() -> None:
    """Write every generated table again."""
    for path in {path for path, _, _ in generated.generated()}:
        text = path.read_text(encoding="utf-8")
        new = generated.GENERATED.sub(
            lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}<!-- end of table -->\n", text
        )
        path.write_text(new, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'renewed' if new != text else 'was right'}")


if __name__ == "__main__":
    main()
