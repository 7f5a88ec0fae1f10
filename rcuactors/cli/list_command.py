"""`rcuactors list`: what there is to run, and to run it on."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, Final

import attrs
import click

from ..config import describe_fields, value_text
from ..designs import DESIGNS, make_design
from ..eras import ERAS, find_era
from ..eras.differences import Difference, differences, rules_of
from ..errors import BadInput
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
        {
            "name": era.name,
            "about": era.about,
            "release": era.release,
            "design": era.design,
            "rules": {rule.name: rule.value for rule in rules_of(era).values()},
        }
        for era in ERAS.values()
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


@click.command(
    "list", cls=ProgramCommand, epilog="Examples: rcuactors list scenarios; rcuactors list kernels --diff v5.9 v5.11"
)
@click.argument("topic", required=False, metavar=f"[{'|'.join(TOPICS)}]")
@click.option(
    "--diff", nargs=2, metavar="KERNEL KERNEL", help="With kernels: what differs between these two, rule by rule."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_command(topic: str | None, diff: tuple[str, str] | None, as_json: bool) -> None:
    """List what there is of one kind, or all of it in short."""
    if topic is not None and topic not in TOPICS:
        raise no_such("list", topic, TOPICS)
    if diff is not None:
        if topic != "kernels":
            raise BadInput(f"--diff {' '.join(diff)}: goes with kernels: rcuactors list kernels --diff KERNEL KERNEL")
        _print_differences(*diff, as_json=as_json)
        return
    wanted = [topic] if topic is not None else list(TOPICS)
    entries = {name: TOPICS[name]() for name in wanted}
    if as_json:
        print_json(entries)
    elif topic is not None:
        print_lines(_in_full(topic, entries[topic]))
    else:
        print_lines(_in_short(entries))


def _print_differences(one: str, other: str, *, as_json: bool) -> None:
    """Say in what two versions differ, a floor after the other; in JSON also what is known of each rule."""
    found = differences(find_era(one), find_era(other))
    if as_json:
        print_json({"kernels": [one, other], "differences": [attrs.asdict(each) for each in found]})
    elif not found:
        print_lines([f"{one} and {other} have the same rules"])
    else:
        print_lines(aligned([(each.name, _change(each)) for each in found]))


def _change(difference: Difference) -> str:
    """`by_channel -> whole_batch (5da7cb193db3)`."""
    commits = f" ({', '.join(difference.commits)})" if difference.commits else ""
    return f"{difference.before or 'none'} -> {difference.after or 'none'}{commits}"


def _rules_in_short(entries: list[Entry]) -> list[str]:
    """Each version, and the rules that it has otherwise than the one before it; the first one's for kvfree_rcu()."""
    lines: list[str] = []
    before: dict[str, str] | None = None
    heads = aligned([(entry["name"], f"{entry['about']} (design: {entry['design']})") for entry in entries])
    for head, entry in zip(heads, entries, strict=True):
        rules: dict[str, str] = entry["rules"]
        if before is None:
            new = [f"{name} {value}" for name, value in rules.items() if name.startswith("kvfree.")]
        else:
            new = [f"{name} {value}" for name, value in rules.items() if before.get(name) != value]
        said = "; ".join(new) or "no rule of its own"
        lines += [head, *textwrap.wrap(said, 110, initial_indent="    ", subsequent_indent="    ")]
        before = rules
    return lines


def _in_full(topic: str, entries: list[Entry]) -> list[str]:
    if not entries:
        return [f"no {topic}"]
    if topic == "kernels":
        return _rules_in_short(entries)
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
