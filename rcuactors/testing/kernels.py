"""`@pytest.mark.rcu_kernels`: a test that is run on each of several kernels, by version and build.

The test has an argument `rcu_kernel`, the options of a run on that kernel: `rcu_lab.run(scenario, rcu_kernel)`. Without
arguments the mark is for every version and every build.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import pytest

from ..builds import BUILDS, find_build
from ..eras import ERAS, find_era
from ..errors import BadInput, bad_value, shown
from ..runs import RunOptions
from .now import KERNELS

ARGUMENT: Final = "rcu_kernel"


def on_each_kernel(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """One test for each kernel."""
    try:
        chosen = _chosen(mark)
        if ARGUMENT not in metafunc.fixturenames:
            raise BadInput(f"{KERNELS}: the test has no argument {ARGUMENT}, which is the kernel to run on")
    except BadInput as error:
        pytest.fail(f"{metafunc.definition.nodeid}: {error}", pytrace=False)
    metafunc.parametrize(ARGUMENT, [options for _, options in chosen], ids=[name for name, _ in chosen])


def _chosen(mark: pytest.Mark) -> list[tuple[str, RunOptions]]:
    if mark.args:
        raise bad_value(f"{KERNELS}({shown(mark.args[0])})", "arguments by name: versions=..., builds=...")
    words = dict(mark.kwargs)
    versions = _names("versions", words.pop("versions", tuple(ERAS)))
    builds = _names("builds", words.pop("builds", tuple(BUILDS)))
    for name in words:
        raise bad_value(f"{KERNELS}({name}=)", "versions=... or builds=...")
    for version in versions:
        find_era(version)
    for build in builds:
        find_build(build)
    return [
        (f"{version}-{build}", RunOptions(kernel=version, settings=BUILDS[build].settings))
        for version in versions
        for build in builds
    ]


def _names(name: str, value: object) -> Collection[str]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple | list) or not names or not all(isinstance(one, str) for one in names):
        raise bad_value(f"{KERNELS}({name}={shown(value)})", "a name, or several in a list")
    return names
