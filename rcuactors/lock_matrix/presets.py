"""The kernels that the recordings were taken on, as configurations of the model.

They are no builds (builds.py), whose names mean something else: these are machines that somebody once booted, with
their size, and two of them without any check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

import attrs

from ..config import Config, with_settings
from ..errors import BadInput
from ..runs import RunOptions
from ..spelling import no_such

DEFAULT_KERNEL: Final = "v6.1-stable"
DEFAULT_PRESET: Final = "prove_raw"


_MAX_STEPS: Final = 100_000_000
"""A cell is ended by virtual time, not by steps."""


@attrs.frozen
class Preset:
    """A configuration by name. `word` is what the names of its recordings have in them."""

    name: str
    word: str
    about: str
    settings: Mapping[str, str]


_SIZE: Final = {
    "mem": "16M",
    "pcp_batch": "15",
    "nr_cpus": "2",
    "HZ": "250",
}
"""The recorded machines' batch and CPUs; little memory, so that page lists are short and soon run dry."""
_NO_CHECKS: Final = {"PROVE_LOCKING": "n", "PROVE_RAW_LOCK_NESTING": "n", "DEBUG_ATOMIC_SLEEP": "n"}

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "prove_raw",
                "prove_raw",
                "PREEMPT=y with PROVE_LOCKING, PROVE_RAW_LOCK_NESTING and DEBUG_ATOMIC_SLEEP",
                {**_SIZE, "PROVE_LOCKING": "y", "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"},
            ),
            Preset(
                "rt_bare", "rt", "PREEMPT_RT=y without any of the checks", {**_SIZE, **_NO_CHECKS, "PREEMPT_RT": "y"}
            ),
            Preset(
                "stock",
                "stock",
                "PREEMPT_DYNAMIC booted as voluntary, without any of the checks",
                {**_SIZE, **_NO_CHECKS, "preempt_voluntary": "y"},
            ),
        )
    }
)


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises BadInput."""
    if name not in PRESETS:
        by_word = [preset.name for preset in PRESETS.values() if preset.word == name]
        raise no_such("--as", name, PRESETS, meant=by_word[0] if by_word else "")
    return PRESETS[name]


def preset_for(recording: str) -> Preset:
    """The preset of the kernel that a recording was taken on, told by the file's name.

    The name has the preset's word in it, such as matrix_rt_repeats.csv. Raises BadInput.
    """
    words = f"_{'_'.join(re.findall('[a-z0-9]+', PurePath(recording).stem.lower()))}_"
    named = [preset for preset in PRESETS.values() if f"_{preset.word}_" in words]
    if len(named) != 1:
        raise BadInput(
            f"--against {recording}: which kernel is it of? --as {'|'.join(PRESETS)}, or --set NAME=VALUE, tells; "
            "or the file's name, such as matrix_rt.csv"
        )
    return named[0]


def configuration(preset: Preset | None, settings: Mapping[str, str]) -> Config:
    """The preset's configuration, or the default one, with the settings made on top. Raises BadInput."""
    base = with_settings(Config(), preset.settings) if preset is not None else Config()
    return with_settings(base, settings)


def cell_options(kernel: str, config: Config) -> RunOptions:
    """How each cell is run on that kernel. Raises BadInput."""
    return RunOptions(kernel=kernel, settings=config.as_settings(), max_steps=_MAX_STEPS)
