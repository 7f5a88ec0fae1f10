"""Builds: the ways in which a kernel is configured to look for mistakes, by one name each.

A build is a handful of configuration settings, as data. Scenarios promise outcomes by these names, designs are compared
by them, tests run under them: whoever says `rt` means the same kernel. The kernels that recordings were taken on are
no builds: they are what somebody once booted (lock_matrix/presets.py).

What a build switches on are the kernel's checks (lib/Kconfig.debug). debug_pagealloc and page_owner are none: they
change what the page allocator does, and report nothing; so no build has them. The run goes on after lockdep's first
report without lockdep, as in the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from .spelling import no_such


def frozen(settings: Mapping[str, str]) -> Mapping[str, str]:
    """The same settings, which nobody changes."""
    return MappingProxyType(dict(settings))


@attrs.frozen
class Build:
    """One of them: `settings` are on top of the configuration's defaults, whose lockdep leaves wait types unchecked."""

    name: str
    about: str
    settings: Mapping[str, str] = attrs.field(converter=frozen)


BUILDS: Final[Mapping[str, Build]] = MappingProxyType(
    {
        build.name: build
        for build in (
            Build("plain", "the default: lockdep, without its check of wait types", {}),
            Build("prove", "lockdep checks how lock types nest, too", {"PROVE_RAW_LOCK_NESTING": "y"}),
            # An uncontended spinlock_t of PREEMPT_RT is taken without sleeping: taking one where nobody may sleep would
            # show under contention only. might_sleep() in rt_spin_lock() shows it always. Nesting is left unchecked,
            # so that a report is what PREEMPT_RT itself objects to; prove tells the rest.
            Build(
                "rt",
                "PREEMPT_RT, where might_sleep() reports every sleeping lock in atomic context, contended or not",
                {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"},
            ),
            Build(
                "all",
                "every check on a kernel that is not PREEMPT_RT",
                {
                    "PROVE_RAW_LOCK_NESTING": "y",
                    "DEBUG_ATOMIC_SLEEP": "y",
                    "DEBUG_PREEMPT": "y",
                    "DEBUG_LOCKDEP": "y",
                    "DEBUG_IRQFLAGS": "y",
                    "KASAN": "y",
                },
            ),
        )
    }
)

USUAL_BUILDS: Final = ("plain", "prove", "rt")
"""Those that scenarios promise outcomes for, and that designs are compared on unless somebody says otherwise."""


def find_build(name: str, what: str = "build") -> Build:
    """The build of that name; `what` is where the user wrote it. Raises BadInput."""
    if name not in BUILDS:
        raise no_such(what, name, BUILDS)
    return BUILDS[name]
