"""The pictures that are made out of the code: `python -m tests.docs.diagrams [NAMES]` writes them.

tests/docs/test_diagrams.py holds each against what would be written. `krcp-states` first goes through all scenarios,
and writes down what they went through (tests/docs/krcp_states.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.docs import actors, floors, krcp_states

ROOT: Final = Path(__file__).resolve().parent.parent.parent

PICTURES: Final[dict[str, Callable[[], str]]] = {
    "actors": actors.picture,
    "floors": lambda: floors.picture(ROOT / "rcuactors"),
    "krcp-states": lambda: krcp_states.draw(krcp_states.kept_rows()),
}


def path_of(name: str) -> Path:
    """Where a picture is."""
    return ROOT / "docs" / f"{name}.svg"


def main(names: list[str]) -> None:
    """Write those, or all."""
    for name in names or PICTURES:
        if name == "krcp-states":
            krcp_states.DATA.write_text(json.dumps(krcp_states.all_rows(), indent=1) + "\n", encoding="utf-8")
        new, path = PICTURES[name](), path_of(name)
        same = path.exists() and path.read_text(encoding="utf-8") == new
        path.write_text(new, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'was right' if same else 'renewed'}")


if __name__ == "__main__":
    main(sys.argv[1:])
