"""How a version words what all reports share: values that an era picks (eras/).

Sources: lib/dump_stack.c (dump_stack_print_info()), kernel/panic.c (__warn(), print_tainted()), kernel/sched/core.c and
arch/x86/kernel/traps.c. Read at 5.11, 6.1.166, 6.6.80, 6.12.0, 6.12.94 and 6.18.2; the words of 6.12 are recorded.
"""

from __future__ import annotations

from typing import Final

import attrs

_FLAGS: Final = "GFSRMBUDAWCIOELKXTN"
"""The letters of v6.12's taints, in their order; the first is P where a proprietary module was loaded."""
_NAMES: Final = {"B": "BAD_PAGE", "D": "DIE", "W": "WARN", "L": "SOFTLOCKUP"}


@attrs.frozen(kw_only=True)
class SplatRules:
    """One version's. The defaults are v5.9's."""

    uid: bool = False
    """The line that says who and where names the user: "UID: 0" (lib/dump_stack.c: 6.12.0 does, 6.6.80 does not)."""
    taints: str = ""
    """The letters of the taints that reports tell of, in a line of their own as well: "Tainted: [W]=WARN"
    (print_tainted_verbose(): 6.12.0 has it, 6.6.80 has not). The model does not count taints for older versions."""
    preemption: bool = False
    """The same line ends with how the kernel preempts, "PREEMPT(full)" (preempt_model_str(): 6.18.2 does so, 6.12.94
    does not)."""
    oops_prefix: bool = False
    """"general protection fault" comes after "Oops: " (arch/x86/kernel/traps.c; 6.12.117 was seen to do so)."""
    odebug_address: bool = False
    """debug_print_object() names the object's address: "object: ADDR object type:" (commit c4db2d3b70e5 of v6.4)."""
    warning_place_first: bool = False
    """WARN() begins with the place, and the CPU and the task come after it: "WARNING: at FUNCTION, CPU#1: comm/pid"
    (kernel/panic.c, __warn(): v6.19; 6.18.44 has the old one)."""

    def taint_text(self, taints: set[str]) -> str:
        """print_tainted()."""
        if not taints or not self.taints:
            return "Not tainted"
        return "Tainted: " + "".join(flag if flag == "G" or flag in taints else " " for flag in self.taints)

    def taint_names(self, taints: set[str]) -> list[str]:
        """The line of print_tainted_verbose(), where something is tainted."""
        named = [f"[{flag}]={_NAMES[flag]}" for flag in self.taints if flag in taints]
        return [f"Tainted: {', '.join(named)}"] if named else []


TAINTS_V6_12: Final = _FLAGS
TAINTS_V6_18: Final = f"{_FLAGS}J"
