"""The kernels that the recordings were taken on, as configurations of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

import attrs

from ..config import Config, with_settings
from ..errors import BadInput
from ..spelling import did_you_mean

DEFAULT_KERNEL: Final = "v6.1-stable"
DEFAULT_PRESET: Final = "prove_raw"


@attrs.frozen
class Preset:
    """A configuration by name."""

    name: str
    about: str
    settings: Mapping[str, str]


_SIZE: Final = {"mem": "16M", "pcp_batch": "15", "nr_cpus": "2", "HZ": "250"}
"""The recorded machines' batch and CPUs; little memory, so that page lists are short and soon run dry."""
_NO_CHECKS: Final = {"PROVE_LOCKING": "n", "PROVE_RAW_LOCK_NESTING": "n", "DEBUG_ATOMIC_SLEEP": "n"}

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "prove_raw",
                "PREEMPT=y with PROVE_LOCKING, PROVE_RAW_LOCK_NESTING and DEBUG_ATOMIC_SLEEP",
                {**_SIZE, "PROVE_LOCKING": "y", "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"},
            ),
            Preset("rt", "PREEMPT_RT=y without any of the checks", {**_SIZE, **_NO_CHECKS, "PREEMPT_RT": "y"}),
            Preset(
                "stock",
                "PREEMPT_DYNAMIC booted as voluntary, without any of the checks",
                {**_SIZE, **_NO_CHECKS, "preempt_voluntary": "y"},
            ),
        )
    }
)

_STEMS: Final = {
    "matrix_prove_raw": "prove_raw",
    "matrix_rt": "rt",
    "matrix_rt_repeats": "rt",
    "matrix_stock": "stock",
}


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises BadInput."""
    if name not in PRESETS:
        raise BadInput(f"--as {name}: {did_you_mean(name, PRESETS)}there are {', '.join(PRESETS)}")
    return PRESETS[name]


def preset_for(recording: str) -> Preset:
    """The preset of the kernel that a recording was taken on, told by the file's name. Raises BadInput."""
    stem = PurePath(recording).stem
    if stem not in _STEMS:
        raise BadInput(
            f"--against {recording}: which kernel is it of? --as {'|'.join(PRESETS)}, or --set NAME=VALUE, tells; "
            f"the names {', '.join(f'{known}.csv' for known in _STEMS)} tell by themselves"
        )
    return PRESETS[_STEMS[stem]]


def configuration(preset: Preset | None, settings: Mapping[str, str]) -> Config:
    """The preset's configuration, or the default one, with the settings made on top. Raises BadInput."""
    base = with_settings(Config(), preset.settings) if preset is not None else Config()
    return with_settings(base, settings)
