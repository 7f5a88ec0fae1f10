"""`rcuactors list`: what there is to run, and to run it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from ..config import describe_fields, value_text
from ..designs import DESIGNS, make_design
from ..eras import ERAS
from ..explore import describe_strategies
from ..kernel.costs import describe as describe_costs
from ..report.text import aligned
from ..spelling import no_such, plural
from ..userfiles import find_scenarios, load_scenario
from .output import print_json, print_lines
from .program import ProgramCommand

Entry = dict[str, Any]


def _scenarios() -> list[Entry]:
    loaded = [(name, path, load_scenario(path)) for name, path in find_scenarios().items()]
    return [
        {
            "name": name,
            "about": scenario.about,
            "parameters": scenario.parameters,
            "settings": scenario.settings,
            "expect": {label: dict(row) for label, row in scenario.expect.items()},
            "file": str(path),
        }
        for name, path, scenario in loaded
    ]


def _kernels() -> list[Entry]:
    return [
        {"name": era.name, "about": era.about, "release": era.release, "design": era.design} for era in ERAS.values()
    ]


def _configs() -> list[Entry]:
    return [{"name": name, "about": about, "default": default} for name, default, about in describe_fields()]


def _strategies() -> list[Entry]:
    return [{"name": name, "about": about} for name, about in describe_strategies()]


def _designs() -> list[Entry]:
    return [{"name": name, "about": make_design(name).about} for name in DESIGNS]


def _costs() -> list[Entry]:
    return [{"name": name, "about": about, "ns": ns, "source": source} for name, ns, about, source in describe_costs()]


TOPICS: Final[dict[str, Callable[[], list[Entry]]]] = {
    "scenarios": _scenarios,
    "kernels": _kernels,
    "configs": _configs,
    "strategies": _strategies,
    "designs": _designs,
    "costs": _costs,
}


@click.command("list", cls=ProgramCommand)
@click.argument("topic", required=False, metavar=f"[{'|'.join(TOPICS)}]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_command(topic: str | None, as_json: bool) -> None:
    """List what there is of one kind, or all of it in short."""
    if topic is not None and topic not in TOPICS:
        raise no_such("list", topic, TOPICS)
    wanted = [topic] if topic is not None else list(TOPICS)
    entries = {name: TOPICS[name]() for name in wanted}
    if as_json:
        print_json(entries)
    elif topic is not None:
        print_lines(_in_full(topic, entries[topic]))
    else:
        print_lines(_in_short(entries))


def _in_full(topic: str, entries: list[Entry]) -> list[str]:
    if not entries:
        return [f"no {topic}"]
    return aligned([(entry["name"], " ".join([*_value(entry), entry["about"], *_remarks(entry)])) for entry in entries])


def _value(entry: Entry) -> list[str]:
    if "ns" in entry:
        return [f"{entry['ns']:>9,} ns "]
    return [f"{entry['default']:<10}"] if "default" in entry else []


def _remarks(entry: Entry) -> list[str]:
    """Return what else a line says of an entry, in brackets."""
    parts = [f"{name}={value_text(value)}" for name, value in entry.get("parameters", {}).items()]
    parts += [f"{key}: {entry[key]}" for key in ("design", "source") if key in entry]
    return [f"({', '.join(parts)})"] if parts else []


def _in_short(topics: dict[str, list[Entry]]) -> list[str]:
    """Name those of each kind and what they are; of the costs say only how many there are."""
    lines: list[str] = []
    for topic, entries in topics.items():
        if topic == "costs":
            lines.append(f"costs: {plural(len(entries), 'figure')} (`rcuactors list costs`)")
            continue
        lines.append(f"{topic}:")
        lines += [
            f"  {line}" for line in aligned([(entry["name"], entry["about"]) for entry in entries] or [("none", "")])
        ]
    return lines
