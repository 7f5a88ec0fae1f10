"""The kernel's selftest of its lock validator, run on ours (lib/locking-selftest.c).

Some hundreds of small lock programs whose verdict is known beforehand: what can deadlock must be reported, what only
looks like it must not. A table of `ok` says that the validator can tell the two apart.
"""

from ..marks import KERNEL
from .rows import LEFT_OUT, Case, Row, Section, sections
from .runner import Outcome, run_case, run_selftest
from .table import selftest_lines

__trace__ = KERNEL

__all__ = [
    "LEFT_OUT",
    "Case",
    "Outcome",
    "Row",
    "Section",
    "run_case",
    "run_selftest",
    "sections",
    "selftest_lines",
]
