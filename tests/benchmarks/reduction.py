"""How many schedules `dpor` saves: `python tests/benchmarks/reduction.py [SCENARIO..]`.

Of each small scenario: how many schedules `dpor` tried, how many `dfs` did, both to their end; how many final states
(without times) and findings there were, and whether both had the same. A tenth or less is wanted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.reduced import REDUCED, Reduced


def line(one: Reduced) -> str:
    """What is printed of one."""
    _, reduced = one.reduced()
    whole = one.whole()
    same = (reduced.states, reduced.found) == (whole.states, whole.found)
    ends = f"{len(reduced.states)} final states, {len(reduced.found)} findings, {'the same' if same else 'OTHERS'}"
    part = f"1/{whole.schedules // reduced.schedules}"
    return f"{one.name:<24} dpor {reduced.schedules:>4}  dfs {whole.schedules:>6,}  {part:>6}  {ends}"


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*")
    wanted = parser.parse_args().scenarios
    for one in REDUCED:
        if not wanted or one.chosen.name in wanted:
            print(line(one), flush=True)


if __name__ == "__main__":
    main()
